"""A run: what happened to each leaf, and to all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from genesis.model.base import Model, Seconds, Usd
from genesis.model.plan import PlannerLevel

__all__ = ["FINISHED", "ErrorInfo", "Outcome", "Run", "RunState", "TaskState"]

RunState = Literal[
    "pending",
    "running",
    "completed",
    "failed",
    "cancelled",
    "refused",
    "awaiting_approval",
    "budget_exceeded",
]

TaskState = Literal[
    "pending",
    "running",
    "completed",
    "cached",
    "briefed",
    "failed",
    "skipped",
    "cancelled",
    "awaiting_approval",
]

FINISHED: frozenset[TaskState] = frozenset({"completed", "cached", "briefed"})
"""States in which a leaf's work is done, so that its dependants may start and a resume keeps it."""


class ErrorInfo(Model):
    """An error as data."""

    code: str
    message: str
    hint: str = ""
    retry_after_s: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None
    """When the other side wants to be asked again, in seconds, where it says so."""


class Outcome(Model):
    """What happened to one leaf."""

    id: str
    """Full path of the leaf."""
    agent: str
    state: TaskState = "pending"
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: JsonValue = None
    """What it returned, when it is small."""
    result_ref: str | None = None
    """Where the result is, when it is large."""
    error: ErrorInfo | None = None
    note: str = ""
    """What else a reader should know: that another agent took it over, and why."""
    usd: Usd | None = None
    """What it cost."""
    tokens: int = 0


class Run(Model):
    """What happened to a program."""

    run_id: str
    correlation_id: str
    state: RunState
    planner: PlannerLevel
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: Seconds = 0.0
    cost_usd: Usd
    tasks: tuple[Outcome, ...] = ()
    """One outcome a leaf, in document order."""
    ui_url: str | None = None
    """The run's page in the Prefect UI."""
    error: ErrorInfo | None = None
    """Why the run did not complete, where it is not a single leaf's failure."""
