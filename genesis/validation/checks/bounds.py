"""Whether the plan fits its budget and its deadline."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from genesis.model import AgentProfile
from genesis.structure import Node, estimate_seconds, estimate_tokens
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts, Schedule

__all__ = [
    "budget_tokens",
    "budget_unknown",
    "budget_usd",
    "deadline",
    "deadline_assumed",
    "deadline_unknown",
    "timeout_short",
]

_FREE_KINDS = frozenset({"brief", "rehearsal"})
_TOP = 3
"""Largest leaves that a finding about a budget names."""


@check(
    "GEN-BUDGET-USD",
    "error",
    finds="an estimated cost above the budget",
    remedy="raise the budget, route to cheaper agents, or drop tasks",
)
def budget_usd(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Compare the sum of the expected costs, one attempt each, with the budget."""
    budget = facts.plan.budget
    if budget is None or budget.usd is None:
        return
    usd = {leaf: facts.copies.of(leaf) * each for leaf, each in facts.usd.items() if leaf not in facts.never_run}
    total = sum(usd.values(), Decimal(0))
    if total > budget.usd:
        dearest = sorted(usd, key=lambda leaf: -usd[leaf])[:_TOP]
        yield CheckFinding(
            None,
            f"the plan is expected to cost ${_money(total)}; the budget is ${_money(budget.usd)}",
            hint="the most expensive tasks: "
            + ", ".join(f"{facts.path(leaf)} (${_money(usd[leaf])})" for leaf in dearest),
            evidence={
                "expected_usd": float(total),
                "budget_usd": float(budget.usd),
                "dearest": {facts.path(leaf): float(usd[leaf]) for leaf in dearest},
            },
        )


def _running(facts: PlanFacts) -> list[Node]:
    """List the leaves without those that never run, by their conditions."""
    return [leaf for leaf in facts.leaves if leaf.index not in facts.never_run]


def _money(amount: Decimal) -> str:
    text = f"{amount:,.4f}".rstrip("0")
    return text + "0" * max(0, 2 - len(text.rpartition(".")[2]))


