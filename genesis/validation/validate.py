"""Validate a routed plan (AOP): run every check and give the report."""

from __future__ import annotations

from collections import Counter

from genesis.model import Diagnostic, Registry, Report, RoutedPlan, Severity
from genesis.settings import Limits
from genesis.validation.check import Check, Finding
from genesis.validation.checks import CHECKS
from genesis.validation.facts import gather
from genesis.validation.probe import Probe
from genesis.validation.score import score

__all__ = ["validate"]

_SHOWN = 50
"""Findings of one code that are listed; the rest are counted."""
_RANK: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


def validate(
    routed: RoutedPlan,
    registry: Registry,
    *,
    probe: Probe | None = None,
    limits: Limits | None = None,
    slots: int = 16,
    planned: bool | None = None,
    default_seconds: float = 1.0,
    model: str | None = None,
) -> Report:
    """Check a routed plan and score it. It never raises, whatever the plan, and takes time nearly linear in its tasks.

    Args:
        routed: The plan with its routes.
        registry: The registry that it was routed with.
        probe: Answers what needs I/O (is an executor usable, is a secret present); without it neither is asked.
        limits: Bounds on the plan; the defaults where missing.
        slots: Leaves that the run takes at once.
        planned: Whether a planner made the plan, so that the limits on depth and fan-out are errors; by default what
            the plan says about its planner.
        default_seconds: Duration of a leaf without an estimate.
        model: The run's language model, which agents without an executor use; without one they write work orders.

    Returns:
        The diagnostics, errors first, then warnings, then infos, each in document order and then by code, with at most
        50 of one code and a last one that counts the rest; and the score, which a plan with errors has too.
    """
    facts = gather(
        routed,
        registry,
        probe=probe,
        limits=limits or Limits(),
        slots=slots,
        planned=planned,
        default_seconds=default_seconds,
        model=model,
    )
    rows: list[tuple[tuple[int, float, str], Diagnostic]] = []
    count: Counter[Severity] = Counter()
    for check in CHECKS:
        findings = sorted(check.find(facts), key=_position)
        if not findings:
            continue
        count[check.severity] += len(findings)
        for finding in findings[:_SHOWN]:
            path = None if finding.node is None else facts.path(finding.node)
            rows.append(((_RANK[check.severity], _position(finding), check.code), _diagnostic(check, finding, path)))
        rest = len(findings) - _SHOWN
        if rest > 0:
            rows.append(((_RANK[check.severity], float("inf"), check.code), _more(check, rest)))
    rows.sort(key=lambda row: row[0])
    total, parts = score(facts, count)
    return Report(ok=not count["error"], score=total, parts=parts, diagnostics=tuple(row[1] for row in rows))


def _position(finding: Finding) -> float:
    """Give a finding's place in document order; the plan as a whole comes first."""
    return -1 if finding.node is None else finding.node


def _diagnostic(check: Check, finding: Finding, path: str | None) -> Diagnostic:
    return Diagnostic(
        code=check.code,
        severity=check.severity,
        task=path,
        message=finding.message,
        hint=finding.hint or check.remedy,
        evidence=finding.evidence,
    )


def _more(check: Check, rest: int) -> Diagnostic:
    return Diagnostic(
        code=check.code,
        severity=check.severity,
        message=f"and {rest:,} more: {check.finds}",
        hint=check.remedy,
        evidence={"more": rest},
    )
