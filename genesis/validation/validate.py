"""Validate a routed plan (AOP): run every check and return the report; the structural checks always run."""

from __future__ import annotations

from collections import Counter

from genesis.model import Diagnostic, Registry, Report, RoutedPlan, Severity
from genesis.settings import Limits
from genesis.validation.check import Check, CheckFinding
from genesis.validation.checks import CHECKS
from genesis.validation.facts import PlanFacts, gather
from genesis.validation.probe import Probe
from genesis.validation.score import NO_SCORE, score
from genesis.validation.structural import StructureChecker

__all__ = ["validate"]

_SHOWN = 50
"""Findings of one code that are listed; the rest are counted."""
_RANK: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
_Row = tuple[tuple[int, float, str], Diagnostic]
"""A diagnostic behind what it is sorted by."""


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

    A check with an internal error is skipped, and the report records it. The structure is always checked: if one of its
    checks fails, a simpler one replaces it, and what cannot be checked is an error.

    Args:
        routed: The plan with its routes.
        registry: The registry that it was routed with.
        probe: Answers what needs I/O (is an executor usable, is a secret present); without it neither is asked.
        limits: Bounds on the plan; by default those of the settings.
        slots: Maximum number of concurrent leaves.
        planned: Whether a planner made the plan, so that the limits on depth and fan-out are errors; by default what
            the plan says about its planner.
        default_seconds: Duration of a leaf without an estimate.
        model: The run's language model, which agents without an executor use; without one they write work orders.

    Returns:
        The diagnostics, errors first, then warnings, then infos, each in document order and then by code, with at most
        50 of one code and a last one that counts the rest; and the score, which a plan with errors has too.
    """
    limits = limits or Limits()
    planned = routed.plan.planner != "file" if planned is None else planned
    parts = StructureChecker(routed, registry, limits, planned=planned)
    try:
        facts = gather(
            routed,
            registry,
            probe=probe,
            limits=limits,
            slots=slots,
            planned=planned,
            default_seconds=default_seconds,
            model=model,
        )
    except Exception as error:  # noqa: BLE001  # the boundary of validation: see `Structural`
        return parts.report(error)
    rows: list[_Row] = []
    failed: list[tuple[Check, Exception]] = []
    count: Counter[Severity] = Counter()
    for check in CHECKS:
        try:
            found, number = _rows(check, facts)
        except Exception as error:  # noqa: BLE001  # the boundary of one check
            failed.append((check, error))
        else:
            rows += found
            count[check.severity] += number
    for diagnostic in parts.instead_of(failed):
        rows.append(((_RANK[diagnostic.severity], -1, diagnostic.code), diagnostic))
        count[diagnostic.severity] += 1
    try:
        total, shares = score(facts, count)
    except Exception as error:  # noqa: BLE001  # the boundary of scoring
        total, shares = 0.0, NO_SCORE
        unscored = parts.report_unscored(error)
        rows.append(((_RANK[unscored.severity], -1, unscored.code), unscored))
    rows.sort(key=lambda row: row[0])
    return Report(ok=not count["error"], score=total, parts=shares, diagnostics=tuple(row[1] for row in rows))


def _rows(check: Check, facts: PlanFacts) -> tuple[list[_Row], int]:
    """Run one check: its diagnostics with their sort keys, and the number of findings."""
    findings = sorted(check.find(facts), key=_position)
    rank = _RANK[check.severity]
    rows: list[_Row] = []
    for finding in findings[:_SHOWN]:
        path = None if finding.node is None else facts.path(finding.node)
        rows.append(((rank, _position(finding), check.code), _diagnostic(check, finding, path)))
    if len(findings) > _SHOWN:
        rows.append(((rank, float("inf"), check.code), _more(check, len(findings) - _SHOWN)))
    return rows, len(findings)


def _position(finding: CheckFinding) -> float:
    """Return a finding's place in document order; the plan as a whole comes first."""
    return -1 if finding.node is None else finding.node


def _diagnostic(check: Check, finding: CheckFinding, path: str | None) -> Diagnostic:
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
