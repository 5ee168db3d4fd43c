"""Counters that are shown as zero before anything was counted, so that the first event is a change that alerts see.

`increase()` and `rate()` compare samples: a series that appears with the value 1 has not increased.
"""

from __future__ import annotations

from itertools import product
from typing import get_args

from genesis.model import PlannerLevel, RunState
from genesis.observability.instruments import (
    BREAKER_CHANGES,
    CACHE_HITS,
    COST,
    DETOURS,
    INSTRUMENTS,
    PLANS,
    QUOTA_REFUSALS,
    QUOTA_SECONDS,
    QUOTA_WAITS,
    REHEARSALS,
    REPEATS,
    REPLANS,
    RUNS,
    STEPS_DOWN,
    TASKS,
    TOKENS,
)
from genesis.observability.metrics import Metrics

__all__ = ["show_agent", "show_zeros"]

_PLANNING = (("llm", "heuristic"), ("llm", "minimal"), ("heuristic", "minimal"))


def show_zeros(metrics: Metrics) -> None:
    """Show what a process may count: counters without labels, and those whose labels are known in advance."""
    for each in INSTRUMENTS:
        if each.kind == "counter" and not each.labels:
            metrics.count(each, amount=0)
    for state in get_args(RunState):
        metrics.count(RUNS, state, amount=0)
        metrics.count(REHEARSALS, state, amount=0)
    for planner in get_args(PlannerLevel):
        metrics.count(PLANS, planner, amount=0)
    for layer, decision in product(("attempt", "call"), ("made", "refused")):
        metrics.count(REPEATS, layer, decision, amount=0)
    for kind, what in product(("agent", "host"), (QUOTA_WAITS, QUOTA_SECONDS, QUOTA_REFUSALS)):
        metrics.count(what, kind, amount=0)
    for kind, state in product(("agent", "model", "host"), ("open", "half_open", "closed")):
        metrics.count(BREAKER_CHANGES, kind, state, amount=0)
    for outcome in ("changed", "unchanged"):
        metrics.count(REPLANS, outcome, amount=0)
    for above, below in _PLANNING:
        metrics.count(STEPS_DOWN, "planning", above, below, amount=0)


def show_agent(metrics: Metrics, agent: str) -> None:
    """Show what may be counted of an agent, once it is known."""
    for state in ("completed", "failed"):
        metrics.count(TASKS, agent, state, amount=0)
    for kind in ("other", "later"):
        metrics.count(DETOURS, agent, kind, amount=0)
    for what in (COST, TOKENS, CACHE_HITS):
        metrics.count(what, agent, amount=0)
