"""A run: what happened to each leaf, and to all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue

from genesis.model.base import Model, Seconds, Usd
from genesis.model.files import KeptFile
from genesis.model.plan import PlannerLevel
from genesis.model.report import Diagnostic
from genesis.model.scalars import plain_value
from genesis.model.states import FINISHED, RunState, TaskState

__all__ = [
    "RESULT_FILE",
    "Attempt",
    "Cause",
    "ErrorInfo",
    "Handover",
    "Moment",
    "MomentKind",
    "Outcome",
    "Run",
    "add_attempts",
    "utc_now",
]

_MOST_KEPT = 20
"""Failed attempts that a leaf's history keeps."""
RESULT_FILE = "result.json"
"""Name of the file for the result, beside the work order."""

MomentKind = Literal[
    "started",
    "resumed",
    "ended",
    "breaker_opened",
    "breaker_half_open",
    "breaker_closed",
    "other_agent",
    "waits",
    "planned_again",
    "grown",
    "budget_exceeded",
]
"""Kinds of events in a run beside its leaves' outcomes; `grown`: a task's result added subtasks to the plan."""


class Cause(Model):
    """The cause of an error, as data."""

    type: str
    """Its class with its module, for example `httpx.ConnectError`."""
    message: str
    code: str = ""
    """Its error code, errno or HTTP status, if any."""
    how: Literal["cause", "context"] = "cause"
    """`cause` or `context`, as in Python's exception chaining."""


class ErrorInfo(Model):
    """An error as data. Empty fields except the hint are left out of its JSON."""

    code: str
    message: str
    hint: str = ""
    category: str = Field(default="", exclude_if=lambda value: not value)
    """A category of `genesis.resilience.taxonomy`, if known."""
    causes: tuple[Cause, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Its causes, nearest first."""
    retry_after_s: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None
    """`Retry-After` of the service in seconds, if any."""


class Attempt(Model):
    """An attempt at a leaf that failed."""

    number: int
    """From 1, over all agents."""
    agent: str
    started_at: datetime | None = None
    """Unknown of an attempt that left no record."""
    ended_at: datetime
    code: str
    """Code of its error."""
    message: str
    usd: Annotated[Usd | None, Field(exclude_if=lambda value: value is None)] = None
    """What it cost, if known."""
    tokens: Annotated[int, Field(exclude_if=lambda value: not value)] = 0


def add_attempts(history: tuple[Attempt, ...], *failed: Attempt) -> tuple[Attempt, ...]:
    """Add failed attempts to a history of at most 20; the first one kept has the costs of those left out."""
    made = (*history, *failed)
    left_out, kept = made[:-_MOST_KEPT], made[-_MOST_KEPT:]
    if not any(each.usd or each.tokens for each in left_out):
        return kept
    first = (*left_out, kept[0])
    usd = sum((each.usd or Decimal(0) for each in first), Decimal(0))
    cost = {"usd": usd or None, "tokens": sum(each.tokens for each in first)}
    return (kept[0].model_copy(update=cost), *kept[1:])


class Handover(Model):
    """Who delivered the result of a work order."""

    by: str
    at: datetime


class Outcome(Model):
    """What happened to one leaf."""

    id: str
    """Full path of the leaf."""
    agent: str
    state: TaskState = "pending"
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: Annotated[JsonValue, BeforeValidator(plain_value)] = None
    """The result, if it is small."""
    result_ref: str | None = None
    """Reference to the result, if it is large."""
    error: ErrorInfo | None = None
    note: str = ""
    """A note for the reader, for example that another agent took over, and why."""
    history: tuple[Attempt, ...] = Field(default=(), exclude_if=lambda value: not value)
    """The last attempts that failed, oldest first, over all agents and resumes."""
    usd: Usd | None = None
    """What the attempt that succeeded cost; those that failed are in the history."""
    tokens: int = 0
    delivered: Annotated[Handover | None, Field(exclude_if=lambda value: value is None)] = None
    """For a delivered work order: who submitted it."""
    skipped_by: str = Field(default="", exclude_if=lambda value: not value)
    """The condition or rule of the plan that skipped it, for example `when: {a.n} > 3`; that is no failure."""
    failure_allowed: bool = Field(default=False, exclude_if=lambda value: not value)
    """Whether it did not complete, and the plan allows that."""
    files: dict[str, KeptFile] = Field(default={}, exclude_if=lambda value: not value)
    """What it promised in `files.out`, by name."""

    @property
    def spent_usd(self) -> Decimal:
        """What it cost with all attempts that failed, in US dollars; 0 if unknown."""
        return sum((each.usd or Decimal(0) for each in self.history), self.usd or Decimal(0))

    @property
    def spent_tokens(self) -> int:
        """Tokens that it used with all attempts that failed."""
        return sum((each.tokens for each in self.history), self.tokens)

    @property
    def is_settled(self) -> bool:
        """Whether a run with this leaf can be completed: its work is done, or the plan does without it."""
        return self.state in FINISHED or bool(self.skipped_by) or self.failure_allowed

    @property
    def has_failed(self) -> bool:
        """Whether it failed, and the plan does not allow that."""
        return self.state == "failed" and not self.failure_allowed


class Run(Model):
    """What happened to a program."""

    run_id: str
    correlation_id: str
    state: RunState
    planner: PlannerLevel
    rehearsal: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None
    """Scale of the estimates that timers took in place of the agents' work; None for real work."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: Seconds = 0.0
    cost_usd: Usd
    tasks: tuple[Outcome, ...] = ()
    """One outcome per leaf, in document order."""
    ui_url: str | None = None
    """The run's page in the Prefect UI."""
    error: ErrorInfo | None = None
    """Why the run did not complete, where it is not a single leaf's failure."""
    findings: tuple[Diagnostic, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Findings of the pre-flight check, if they stopped the run."""
    left_out: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    """Tasks of the plan that were not selected for the run, by path; of a composite only its own."""
    unshown: int = Field(default=0, exclude_if=lambda value: not value)
    """Leaves that the Prefect UI lacks or shows as not final; the ledger has them all."""

    @property
    def shortfall(self) -> str:
        """Return what the Prefect UI lacks of the run; empty if nothing."""
        if not self.unshown:
            return ""
        return f"the Prefect UI lacks {self.unshown:,} of {len(self.tasks):,} tasks: genesis report {self.run_id}"


class Moment(Model):
    """An event in a run beside its leaves' outcomes."""

    at: datetime
    """In UTC. A change of a shared breaker by another process has the time at which this run saw it."""
    kind: MomentKind
    subject: str
    """What it is about: the run's id, a leaf's path, or a breaker such as `agent qa_agent`."""
    text: str = ""
    """One sentence for a reader."""


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
