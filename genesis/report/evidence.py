"""What a report is made from: what the ledger has of a run, nothing of it judged yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from genesis.ledger import Moments
from genesis.model import Amendment, Program, Report, Run
from genesis.report.explain import Explanation

__all__ = ["Evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known of one run."""

    run: Run
    program: Program
    """As it was at the end, with all that was added."""
    made_at: datetime
    """When this was read; the end of what has not ended."""
    moments: Moments = field(default_factory=Moments)
    explanation: Explanation | None = None
    check: Report | None = None
    """The findings about the plan, those that need this machine left out."""
    amendments: tuple[Amendment, ...] = ()
    large: Mapping[str, str] = field(default_factory=dict)
    """How the results begin that are too large for their records, by the leaf's path."""
    ledger: str = ""
    """Where the run's ledger is."""
    trace_id: str | None = None
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    """Value of each variable and parameter of the plan, secrets redacted."""
