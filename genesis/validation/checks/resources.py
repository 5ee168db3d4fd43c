"""Whether each leaf's resources are offered by its agent, and by this machine."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.model.resources import find_lacking
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["resources_beyond_machine", "resources_not_offered"]


@check(
    "GEN-RESOURCES",
    "error",
    finds="a leaf that needs more than its agent offers, or a tag that its agent does not have",
    remedy="route it again, lower its `resources`, or add them to the agent's `resources`",
)
def resources_not_offered(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find leaves that their agent could never run."""
    if "resources" not in facts.given:
        return
    for node, agent in facts.assigned:
        if lacking := find_lacking(node.task.resources, agent.resources):
            able = [a.name for a in facts.agents.values() if not find_lacking(node.task.resources, a.resources)]
            yield CheckFinding(
                node.index,
                f"task {node.path!r} needs {' and '.join(lacking)}, which {agent.name!r} does not offer",
                hint=f"these agents offer it: {', '.join(able[:3])}" if able else "no agent offers it",
                evidence={"agent": agent.name, "lacking": [*lacking], "agents_with_resources": [*able[:10]]},
            )


@check(
    "GEN-RESOURCES-MACHINE",
    "warning",
    finds="a leaf that needs more processors or memory than this machine has: it runs while no other leaf needs any",
    remedy="run it on a larger machine, or lower its `resources`",
)
def resources_beyond_machine(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Compare what leaves need with the machine that is to run them."""
    if "resources" not in facts.given or facts.probe is None or (machine := facts.probe.resources()) is None:
        return
    for node, _ in facts.assigned:
        needs = node.task.resources
        counted = None if needs is None else needs.model_copy(update={"gpu": 0, "tags": ()})
        if lacking := find_lacking(counted, machine):
            yield CheckFinding(
                node.index,
                f"task {node.path!r} needs {' and '.join(lacking)}, more than this machine has",
                evidence={"lacking": [*lacking]},
            )
