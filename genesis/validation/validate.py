"""Validate a routed plan (AOP): run every check and return the report; the structural checks always run."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from genesis.model import Diagnostic, Plan, Registry, Report, RoutedPlan, ScoreParts, Severity, Task
from genesis.settings import Limits
from genesis.structure import Problem, Shape, find_problems
from genesis.validation.check import Check, CheckFinding, Notice
from genesis.validation.checks import CHECKS
from genesis.validation.checks.limits import describe_leaf_limit, leaf_limit
from genesis.validation.facts import PlanFacts, gather
from genesis.validation.probe import Probe
from genesis.validation.score import NO_SCORE, score

__all__ = ["NOTICES", "validate"]

_CHECK_FAILED = Notice(
    "GEN-CHECK-FAILED",
    "warning",
    finds="a check that failed with an internal error, which is shown",
    remedy="report the error; review the plan for what the skipped check would find",
)
_UNCHECKED = Notice(
    "GEN-UNCHECKED",
    "error",
    finds="a plan whose structure could not be checked in any way",
    remedy="report the fault with the plan; a plan whose structure nobody has checked does not run",
)
NOTICES = (_CHECK_FAILED, _UNCHECKED)
"""Diagnostics that no check finds."""

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

    A check with an internal error is skipped, and the report records it. The structure is then checked as in
    planning, and if that fails too, the plan has an error.

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

    def gather_facts() -> PlanFacts:
        return gather(
            routed,
            registry,
            probe=probe,
            limits=limits,
            slots=slots,
            planned=planned,
            default_seconds=default_seconds,
            model=model,
        )

    with _pause_collector():
        return _validate(gather_facts, routed, registry, Shape(routed.plan, limits, planned))


@contextmanager
def _pause_collector() -> Iterator[None]:
    """Pause the collector of cyclic garbage: facts have no cycles and go at the end, and there are many of them.

    For 5,000 tasks it would read the whole plan several times, which is an eighth of the time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _validate(gather_facts: Callable[[], PlanFacts], routed: RoutedPlan, registry: Registry, shape: Shape) -> Report:
    try:
        facts = gather_facts()
    except Exception as error:  # noqa: BLE001  # the boundary of validation
        message = "only the plan's structure was checked: what the checks need could not be worked out"
        told = _report_failure("all", message, ("all checks", "structural checks"), error)
        return _report([*_check_structure(routed, registry, shape, set()), told])
    rows, count = _run_checks(facts)
    if any(diagnostic.code == _CHECK_FAILED.code for _, diagnostic in rows):
        known = {diagnostic.code for _, diagnostic in rows}
        for diagnostic in _check_structure(routed, registry, shape, known):
            rows.append(_at_top(diagnostic))
            count[diagnostic.severity] += 1
    try:
        total, shares = score(facts, count)
    except Exception as error:  # noqa: BLE001  # the boundary of scoring
        total, shares = 0.0, NO_SCORE
        message = "the plan could not be scored, which says nothing about its quality"
        rows.append(_at_top(_report_failure("score", message, ("score", "no score"), error)))
    rows.sort(key=lambda row: row[0])
    return _report([row[1] for row in rows], total, shares)


def refuse_size(plan: Plan, limits: Limits) -> Report | None:
    """Return the report of a plan that is too large to be routed and checked, or None.

    Only written tasks are counted, which takes milliseconds; what `for_each` makes of them is counted by the check.
    """
    count = _count_leaves(plan.tasks)
    if count <= limits.leaves:
        return None
    return _report([_diagnostic(leaf_limit, describe_leaf_limit(count, limits.leaves))])


def _count_leaves(tasks: Iterable[Task]) -> int:
    waiting, count = [*tasks], 0
    while waiting:
        task = waiting.pop()
        waiting += task.subtasks
        count += not task.subtasks
    return count


def _report(diagnostics: Sequence[Diagnostic], total: float = 0.0, shares: ScoreParts = NO_SCORE) -> Report:
    ok = not any(diagnostic.severity == "error" for diagnostic in diagnostics)
    return Report(ok=ok, score=total, parts=shares, diagnostics=tuple(diagnostics))


