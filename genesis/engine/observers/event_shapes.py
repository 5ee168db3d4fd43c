"""What is emitted about runs as Prefect events: pure functions that make the arguments of `emit_event`.

Of the resource's labels and of what is related triggers know; of the payload, only templates of their actions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from genesis.engine.observers.event_emitter import describe_related_pool, pool_label
from genesis.errors import GenesisError, PlanInvalidError, SecurityError
from genesis.model import Amendment, Diagnostic, Outcome, Run
from genesis.prefect_api.names import correlation_tag, relate_tag
from genesis.retention import Purge

__all__ = [
    "MOST_EMITTED",
    "about_run",
    "describe_end",
    "describe_failure",
    "describe_housekeeping",
    "describe_refusal",
    "describe_rejection",
    "describe_replan",
    "describe_start",
]

MOST_EMITTED = 20
"""Failed or replanned tasks of an execution that have an event each."""
_UNASSIGNED = "GEN-UNASSIGNED"
_CODE = "genesis.error.code"
_REHEARSAL = "genesis.rehearsal"
_NONE = "none"


def about_run(
    name: str, run_id: str, correlation_id: str, payload: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Describe an event of a run, as the arguments of Prefect's `emit_event`.

    Args:
        name: Of the event.
        run_id: The run.
        correlation_id: Its correlation id.
        payload: What else the payload has, besides both ids.
        labels: Further labels of the resource.
    """
    ids = {"run_id": run_id, "correlation_id": correlation_id}
    return _event(name, (f"genesis.run.{run_id}", run_id), {**ids, **payload}, labels or {})


def describe_start(run: Run, payload: Mapping[str, Any], *, again: bool) -> dict[str, Any]:
    """Describe that an execution of a run begins. It has the code that an end has, so that one trigger can match both.

    Args:
        run: The run.
        payload: What is known of the execution.
        again: Whether there was an earlier one.
    """
    name = "genesis.run.resumed" if again else "genesis.run.started"
    labels = {_CODE: _NONE, _REHEARSAL: _format_rehearsal(run)}
    return about_run(name, run.run_id, run.correlation_id, {**payload, "rehearsal": run.rehearsal}, labels)


def describe_end(run: Run) -> dict[str, Any]:
    """Describe that a run ended, by its state."""
    code = run.error.code if run.error else None
    payload = {
        "state": run.state,
        "duration_s": round(run.duration_s, 3),
        "cost_usd": float(run.cost_usd),
        "tasks": dict(sorted(Counter(task.state for task in run.tasks).items())),
        "error_code": code,
        "rehearsal": run.rehearsal,
    }
    labels = {_CODE: code or _NONE, _REHEARSAL: _format_rehearsal(run)}
    return about_run(f"genesis.run.{run.state}", run.run_id, run.correlation_id, payload, labels)


def _format_rehearsal(run: Run) -> str:
    """Return whether a run is a rehearsal, in a label: triggers cannot look into the payload."""
    return "no" if run.rehearsal is None else "yes"


