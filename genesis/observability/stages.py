"""The stages from a request to a program, as spans and figures."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from genesis.model import Plan, Report, RoutedPlan, Task
from genesis.observability.correlation import current
from genesis.observability.instruments import (
    FINDINGS,
    PLAN_DEPTH,
    PLAN_TASKS,
    PLANS,
    QUALITY,
    REJECTED,
    ROUTED,
    ROUTED_BY_RULE,
    STAGE_ERRORS,
    STAGE_SECONDS,
    UNASSIGNED,
)
from genesis.observability.metrics import metrics_of_process
from genesis.observability.span import Span
from genesis.observability.tracing import span

__all__ = ["Decider", "Stage", "example", "plan_checked", "plan_made", "plan_routed", "plan_told", "stage"]

_log = logging.getLogger(__name__)

_LONGEST_EXAMPLE = 64
"""Characters of an id that is shown with an observation: OpenMetrics allows 128 for all labels with their names."""

Stage = Literal["plan", "route", "validate", "compile"]
Decider = Callable[[str], tuple[str, str | None]]
"""Says by a route's reason what decided, from a closed set, and which rule, if one did."""


def example(made: Span | None = None) -> dict[str, str]:
    """Return the labels by which an observation's run is found; none outside of a run.

    Args:
        made: The span that the observation is about, where there is one.
    """
    found: dict[str, str] = {}
    if made is not None and (traceparent := made.traceparent) is not None:
        found["trace_id"] = traceparent.split("-")[1]
    correlation_id = current().correlation_id
    if correlation_id is not None and len(correlation_id) <= _LONGEST_EXAMPLE:
        found["correlation_id"] = correlation_id
    return found


@contextmanager
def stage(name: Stage, category: Callable[[BaseException], str]) -> Iterator[Span]:
    """Make a span and an observation around a stage.

    Args:
        name: The stage.
        category: Says what kind of error one is, from a closed set.
    """
    metrics, begun = metrics_of_process(), time.perf_counter()
    with span(f"genesis.{name}", {"genesis.correlation_id": current().correlation_id}) as made:
        try:
            yield made
        except Exception as error:
            metrics.count(STAGE_ERRORS, name, category(error))
            raise
        finally:
            metrics.observe(STAGE_SECONDS, name, value=time.perf_counter() - begun, example=example(made))


def plan_made(made: Span, plan: Plan) -> None:
    """Report of a plan that a planner made."""
    leaves, depth = _size(plan.tasks)
    metrics = metrics_of_process()
    metrics.count(PLANS, plan.planner)
    metrics.observe(PLAN_TASKS, value=leaves)
    metrics.observe(PLAN_DEPTH, value=depth)
    made.set("genesis.plan.planner", plan.planner)
    made.set("genesis.plan.tasks", leaves)
    made.set("genesis.plan.depth", depth)
    made.set_text("genesis.request", plan.request)


def plan_routed(made: Span, routed: RoutedPlan, decider: Decider) -> None:
    """Report of a plan that was routed."""
    metrics, unassigned = metrics_of_process(), 0
    for (agent, reason), times in Counter((route.agent, route.reason) for route in routed.routes.values()).items():
        if agent is None:
            unassigned += times
            metrics.count(UNASSIGNED, amount=times)
            continue
        by, rule = decider(reason)
        metrics.count(ROUTED, agent, by, amount=times)
        if rule is not None:
            metrics.count(ROUTED_BY_RULE, rule, amount=times)
    made.set("genesis.plan.tasks", len(routed.routes))
    made.set("genesis.plan.unassigned", unassigned)


def plan_checked(made: Span, report: Report) -> None:
    """Report of a plan that was checked."""
    metrics = metrics_of_process()
    for each in report.diagnostics:
        metrics.count(FINDINGS, each.code, each.severity)
    metrics.observe(QUALITY, value=report.score, example=example(made))
    if not report.ok:
        metrics.count(REJECTED)
    made.set("genesis.plan.ok", report.ok)
    made.set("genesis.plan.quality_score", report.score)
    made.set("genesis.plan.errors", len(report.errors))
    made.set("genesis.plan.warnings", len(report.warnings))


def plan_told(routed: RoutedPlan, report: Report) -> None:
    """Log that a plan was made, or rejected; the caller learns of it by the result."""
    facts: dict[str, object] = {"planner": routed.plan.planner, "tasks": len(routed.routes), "score": report.score}
    facts |= {"errors": len(report.errors), "warnings": len(report.warnings)}
    if report.ok:
        _log.info("a plan was made; tasks: %d", len(routed.routes), extra={"event": "plan.made", **facts})
        return
    facts["codes"] = sorted({each.code for each in report.errors})
    _log.info("the plan was rejected: %s", report.errors[0].message, extra={"event": "plan.rejected", **facts})


def _size(tasks: tuple[Task, ...]) -> tuple[int, int]:
    """Count leaves and levels; not recursive, since a plan may be deep."""
    leaves = depth = 0
    waiting = [(task, 1) for task in tasks]
    while waiting:
        task, level = waiting.pop()
        depth = max(depth, level)
        leaves += not task.subtasks
        waiting += [(child, level + 1) for child in task.subtasks]
    return leaves, depth
