"""Every Prefect event that Genesis emits: when, about what, and what its payload has. The guide's table is made of it.

Genesis puts no user's text into them besides the paths of tasks: who may read events may not always read plans.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EVENT_TABLE", "EventKind"]


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event."""

    name: str
    when: str
    resource: str
    """Its resource's id; what stands in angle brackets differs from event to event."""
    payload: tuple[str, ...]
    labels: tuple[str, ...] = ()
    """Further labels of the resource, which triggers can match; they cannot look into the payload."""


_RUN, _TASK, _BREAKER = "genesis.run.<run id>", "genesis.task.<run id>/<path>", "genesis.breaker.<kind>.<name>"
_IDS = ("run_id", "correlation_id")
_CID, _CODE = "genesis.correlation-id", "genesis.error.code"
_REHEARSAL = "genesis.rehearsal"
_ENDED = (*_IDS, "state", "duration_s", "cost_usd", "tasks", "error_code", "rehearsal")
_CHANGE = ("before", "after", "reason")


def _make_start_kind(state: str, when: str) -> EventKind:
    payload = (*_IDS, "planner", "tasks", "kept", "deployed", "rehearsal")
    return EventKind(f"genesis.run.{state}", when, _RUN, payload, (_CID, _CODE, _REHEARSAL))


def _run(name: str, when: str, *payload: str) -> EventKind:
    return EventKind(f"genesis.{name}", when, _RUN, (*_IDS, *payload), (_CID,))


def _make_end_kind(state: str, when: str) -> EventKind:
    return EventKind(f"genesis.run.{state}", when, _RUN, _ENDED, (_CID, _CODE, _REHEARSAL))


def _breaker(state: str, when: str) -> EventKind:
    return EventKind(f"genesis.breaker.{state}", when, _BREAKER, _CHANGE, ("genesis.breaker.kind", "genesis.pool"))


EVENT_TABLE: tuple[EventKind, ...] = (
    _make_start_kind("started", "the plan has passed its check, and the tasks start"),
    _make_start_kind("resumed", "the same, of a run that was started before"),
    _make_end_kind("completed", "every task is done"),
    _make_end_kind(
        "failed", "a task failed permanently, the plan was rejected, the deadline passed, or a fault ended the run"
    ),
    _make_end_kind("cancelled", "someone ended the run"),
    _make_end_kind("budget_exceeded", "the budget is spent"),
    _make_end_kind("briefed", "people have work orders, and nothing else is left that can run"),
    _make_end_kind("refused", "a security rule refused the request of a deployed run"),
    _make_end_kind("awaiting_approval", "reserved: nothing but tasks that wait for a person is left"),
    _run("plan.rejected", "the check before the start found errors", "count", "codes"),
    _run(
        "plan.degraded",
        "a part of planning, routing or validation failed, and its fallback was used",
        "layer",
        "from",
        "to",
    ),
    _run("tasks.unassigned", "the plan was rejected, and some tasks have no agent", "count", "paths"),
    _run("retries.refused", "too many tasks fail, so their retries are refused; once an execution", "reason"),
    _run("budget.exceeded", "the run has ended: its budget is spent", "usd", "tokens", "most_usd", "most_tokens"),
    _run("deadline.exceeded", "the run has ended: its deadline passed", "deadline_s", "duration_s"),
    EventKind(
        "genesis.task.failed",
        "a task failed permanently: no repeat, no other agent and no other plan; the first twenty of an execution",
        _TASK,
        (*_IDS, "path", "agent", "pool", "attempts", "error_code"),
        (_CID, _CODE, "genesis.agent", "genesis.pool"),
    ),
    _run("tasks.failed", "the run has ended, and more tasks failed than have an event", "count", "told"),
    EventKind(
        "genesis.task.replanned",
        "a task that failed is planned again, and the new tasks are in force; the first twenty of an execution",
        _TASK,
        (*_IDS, "path", "group", "tasks", "planner"),
        (_CID,),
    ),
    _breaker("opened", "an agent, model or host failed too often, and is not called"),
    _breaker("half_open", "it is tried with single calls"),
    _breaker("closed", "it works again"),
    EventKind(
        "genesis.housekeeping.done",
        "`housekeeping` has ended",
        "genesis.housekeeping",
        ("dry_run", "keep_days", "removed", "bytes", "kept", "failed"),
        ("genesis.dry-run",),
    ),
    EventKind(
        "genesis.orchestrator.alive",
        "every ten seconds of a deployed run; the automations that take over a lost run miss it",
        "prefect.flow-run.<id>",
        (),
    ),
    EventKind(
        "genesis.leaf.ended",
        "a worker tells its orchestrator that a task's outcome is in the ledger; once a task, with pools only",
        "genesis.leaf.<run id>/<path>",
        ("path", "state", "flow_run_id"),
    ),
)