def describe_rejection(run_id: str, correlation_id: str, findings: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Describe that validation stopped a plan: by which codes, and which tasks have no agent."""
    codes = Counter(found.code for found in findings)
    payload = {"count": codes.total(), "codes": dict(sorted(codes.items()))}
    events = [about_run("genesis.plan.rejected", run_id, correlation_id, payload)]
    paths = [found.task or "" for found in findings if found.code == _UNASSIGNED]
    if paths:
        payload = {"count": len(paths), "paths": paths[:MOST_EMITTED]}
        events.append(about_run("genesis.tasks.unassigned", run_id, correlation_id, payload))
    return events


def describe_failure(
    run_id: str, correlation_id: str, outcome: Outcome, pool: str | None = None, pool_id: str | None = None
) -> dict[str, Any]:
    """Describe that a task failed permanently.

    Args:
        run_id: Its run.
        correlation_id: The run's correlation id.
        outcome: What the task came to.
        pool: Name of its agent's work pool, where it ran on one.
        pool_id: The pool's id on the server; without it the event has no related pool.
    """
    code = outcome.error.code if outcome.error else "GEN-TASK"
    payload = {
        "run_id": run_id,
        "correlation_id": correlation_id,
        "path": outcome.id,
        "agent": outcome.agent,
        "pool": pool,
        "attempts": outcome.attempts,
        "error_code": code,
    }
    labels = {_CODE: code, "genesis.agent": outcome.agent, "genesis.pool": pool_label(pool, pool_id)}
    event = _event("genesis.task.failed", _task(run_id, outcome.id), payload, labels)
    event["related"] += describe_related_pool(pool, pool_id)
    return event


def describe_replan(run_id: str, correlation_id: str, amendment: Amendment, tasks: int) -> dict[str, Any]:
    """Describe that a task is planned again.

    Args:
        run_id: Its run.
        correlation_id: The run's correlation id.
        amendment: The change of the plan.
        tasks: How many leaves it added.
    """
    payload = {
        "run_id": run_id,
        "correlation_id": correlation_id,
        "path": amendment.task,
        "group": amendment.group.id,
        "tasks": tasks,
        "planner": amendment.planner,
    }
    return _event("genesis.task.replanned", _task(run_id, amendment.task), payload, {})


def describe_refusal(run_id: str, correlation_id: str, error: Exception) -> list[dict[str, Any]]:
    """Describe that a deployed run ended before it had a ledger.

    Args:
        run_id: The run that was to be.
        correlation_id: Its correlation id; empty where none was given.
        error: What ended it: a security rule, errors in its plan, or a plan that could not be made.
    """
    findings: list[Diagnostic] = []
    if isinstance(error, PlanInvalidError):
        found = error.data.get("report", {}).get("diagnostics", ())
        findings = [each for each in map(Diagnostic.model_validate, found) if each.severity == "error"]
    state = "refused" if isinstance(error, SecurityError) else "failed"
    code = error.code if isinstance(error, GenesisError) else "GEN-INTERNAL"
    payload = {"state": state, "duration_s": 0.0, "cost_usd": 0.0, "tasks": {}, "error_code": code, "rehearsal": None}
    labels = {_CODE: code, _REHEARSAL: "no"}
    last = about_run(f"genesis.run.{state}", run_id, correlation_id, payload, labels)
    return [*(describe_rejection(run_id, correlation_id, findings) if findings else ()), last]


def describe_housekeeping(found: Purge, keep_days: int) -> dict[str, Any]:
    """Describe what housekeeping came to, by kind of what was removed, or would be."""
    return {
        "event": "genesis.housekeeping.done",
        "resource": {
            "prefect.resource.id": "genesis.housekeeping",
            "prefect.resource.name": "housekeeping",
            "genesis.dry-run": "true" if found.dry_run else "false",
        },
        "related": [],
        "payload": {
            "dry_run": found.dry_run,
            "keep_days": keep_days,
            "removed": {kind: amount.count for kind, amount in found.amounts.items()},
            "bytes": found.bytes,
            "kept": len(found.kept),
            "failed": len(found.failed),
        },
    }


def _task(run_id: str, path: str) -> tuple[str, str]:
    return f"genesis.task.{run_id}/{path}", path


def _event(
    name: str, resource: tuple[str, str], payload: Mapping[str, Any], labels: Mapping[str, str]
) -> dict[str, Any]:
    """Describe an event of a run or of one of its tasks.

    Args:
        name: Of the event.
        resource: Id and name of what it is about.
        payload: What it says, with the run's correlation id.
        labels: Further labels of the resource.
    """
    correlation_id = payload["correlation_id"]
    return {
        "event": name,
        "resource": {
            "prefect.resource.id": resource[0],
            "prefect.resource.name": resource[1],
            "genesis.correlation-id": correlation_id,
            **labels,
        },
        "related": [relate_tag(correlation_tag(correlation_id))] if correlation_id else [],
        "payload": dict(payload),
    }
