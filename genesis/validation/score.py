"""The quality score: 0.4 success + 0.3 quality + 0.2 cost + 0.1 time, each in [0, 1] and higher is better.

Each part is a mean over leaves or over seconds of work, never a product or a sum, so that a plan and two copies of it
side by side score the same, and a plan of 10 can be compared with one of 1,000.

| part | formula | reason |
|---|---|---|
| success | mean over leaves of `1 - (1 - p)^(retries + 1)`, p the agent's success rate | the expected share of leaves that succeed; a product falls to 0 with size and says nothing |
| quality | mean over leaves of the route's score, times `1 / (1 + (w + 5 e) / n)` with w warnings, e errors, n leaves | a finding weighs by what share of the plan it concerns |
| cost | mean over leaves of `r / (r + usd)`, r the highest price of a task in the registry | 1 is free, 0.5 the most expensive agent's usual task, and 0 is never reached, so estimates far above any price still compare |
| time | over seconds of work, the mean of a leaf's own time over the earliest time at which it can be done | the share of the way to each result that is its own work and not waiting for others: 1 is all in parallel |

A leaf without an agent counts 0 in every part; a plan with a cycle cannot run, so its time is 0.
"""  # noqa: E501 - a table's rows are one line each

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from genesis.model import AgentProfile, ScoreParts, Severity
from genesis.structure import count_retries
from genesis.validation.facts import PlanFacts

__all__ = ["NO_SCORE", "score"]

_WEIGHTS = {"success": 0.4, "quality": 0.3, "cost": 0.2, "time": 0.1}
_ERROR_WEIGHT = 5
"""An error counts as much as this many warnings."""
_TOKENS = 1_000
"""Tokens of a usual task, to compare a price for tokens with a price for tasks."""
_NO_PRICE = Decimal(1)
"""Scale in dollars where no agent has a price."""
_DIGITS = 4
"""Decimals of a score."""

NO_SCORE = ScoreParts(success=0.0, quality=0.0, cost=0.0, time=0.0)
"""Score of a plan that could not be scored."""


def score(facts: PlanFacts, found: Counter[Severity]) -> tuple[float, ScoreParts]:
    """Score a plan.

    Args:
        facts: The plan's facts.
        found: Number of findings by severity.
    """
    parts = ScoreParts(
        success=_round_score(_success(facts)),
        quality=_round_score(_quality(facts, found)),
        cost=_round_score(_cost(facts)),
        time=_round_score(_time(facts)),
    )
    total = sum(weight * getattr(parts, name) for name, weight in _WEIGHTS.items())
    return _round_score(total), parts


def _round_score(value: float) -> float:
    return round(min(1.0, max(0.0, value)), _DIGITS)


def _success(facts: PlanFacts) -> float:
    total = 0.0
    for node, agent in facts.assigned:
        rate, retries = agent.success_rate, count_retries(node.task)
        total += 1.0 - (1.0 - rate) ** (retries + 1) if retries else rate
    return total / max(1, len(facts.leaves))


def _quality(facts: PlanFacts, found: Counter[Severity]) -> float:
    """Average the routes' scores; a route without one was decided by a person and counts in full."""
    count = max(1, len(facts.leaves))
    fit = 0.0
    for node, _ in facts.assigned:
        route = facts.route_of[node.index]
        fit += 1.0 if route is None or route.score is None else route.score
    return fit / count / (1.0 + (found["warning"] + _ERROR_WEIGHT * found["error"]) / count)


def _cost(facts: PlanFacts) -> float:
    scale = float(max((_price(agent) for agent in facts.registry.agents), default=Decimal(0)) or _NO_PRICE)
    usd = facts.usd
    total = sum(scale / (scale + float(usd[node.index])) for node, _ in facts.assigned)
    return total / max(1, len(facts.leaves))


def _price(agent: AgentProfile) -> Decimal:
    """Return the highest price of a usual task on an agent."""
    prices = [
        cost.usd_per_task if cost.usd_per_task is not None else (cost.usd_per_1k_tokens or Decimal(0)) * _TOKENS / 1000
        for cost in (agent.cost, *agent.costs.values())
    ]
    return max(prices)


def _time(facts: PlanFacts) -> float:
    """Average own time over earliest end; a leaf that takes no time does not count, unless none takes any."""
    schedule = facts.schedule
    if schedule is None or not facts.leaves:
        return 0.0
    seconds = facts.seconds
    work = sum(seconds[node.index] for node in facts.leaves)
    if work <= 0.0:
        return sum(1 for _ in facts.assigned) / len(facts.leaves)
    own = 0.0
    for node, _ in facts.assigned:
        duration = seconds[node.index]
        if duration > 0.0:
            own += duration / work * (duration / schedule.finish[2 * node.index])
    return own
