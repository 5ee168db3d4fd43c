"""What a ledger keeps, as models, and what it is called."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from genesis.errors import RunError
from genesis.model import Amendment, Leaf, Model, Moment, Outcome, Registry

__all__ = [
    "Header",
    "LaneOrder",
    "LaneState",
    "LeafRecord",
    "Moments",
    "Owner",
    "leaf_name",
    "new_run_id",
    "parse_amendments",
    "parse_header",
    "trace_id",
]


_TRACE_PARTS = 4
"""Of a traceparent: version, trace, span, flags."""


def new_run_id(now: datetime, token: str | None = None) -> str:
    """Make a run id that sorts by time, for example `20261122-142530-3f9a1c04b7de`."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-{token or secrets.token_hex(6)}"


class Header(Model):
    """What a resume needs to know."""

    format: Literal[1] = 1
    genesis_version: str
    run_id: str
    correlation_id: str
    trace: str | None = None
    """W3C traceparent of its first execution, where it was traced."""
    created_at: datetime
    document: dict[str, Any]
    """The plan document with its routes."""
    registry: Registry
    slots: int
    rehearse: float | None = None
    """Scale of a rehearsal; none for a real run."""
    llm: str | None = None
    """Model for `llm` executors."""
    python_path: tuple[str, ...] = ()
    """Folders of the team's own modules."""
    pools: bool = False
    """Whether leaves run on the work pools of their agents."""
    flow_run_id: str | None = None
    """The flow run whose run it is, where a worker runs it; no other flow run continues it without a request."""
    tenant: str | None = None
    """For whom it is, where that was said."""
    folder: str | None = None
    """Where it was started, which is where its leaves run; None where they run on workers."""

    @property
    def code_folders(self) -> tuple[str, ...]:
        """Where the code of its agents is, if that is known."""
        return self.python_path or (() if self.folder is None else (self.folder,))


class Owner(Model):
    """The orchestrator of a run."""

    flow_run_id: str
    run_count: int = 0
    """How often that flow run has been started."""
    host: str
    pid: int


class LaneOrder(Model):
    """Further leaves for a flow run that has done those that it was dispatched with."""

    tasks: tuple[str, ...] = ()
    """Paths of the leaves, in the order in which they run. None: the flow run is to end."""
    fingerprints: tuple[str, ...] = ()
    """What each leaf is."""
    owner: Owner | None = None
    """Who orchestrated the run when this was written; an order of a former orchestrator is not taken."""
    trace: str | None = None
    """Where the first leaf is in the trace, as W3C's `traceparent`."""


class LaneState(Model):
    """What a flow run that takes further leaves says of itself. It alone writes it."""

    orders: int
    """How many orders it has taken."""
    open: bool
    """Whether it waits for the next one. Where it does not any more, no leaf of a later order was begun."""


class Moments(Model):
    """What happened in a run besides its leaves' outcomes, over all its executions."""

    moments: tuple[Moment, ...] = ()
    """In the order in which they were noted."""
    left_out: int = 0
    """How many more there were than are kept."""


class LeafRecord(Model):
    """What a leaf came to, and which leaf it was."""

    fingerprint: str
    outcome: Outcome


def parse_header(run_id: str, raw: bytes) -> Header:
    """Understand a stored header.

    Raises:
        RunError: It is damaged, or was written by another version of Genesis.
    """
    try:
        return Header.model_validate_json(raw)
    except ValidationError as error:
        raise _make_unreadable_error(run_id) from error


def parse_amendments(run_id: str, stored: tuple[bytes, ...]) -> tuple[Amendment, ...]:
    """Understand stored amendments.

    Raises:
        RunError: One is damaged, or was written by another version of Genesis.
    """
    try:
        return tuple(Amendment.model_validate_json(raw) for raw in stored)
    except ValidationError as error:
        raise _make_unreadable_error(run_id) from error


def _make_unreadable_error(run_id: str) -> RunError:
    return RunError(
        f"the ledger of run {run_id!r} cannot be read by this version of Genesis",
        hint="resume it with the version that started it",
    )


def leaf_name(leaf: Leaf) -> str:
    """Name a leaf for the file system: its number, and as much of its path as is safe in a file name."""
    slug = re.sub(r"[^A-Za-z0-9_\-]+", "-", leaf.path).strip("-")[:60]
    return f"{leaf.index:05d}-{slug}"


def trace_id(header: Header) -> str | None:
    """Return the id of the trace that a run is in, out of its W3C traceparent."""
    parts = (header.trace or "").split("-")
    return parts[1] if len(parts) >= _TRACE_PARTS else None
