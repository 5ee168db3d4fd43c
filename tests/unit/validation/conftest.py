"""Plans from small dicts, routed by hand, so that these tests do not depend on routing."""

import pytest

from genesis.model import Plan, Registry, Route, RoutedPlan
from genesis.settings import Limits
from genesis.structure import outline
from genesis.validation import validate
from genesis.validation.facts import gather

TYPES = [
    "generic", "design", "requirements", "research", "implement", "build", "test", "test_run", "validation", "deploy",
    "reporting", "content", "marketing",
]  # fmt: skip
WORKER = {
    "name": "worker",
    "task_types": TYPES,
    "max_concurrency": 100,
    "success_rate": 0.8,
    "cost": {"usd_per_task": 0.01},
}


def routed_plan(tasks, *, agents=None, rules=(), to=None, request="Do the work", routes=None, **plan):
    """Route every leaf to `to[path]`, else to the first agent."""
    registry = Registry.model_validate({"agents": [WORKER] if agents is None else agents, "rules": list(rules)})
    document = Plan.model_validate({"request": request, "tasks": tasks, **plan})
    first = registry.agents[0].name if registry.agents else None
    if routes is None:
        routes = {
            node.path: Route(agent=(to or {}).get(node.path, first), score=0.5, reason="by hand")
            for node in outline(document).leaf_nodes()
            if node.task.wait_for is None
        }
    return RoutedPlan(plan=document, routes=routes), registry


@pytest.fixture
def check():
    """Validate tasks given as dicts; keywords of `validate` go in `how`."""

    def run(tasks, *, how=None, **plan):
        return validate(*routed_plan(tasks, **plan), **(how or {}))

    return run


@pytest.fixture
def codes(check):
    """Return the codes of a severity, for tasks given as dicts."""

    def run(tasks, severity=None, **plan):
        found = check(tasks, **plan).diagnostics
        return [d.code for d in found if severity is None or d.severity == severity]

    return run


@pytest.fixture
def find(check):
    """Return the diagnostics of one code."""

    def run(code, tasks, **plan):
        return [d for d in check(tasks, **plan).diagnostics if d.code == code]

    return run


@pytest.fixture
def facts_of():
    def run(tasks, **plan):
        routed, registry = routed_plan(tasks, **plan)
        return gather(
            routed, registry, probe=None, limits=Limits(), slots=16, planned=None, default_seconds=1.0, model=None
        )

    return run
