"""What validation finds: coded diagnostics and a quality score."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from genesis.model.base import Fraction, Model

__all__ = ["Diagnostic", "Report", "ScoreParts", "Severity"]

Severity = Literal["error", "warning", "info"]


class Diagnostic(Model):
    """One finding of one check."""

    code: str
    """Stable code, `GEN-…`."""
    severity: Severity
    """An error stops the run; a warning does not."""
    task: str | None = None
    """Path of the task it is about; none for the plan as a whole."""
    message: str
    """What is wrong, with the ids in it."""
    hint: str = ""
    """What to do about it."""
    evidence: dict[str, JsonValue] = {}
    """Details for machines."""


class ScoreParts(Model):
    """The four parts of the quality score, each in [0, 1], higher is better."""

    success: Fraction
    """Expected share of leaves that succeed."""
    quality: Fraction
    """How well the routing fits and how clean the plan is."""
    cost: Fraction
    """1 is free; comparable between plan sizes."""
    time: Fraction
    """1 is as parallel as the work allows."""


class Report(Model):
    """The result of validation."""

    ok: bool
    """Whether there is no error among the diagnostics."""
    score: Fraction
    """Weighted quality: 0.4 success + 0.3 quality + 0.2 cost + 0.1 time."""
    parts: ScoreParts
    diagnostics: tuple[Diagnostic, ...] = ()
    """Findings: errors first, then warnings, each in document order."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that stop a run."""
        return tuple(d for d in self.diagnostics if d.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The findings to review."""
        return tuple(d for d in self.diagnostics if d.severity == "warning")
