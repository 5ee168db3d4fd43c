"""Check a registry across fields, for example for repeated names and pools shared by mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from genesis.document import close_matches, validate_model
from genesis.errors import DocumentError
from genesis.model import AgentProfile, Condition, Registry, Rule
from genesis.model.agent import is_orchestrator_pool
from genesis.text.scripts import find_script_fault, skeleton

__all__ = ["check_registry", "parse_registry", "routing_problems"]

_RESERVED = frozenset({"all", "any", "genesis", "none", "null"})
"""Words with another meaning on the command line, in the plan file or in Prefect."""
_SHOWN = 5
"""Problems that one error lists."""
_HINT = "run: genesis schema agents"


def parse_registry(value: Any, *, source: str) -> Registry:
    """Parse an agents document into a valid registry. The `source` of agents is dropped.

    Args:
        value: The document as plain values.
        source: Its name in messages.

    Raises:
        DocumentError: It is not a valid agents file; the message has the locations, `data["errors"]` all errors.
    """
    if isinstance(value, list):
        raise DocumentError(f"{source} is a list", hint="put it under the key `agents`", data={"source": source})
    registry = validate_model(Registry, value, source=source, noun="agents")
    check_registry(registry, source=source)
    if any(agent.source for agent in registry.agents):
        agents = tuple(agent.model_copy(update={"source": None}) for agent in registry.agents)
        registry = registry.model_copy(update={"agents": agents})
    return registry


def check_registry(registry: Registry, *, source: str) -> None:
    """Refuse a registry that cannot be used.

    Raises:
        DocumentError: The registry has problems; the message lists them.
    """
    problems = list(_problems(registry))
    if problems:
        raise _invalid(source, problems)


def routing_problems(registry: Registry) -> Iterator[tuple[str, str]]:
    """Find problems that make a registry unusable for routing: repeated names, unknown names, invalid patterns.

    Yields:
        The location in the document and the problem.
    """
    names: dict[str, int] = {}
    looks: dict[str, str] = {}
    for index, agent in enumerate(registry.agents):
        if (fault := find_script_fault(agent.name)) is not None:
            yield f"agents[{index}].name", f"the name can pass for another: {fault}"
        twin = looks.setdefault(skeleton(agent.name), agent.name)
        if twin != agent.name and not (twin.isascii() and agent.name.isascii()):
            yield f"agents[{index}].name", f"{agent.name!a} looks like the agent {twin!a}"
        if agent.name in names:
            yield f"agents[{index}].name", f"{agent.name!r} is already the name of agents[{names[agent.name]}]"
        names.setdefault(agent.name, index)
    yield from _rule_problems(registry)


def _problems(registry: Registry) -> Iterator[tuple[str, str]]:
    """Find all problems across fields."""
    if not registry.agents:
        yield "agents", "the list is empty, so no task could run"
    yield from _agent_problems(registry)
    yield from routing_problems(registry)


def _invalid(source: str, problems: list[tuple[str, str]]) -> DocumentError:
    shown = "; ".join(f"{where}: {what}" for where, what in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    errors = [{"where": where, "what": what} for where, what in problems]
    data = {"source": source, "where": problems[0][0], "errors": errors}
    return DocumentError(f"{source} is not a valid agents file: {shown}{more}", hint=_HINT, data=data)


def _agent_problems(registry: Registry) -> Iterator[tuple[str, str]]:
    granted = {rule.then for rule in registry.rules}
    pools: dict[str, str] = {}
    for index, agent in enumerate(registry.agents):
        where = f"agents[{index}]"
        if agent.name.lower() in _RESERVED or not agent.name.strip(".") or agent.name.startswith("-"):
            yield f"{where}.name", f"{agent.name!r} cannot be an agent's name; use a word that describes what it does"
        elif is_orchestrator_pool(agent.pool_name):
            yield f"{where}.pool", f"{agent.pool_name!r} is a pool of the orchestrating flow; use another"
        elif agent.pool is None:
            other = pools.setdefault(agent.pool_name, agent.name)
            if other != agent.name:
                text = f"{agent.name!r} and {other!r} would share {agent.pool_name!r}"
                yield f"{where}.pool", f"{text}; name a pool for one of them"
        if agent.name not in granted:
            yield from _type_problems(where, agent)


def _type_problems(where: str, agent: AgentProfile) -> Iterator[tuple[str, str]]:
    """Find executors and costs for types that the agent never gets; a rule could route any type to it."""
    taken = {*agent.task_types, "generic"}
    for key, types in (("executors", agent.executors), ("costs", agent.costs)):
        for task_type in types:
            if task_type not in taken:
                guess = close_matches(task_type, agent.task_types)
                text = f"{agent.name!r} does not take the type {task_type!r}"
                yield f"{where}.{key}.{task_type}", f"{text}; {guess}" if guess else f"{text}; add it to task_types"


def _rule_problems(registry: Registry) -> Iterator[tuple[str, str]]:
    names = {agent.name for agent in registry.agents}
    ids: dict[str, int] = {}
    for index, rule in enumerate(registry.rules):
        where = f"rules[{index}]"
        if rule.id in ids:
            yield f"{where}.id", f"{rule.id!r} is already the id of rules[{ids[rule.id]}]"
        ids.setdefault(rule.id, index)
        if rule.then not in names:
            guess = close_matches(rule.then, names)
            yield f"{where}.then", "; ".join(filter(None, (f"there is no agent {rule.then!r}", guess)))
        yield from _pattern_problems(rule, f"{where}.when")


def _pattern_problems(rule: Rule, where: str) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[Condition, str]] = [(rule.when, where)]
    while waiting:
        condition, place = waiting.pop()
        if condition.description is not None:
            try:
                re.compile(condition.description, re.IGNORECASE)
            except (re.error, OverflowError, RecursionError, FutureWarning) as error:
                yield f"{place}.description", f"{condition.description!r} is not a regular expression: {error}"
        for key, parts in (("all", condition.all), ("any", condition.any)):
            waiting.extend((part, f"{place}.{key}[{index}]") for index, part in enumerate(parts or ()))
        if condition.not_ is not None:
            waiting.append((condition.not_, f"{place}.not"))
