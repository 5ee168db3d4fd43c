"""Genesis: plan, route, check, compile and run a fleet of agents on Prefect.

```python
import genesis

registry = genesis.load_registry()
routed = genesis.route(genesis.load_plan("plan.yaml"), registry)
program = genesis.compile_program(routed, registry)
run = await genesis.run(program)
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genesis.agents import Work, agent
    from genesis.compile import compile_program
    from genesis.errors import GenesisError
    from genesis.flows.programmatic import resume, run
    from genesis.model import AgentProfile, Plan, Program, Registry, Report, RoutedPlan, Run, Task
    from genesis.pipeline import make_plan, simulate
    from genesis.planning import load_plan
    from genesis.routing import load_registry, route
    from genesis.validation.validate import validate

_HOMES = {
    "AgentProfile": "genesis.model",
    "GenesisError": "genesis.errors",
    "Plan": "genesis.model",
    "Program": "genesis.model",
    "Registry": "genesis.model",
    "Report": "genesis.model",
    "RoutedPlan": "genesis.model",
    "Run": "genesis.model",
    "Task": "genesis.model",
    "Work": "genesis.agents",
    "agent": "genesis.agents",
    "compile_program": "genesis.compile",
    "load_plan": "genesis.planning",
    "load_registry": "genesis.routing",
    "make_plan": "genesis.pipeline",
    "resume": "genesis.flows.programmatic",
    "route": "genesis.routing",
    "run": "genesis.flows.programmatic",
    "simulate": "genesis.pipeline",
    "validate": "genesis.validation",
}

__all__ = [
    "AgentProfile",
    "GenesisError",
    "Plan",
    "Program",
    "Registry",
    "Report",
    "RoutedPlan",
    "Run",
    "Task",
    "Work",
    "agent",
    "compile_program",
    "load_plan",
    "load_registry",
    "make_plan",
    "resume",
    "route",
    "run",
    "simulate",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first access, so that `import genesis` stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'genesis' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
