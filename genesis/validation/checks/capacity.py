"""Whether leaves that could run concurrently will queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["agent_capacity", "agent_capacity_tight", "slots_tight"]

_MUCH = 2
"""Ready leaves per slot of an agent from which on it is a bottleneck."""


@check(
    "GEN-CAPACITY",
    "warning",
    finds="at least twice as many parallel leaves of one agent as its max_concurrency: most of them will queue",
    remedy="raise the agent's max_concurrency, or route some of the work to another agent",
)
def agent_capacity(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find agents whose own limit, and not the slots, makes parallel leaves wait for long."""
    for name, (parallel, first) in facts.widths.items():
        if min(parallel, facts.slots) >= _MUCH * facts.agents[name].max_concurrency:
            yield _queue(facts, name, parallel, first)


@check(
    "GEN-CAPACITY-TIGHT",
    "info",
    finds="a few more parallel leaves of one agent than its max_concurrency",
    remedy="no action is needed; some of them start a little later",
)
def agent_capacity_tight(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find agents whose own limit makes parallel leaves wait for a little."""
    for name, (parallel, first) in facts.widths.items():
        at_once = facts.agents[name].max_concurrency
        if at_once < min(parallel, facts.slots) < _MUCH * at_once:
            yield _queue(facts, name, parallel, first)


def _queue(facts: PlanFacts, name: str, parallel: int, first: int) -> CheckFinding:
    at_once = facts.agents[name].max_concurrency
    return CheckFinding(
        first,
        f"{parallel} leaves of {name!r} could run concurrently, from {facts.path(first)!r} on; its limit is {at_once}",
        evidence={"agent": name, "parallel": parallel, "max_concurrency": at_once, "slots": facts.slots},
    )


@check(
    "GEN-SLOTS-TIGHT",
    "info",
    finds="more parallel leaves than slots",
    remedy="raise --slots",
)
def slots_tight(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find a plan that is wider than the run."""
    if facts.schedule is None or facts.leaf_count <= facts.slots:
        return
    level, at_once = facts.schedule.level, facts.copies.at_once
    widths: Counter[int] = Counter()
    for leaf in facts.outline.leaves:
        widths[level[2 * leaf]] += 0 if leaf in facts.never_run else at_once.get(leaf, 1)
    width = max(widths.values())
    if width > facts.slots:
        message = f"{width} leaves could run concurrently on {facts.slots} slots"
        yield CheckFinding(None, message, evidence={"parallel": width, "slots": facts.slots})
