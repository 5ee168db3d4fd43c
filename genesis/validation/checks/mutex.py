"""Whether mutexes are where they have a meaning."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["mutex_on_composite"]


@check(
    "GEN-MUTEX-COMPOSITE",
    "error",
    finds="a `mutex` on a composite: it would not be held from its first leaf to its last",
    remedy="give it to the leaves that must not run beside others",
)
def mutex_on_composite(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find mutexes that nothing would hold."""
    if "mutex" not in facts.given:
        return
    for node in facts.outline.nodes:
        is_made = facts.outline.as_run and node.task.for_each is not None  # of copies, each of which has it
        if node.task.mutex is not None and node.children and not is_made:
            message = f"composite {node.path!r} has the mutex {node.task.mutex!r}, which only leaves can hold"
            yield CheckFinding(node.index, message, evidence={"mutex": node.task.mutex})