@check(
    "GEN-BUDGET-TOKENS",
    "error",
    finds="estimated tokens above the budget",
    remedy="raise the budget, lower the estimates that are too high, or drop tasks",
)
def budget_tokens(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Compare the sum of the estimated tokens with the budget."""
    budget = facts.plan.budget
    if budget is None or budget.tokens is None:
        return
    tokens = {leaf.index: facts.copies.of(leaf.index) * estimate_tokens(leaf.task) for leaf in _running(facts)}
    total = sum(tokens.values())
    if total > budget.tokens:
        largest = sorted(tokens, key=lambda leaf: -tokens[leaf])[:_TOP]
        yield CheckFinding(
            None,
            f"the plan is expected to use {total:,} tokens; the budget is {budget.tokens:,}",
            hint="the largest tasks: " + ", ".join(f"{facts.path(leaf)} ({tokens[leaf]:,})" for leaf in largest),
            evidence={
                "expected_tokens": total,
                "budget_tokens": budget.tokens,
                "largest": {facts.path(leaf): tokens[leaf] for leaf in largest},
            },
        )


@check(
    "GEN-BUDGET-UNKNOWN",
    "warning",
    finds="a budget that cannot be checked, because leaves have neither an estimate nor a price",
    remedy="add `estimate` to the tasks, or `cost` to their agents",
)
def budget_unknown(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find leaves of unknown cost under a budget, as one finding."""
    budget = facts.plan.budget
    if budget is None:
        return
    what = (budget.usd is not None, budget.tokens is not None)
    unknown = [
        node.path
        for node, agent in facts.assigned
        if node.index not in facts.never_run and _unknown(facts, node, agent, *what)
    ]
    if unknown:
        message = f"the budget leaves out {len(unknown)} of {len(facts.leaves)} leaves, whose cost is unknown: "
        more = " …" if len(unknown) > _TOP else ""
        yield CheckFinding(None, message + ", ".join(unknown[:_TOP]) + more, evidence={"tasks": [*unknown[:50]]})


def _unknown(facts: PlanFacts, node: Node, agent: AgentProfile, usd: bool, tokens: bool) -> bool:
    """Whether a leaf's cost is unknown in a unit that the budget limits."""
    estimate, kind = node.task.estimate, facts.kind(node, agent)
    if kind in _FREE_KINDS:
        return False
    if tokens and kind == "llm" and (estimate is None or estimate.tokens is None):
        return True
    if not usd or (estimate is not None and estimate.usd is not None):
        return False
    cost = agent.cost_for(node.task.type)
    if cost.usd_per_task is not None:
        return False
    return cost.usd_per_1k_tokens is None or estimate is None or estimate.tokens is None


@check(
    "GEN-DEADLINE",
    "error",
    finds="a deadline that cannot be met by the plan's own estimates",
    remedy="raise the deadline, shorten the longest chain, or raise --slots",
)
def deadline(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Compare the least possible duration with the deadline.

    It is the longest of three that no schedule can beat: the critical path, all work shared by all slots, and the work
    of the busiest agent shared by the tasks that it takes at once. What has no estimate counts as nothing.
    """
    limit = facts.plan.deadline_s
    if limit is None or (schedule := facts.known_schedule) is None:
        return
    least, why = _least_duration(facts, schedule, 0.0)
    if least > limit:
        chain = _critical_path(facts, schedule)
        yield CheckFinding(
            None,
            f"the plan takes at least {least:g} s ({why}); the deadline is {limit:g} s",
            hint=f"the longest chain: {' → '.join(chain[:5])}{' …' if len(chain) > 5 else ''}",  # noqa: PLR2004
            evidence={"least_s": round(least, 3), "deadline_s": limit, "because": why, "critical_path": [*chain[:200]]},
        )


@check(
    "GEN-DEADLINE-ASSUMED",
    "warning",
    finds="a deadline that cannot be met if leaves without an estimate take the default time",
    remedy="add estimates, or raise the deadline",
)
def deadline_assumed(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Compare the least duration, default times included, with a deadline that the estimates alone can meet."""
    limit = facts.plan.deadline_s
    if limit is None or (known := facts.known_schedule) is None or (assumed := facts.schedule) is None:
        return
    if _least_duration(facts, known, 0.0)[0] > limit:
        return
    least, why = _least_duration(facts, assumed, facts.default_seconds)
    if least > limit:
        yield CheckFinding(
            None,
            f"with {facts.default_seconds:g} s for each leaf without an estimate the plan takes at least {least:g} s "
            f"({why}); the deadline is {limit:g} s",
            evidence={"least_s": round(least, 3), "deadline_s": limit, "default_s": facts.default_seconds},
        )


@check(
    "GEN-DEADLINE-UNKNOWN",
    "info",
    finds="leaves without a time estimate under a deadline",
    remedy="add `estimate: {seconds: …}`, so that the deadline can be checked",
)
def deadline_unknown(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Count the leaves that the deadline check cannot see, as one finding."""
    if facts.plan.deadline_s is None:
        return
    blind = [each.path for each in _running(facts) if each.task.estimate is None or each.task.estimate.seconds is None]
    if blind:
        message = f"{len(blind)} of {len(facts.leaves)} leaves have no time estimate"
        yield CheckFinding(None, message, evidence={"tasks": [*blind[:50]]})


def _least_duration(facts: PlanFacts, schedule: Schedule, default: float) -> tuple[float, str]:
    """Return a lower bound on the duration in seconds, and what makes it so long."""
    work = 0.0
    by_agent: dict[str, float] = {}
    for leaf in _running(facts):
        seconds = facts.copies.of(leaf.index) * estimate_seconds(leaf.task, default)
        work += seconds
        agent = facts.agent_of[leaf.index]
        if agent is not None:
            by_agent[agent.name] = by_agent.get(agent.name, 0.0) + seconds
    bounds = [(max(schedule.finish, default=0.0), "the longest chain of tasks")]
    bounds.append((work / facts.slots, f"{work:g} s of work on {facts.slots} slots"))
    for name, seconds in by_agent.items():
        at_once = facts.agents[name].max_concurrency
        bounds.append((seconds / at_once, f"{seconds:g} s of work for {name!r}, {at_once} at once"))
    return max(bounds, key=lambda bound: bound[0])


def _critical_path(facts: PlanFacts, schedule: Schedule) -> list[str]:
    """Walk back from the vertex that finishes last, always to the predecessor that finishes last."""
    finish = schedule.finish
    vertex = finish.index(max(finish))
    leaves: list[int] = []
    while True:
        node = vertex >> 1
        if not facts.outline.nodes[node].children:
            leaves.append(node)
        sources = facts.before[vertex]
        if not sources:
            return [facts.path(leaf) for leaf in reversed(leaves)]
        vertex = max(sources, key=lambda source: finish[source])


@check(
    "GEN-TIMEOUT-SHORT",
    "warning",
    finds="a leaf whose time limit is shorter than its estimate, so that every attempt would be cut off",
    remedy="raise `timeout_s`, or correct the estimate",
)
def timeout_short(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Compare each leaf's time limit, or its agent's, with its estimate."""
    if "estimate" not in facts.given:
        return
    for node in facts.leaves:
        estimate = node.task.estimate
        if estimate is None or not estimate.seconds:
            continue
        agent = facts.agent_of[node.index]
        own = node.task.timeout_s
        limit = own if own is not None else agent.timeout_s if agent is not None else None
        if limit is not None and limit < estimate.seconds:
            whose = "its own" if own is not None else f"that of {agent.name!r}" if agent else ""
            times = f"estimated at {estimate.seconds:g} s, but its time limit is {limit:g} s"
            message = f"task {node.path!r} is {times} ({whose})"
            yield CheckFinding(node.index, message, evidence={"estimate_s": estimate.seconds, "timeout_s": limit})