def _run_checks(facts: PlanFacts) -> tuple[list[_Row], Counter[Severity]]:
    """Run all checks; one that fails is a warning."""
    rows: list[_Row] = []
    count: Counter[Severity] = Counter()
    for check in CHECKS:
        try:
            found, number = _rows(check, facts)
        except Exception as error:  # noqa: BLE001  # the boundary of one check
            message = f"the check {check.code} ({check.finds}) failed with an internal error and was skipped"
            found, number = [_at_top(_report_failure(check.code, message, ("all checks", "fewer checks"), error))], 1
            count[_CHECK_FAILED.severity] += 1
        else:
            count[check.severity] += number
        rows += found
    return rows, count


def _check_structure(routed: RoutedPlan, registry: Registry, shape: Shape, known: set[str]) -> list[Diagnostic]:
    """Check what no plan may run without, as planning does: what takes over where a check has failed.

    Args:
        routed: The plan with its routes.
        registry: The registry that it was routed with.
        shape: The plan.
        known: Codes that have been found already.
    """
    try:
        problems = [*find_problems(shape), *_find_unassigned(routed, registry, shape)]
    except Exception as error:  # noqa: BLE001  # the boundary of the last check that there is
        message = "the plan's structure could not be checked in any way"
        return [_report_failure("structure", message, ("structural checks", "nothing"), error, _UNCHECKED)]
    hint = "correct it; found by a simpler check, since the usual one failed with an internal error"
    return [
        Diagnostic(code=problem.code, severity="error", task=problem.path, message=problem.message, hint=hint)
        for problem in problems
        if problem.code not in known
    ][:_SHOWN]


def _find_unassigned(routed: RoutedPlan, registry: Registry, shape: Shape) -> Iterator[Problem]:
    """Yield the leaves that no known agent runs."""
    names = {agent.name for agent in registry.agents}
    for path in [leaf.path for leaf in shape.outline.leaf_nodes()]:
        route = routed.routes.get(path)
        if route is None or route.agent is None:
            reason = (route.reason if route else "") or "it was not routed"
            yield Problem("GEN-UNASSIGNED", f"no agent runs task {path!r}: {reason}", path)
        elif route.agent not in names:
            message = f"task {path!r} is routed to {route.agent!r}, which the registry does not have"
            yield Problem("GEN-AGENT-UNKNOWN", message, path)


def _report_failure(
    check: str, message: str, step: tuple[str, str], error: Exception, notice: Notice = _CHECK_FAILED
) -> Diagnostic:
    """Count and log what failed, and describe it for the report."""
    from genesis.resilience.degradation import Degradation, describe_error, step_down  # noqa: PLC0415  # only here

    why = describe_error(error)
    step_down(Degradation("validation", *step, why), error=error)
    return Diagnostic(
        code=notice.code,
        severity=notice.severity,
        message=f"{message} ({why})",
        hint=notice.remedy,
        evidence={"check": check, "raised": why},
    )


def _at_top(diagnostic: Diagnostic) -> _Row:
    """Place a diagnostic before the others of its severity."""
    return (_RANK[diagnostic.severity], -1, diagnostic.code), diagnostic


def _rows(check: Check, facts: PlanFacts) -> tuple[list[_Row], int]:
    """Run one check: its diagnostics with their sort keys, and the number of findings."""
    findings = sorted(check.find(facts), key=_position)
    rank = _RANK[check.severity]
    rows: list[_Row] = [
        ((rank, _position(finding), check.code), _diagnostic(check, finding, facts)) for finding in findings[:_SHOWN]
    ]
    if len(findings) > _SHOWN:
        rows.append(((rank, float("inf"), check.code), _more(check, len(findings) - _SHOWN)))
    return rows, len(findings)


def _position(finding: CheckFinding) -> float:
    """Return a finding's place in document order; the plan as a whole comes first."""
    return -1 if finding.node is None else finding.node


def _diagnostic(check: Check, finding: CheckFinding, facts: PlanFacts | None = None) -> Diagnostic:
    """Describe a finding; one about a task needs the facts."""
    path, message, evidence = None, finding.message, finding.evidence
    if finding.node is not None and facts is not None:
        path = facts.path(finding.node)
        if origin := facts.origin(finding.node):
            file, task = origin
            message = f"{message} (in {file}, task {task!r})"
            evidence = evidence | {"plan": file, "plan_task": task}
    return Diagnostic(
        code=check.code,
        severity=check.severity,
        task=path,
        message=message,
        hint=finding.hint or check.remedy,
        evidence=evidence,
    )


def _more(check: Check, rest: int) -> Diagnostic:
    return Diagnostic(
        code=check.code,
        severity=check.severity,
        message=f"and {rest:,} more: {check.finds}",
        hint=check.remedy,
        evidence={"more": rest},
    )
