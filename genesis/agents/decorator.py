"""Make a Python function an agent.

```python
@genesis.agent(task_types=["summarise"], skills=["writing"])
def summariser(text: str) -> str: ...

registry = with_agents(load_registry(), [summariser])
```

The decorator only marks the function. `with_agents` adds it to a registry, and
`functions_of` makes the table that lets functions run which cannot be imported by name: those of the main script, and
those made inside other functions. Such agents run in this process only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import ValidationError

from genesis.agents.functions import Functions
from genesis.errors import UsageError
from genesis.model import AgentCost, AgentProfile, AgentRate, PythonSpec, Registry

__all__ = ["agent", "functions_of", "profile_of", "with_agents"]

_F = TypeVar("_F", bound=Callable[..., Any])
_MARK = "__genesis_agent__"


def agent(
    name: str | None = None,
    *,
    task_types: Iterable[str],
    skills: Iterable[str] = (),
    description: str | None = None,
    cost: AgentCost | Mapping[str, float | Decimal] | None = None,
    success_rate: float = 0.8,
    max_concurrency: int = 10,
    rate: AgentRate | Mapping[str, float] | None = None,
    pool: str | None = None,
    timeout_s: float | None = None,
    secrets: Iterable[str] = (),
) -> Callable[[_F], _F]:
    """Mark a function, or an existing Prefect flow or task, as an agent, and return it unchanged.

    Args:
        name: The agent's name; the function's own if omitted.
        task_types: Types of task that it takes.
        skills: What it can do.
        description: What it is for; the first line of the docstring if omitted.
        cost: What it costs: `usd_per_task` or `usd_per_1k_tokens`, in US dollars.
        success_rate: Share of its tasks that succeed, 0 to 1.
        max_concurrency: Maximum number of concurrent tasks.
        rate: How often it may be called: `calls` in `per_s` seconds, with bursts of `burst`.
        pool: Its work pool; by default the one named after it.
        timeout_s: Time limit of an attempt in seconds.
        secrets: Names of the secrets that it needs.

    Raises:
        UsageError: A value is out of range, or the object cannot be marked.
    """
    if isinstance(task_types, str) or isinstance(skills, str) or isinstance(secrets, str):
        raise UsageError("task_types, skills and secrets are lists of names", hint='write task_types=["review"]')
    if callable(name):
        raise UsageError("agent needs its task types", hint='write @agent(task_types=["review"])')
    types, abilities, needed = tuple(task_types), tuple(skills), tuple(secrets)

    def mark(function: _F) -> _F:
        called = name or getattr(function, "__name__", type(function).__name__)
        try:
            profile = AgentProfile.model_validate(
                {
                    "name": "agent" if called == "<lambda>" else called,
                    "description": description or _first_line(function),
                    "task_types": types,
                    "skills": abilities,
                    "cost": AgentCost() if cost is None else cost,
                    "success_rate": success_rate,
                    "max_concurrency": max_concurrency,
                    "rate": rate,
                    "pool": pool,
                    "timeout_s": timeout_s,
                    "secrets": needed,
                }
            )
            setattr(function, _MARK, profile)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(f"agent {called!r}: {where}: {first['msg']} (given: {first['input']!r})") from error
        except (AttributeError, TypeError) as error:
            raise UsageError(f"{called!r} cannot be an agent: {error}", hint="wrap it in a function") from error
        return function

    return mark


def profile_of(function: Callable[..., Any]) -> AgentProfile:
    """Return the profile of a marked function, with the executor that calls it.

    Raises:
        UsageError: The function is not marked.
    """
    profile = getattr(function, _MARK, None)
    if not isinstance(profile, AgentProfile):
        raise UsageError(f"{function!r} is not an agent", hint="decorate it with @genesis.agent(task_types=[...])")
    return profile.model_copy(update={"executor": PythonSpec(kind="python", call=_call_of(function, profile.name))})


def with_agents(registry: Registry, functions: Iterable[Callable[..., Any]]) -> Registry:
    """Return the registry with these functions added as agents, after its own and in order.

    Raises:
        UsageError: A function is not marked, or its agent's name is taken.
    """
    agents = list(registry.agents)
    taken = {agent.name for agent in agents}
    for profile in map(profile_of, functions):
        if profile.name in taken:
            raise UsageError(f"there are two agents named {profile.name!r}", hint="rename one of them")
        taken.add(profile.name)
        agents.append(profile)
    return registry.model_copy(update={"agents": tuple(agents)})


def functions_of(functions: Iterable[Callable[..., Any]]) -> Functions:
    """Return a table from `module:name` to function, for functions that are passed in rather than imported.

    Raises:
        UsageError: A function is not marked, or two would be called by the same name.
    """
    table: dict[str, Callable[..., Any]] = {}
    for function in functions:
        call = _call_of(function, profile_of(function).name)
        if table.setdefault(call, function) is not function:
            raise UsageError(f"two functions would both be called {call!r}", hint="rename their agents")
    return table


def _call_of(function: Callable[..., Any], name: str) -> str:
    """Return the `module:name` of a function, or of its file where an import would not find this very function."""
    module = getattr(function, "__module__", None) or "__main__"
    qualified = getattr(function, "__qualname__", "")
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if found is function and module != "__main__":
        return f"{module}:{qualified}"
    return f"{module}:in_process.{''.join(c if c.isalnum() else '_' for c in name)}"


def _first_line(function: object) -> str:
    return (getattr(function, "__doc__", None) or "").strip().partition("\n")[0].strip()
