"""What validation falls back to when it fails by itself: the structure, established in the plainest way.

Full checks give way to all but those that failed, and these to the structural ones; never to less. A part of the
structure that cannot be established either is an error, since a plan that nobody has looked at does not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from genesis.model import Diagnostic, Registry, Report, RoutedPlan, Task
from genesis.settings import Limits
from genesis.structure import PARTS, Problem, Shape, StructurePart
from genesis.validation.check import Check, Notice
from genesis.validation.score import NO_SCORE

__all__ = ["CHECK_FAILED", "NOTICES", "UNCHECKED", "StructureChecker"]

CHECK_FAILED = Notice(
    "GEN-CHECK-FAILED",
    "warning",
    finds="a check that failed by itself, with what it raised and what was done instead",
    remedy="report the fault; where the check was left out, look yourself at what it is for",
)
UNCHECKED = Notice(
    "GEN-UNCHECKED",
    "error",
    finds="a part of the plan's structure that could not be checked in any way",
    remedy="report the fault with the plan; a plan whose structure nobody has checked does not run",
)
NOTICES = (CHECK_FAILED, UNCHECKED)
"""Diagnostics that no check finds."""

_SHOWN = 50
_UNASSIGNED, _UNKNOWN = "GEN-UNASSIGNED", "GEN-AGENT-UNKNOWN"
_ROUTES = StructurePart("routes", frozenset({_UNASSIGNED, _UNKNOWN}), lambda _: iter(()))


@dataclass(frozen=True)
class StructureChecker:
    """Establishes the structure of a routed plan without what the checks share.

    Args:
        routed: The plan with its routes.
        registry: The registry that it was routed with.
        limits: Bounds on the plan.
        planned: Whether a planner made the plan.
    """

    routed: RoutedPlan
    registry: Registry
    limits: Limits
    planned: bool

    def report(self, error: Exception) -> Report:
        """Return the report of a plan whose checks cannot be made at all."""
        why = _describe_error(error)
        message = f"only the plan's structure was checked: what the checks need could not be worked out ({why})"
        found = [*self._find_problems(None), _diagnostic(CHECK_FAILED, message, check="all", raised=why)]
        _step("all checks", "structural checks", error)
        ok = not any(diagnostic.severity == "error" for diagnostic in found)
        return Report(ok=ok, score=0.0, parts=NO_SCORE, diagnostics=tuple(found))

    def instead_of(self, failed: Sequence[tuple[Check, Exception]]) -> list[Diagnostic]:
        """Describe which checks failed, and establish what those of the structure would have."""
        codes: set[str] = set()
        found: list[Diagnostic] = []
        for check, error in failed:
            structural = any(check.code in part.codes for part in (*PARTS, _ROUTES))
            codes |= {check.code} if structural else set()
            why = _describe_error(error)
            instead = "what it is for was looked for in a plainer way" if structural else "it was left out"
            message = f"the check {check.code} ({check.finds}) failed by itself ({why}); {instead}"
            found.append(_diagnostic(CHECK_FAILED, message, check=check.code, raised=why))
            _step("all checks", "structural checks" if structural else "fewer checks", error)
        return [*self._find_problems(codes), *found] if codes else found

    def report_unscored(self, error: Exception) -> Diagnostic:
        """Report that a plan could not be scored."""
        why = _describe_error(error)
        _step("score", "no score", error)
        message = f"the plan could not be scored, which says nothing about its quality ({why})"
        return _diagnostic(CHECK_FAILED, message, check="score", raised=why)

    def _find_problems(self, codes: set[str] | None) -> list[Diagnostic]:
        """Return the problems of these codes, and those parts that cannot be looked at; without codes all of them."""
        shape = Shape(self.routed.plan, self.limits, self.planned)
        problems: list[Problem] = []
        unknown: dict[str, list[str]] = {}
        for part in (*PARTS, _ROUTES):
            if codes is not None and not codes & part.codes:
                continue
            try:
                problems += self._routes() if part is _ROUTES else part.find(shape)
            except Exception as error:  # noqa: BLE001  # the boundary of one part of the structure
                unknown.setdefault(_describe_error(error), []).append(part.what)
                _step("structural checks", "nothing", error)
        asked = [p for p in problems if codes is None or p.code in codes or p.code == "GEN-CYCLE"]
        return [*_errors(asked), *(_report_unchecked(parts, why) for why, parts in unknown.items())]

    def _routes(self) -> Iterator[Problem]:
        """Find leaves that nobody known runs."""
        names = {agent.name for agent in self.registry.agents}
        for path in _leaf_paths(self.routed.plan.tasks):
            route = self.routed.routes.get(path)
            if route is None or route.agent is None:
                reason = (route.reason if route else "") or "it was not routed"
                yield Problem(_UNASSIGNED, f"no agent runs task {path!r}: {reason}", path)
            elif route.agent not in names:
                message = f"task {path!r} is routed to {route.agent!r}, which the registry does not have"
                yield Problem(_UNKNOWN, message, path)


def _leaf_paths(tasks: Iterable[Task]) -> Iterator[str]:
    waiting = [("", task) for task in reversed(tuple(tasks))]
    while waiting:
        prefix, task = waiting.pop()
        if not task.subtasks:
            yield prefix + task.id
        waiting.extend((f"{prefix}{task.id}/", child) for child in reversed(task.subtasks))


def _errors(problems: Sequence[Problem]) -> list[Diagnostic]:
    hint = "put it right; this was found without the usual check, which failed by itself"
    made = [
        Diagnostic(code=problem.code, severity="error", task=problem.path, message=problem.message, hint=hint)
        for problem in problems[:_SHOWN]
    ]
    if len(problems) > _SHOWN:
        more = f"and {len(problems) - _SHOWN:,} more faults in the structure"
        made.append(Diagnostic(code=problems[_SHOWN].code, severity="error", message=more, hint=hint))
    return made


def _report_unchecked(parts: Sequence[str], why: str) -> Diagnostic:
    listed = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    message = f"the plan's {listed} could not be checked in any way ({why})"
    return _diagnostic(UNCHECKED, message, parts=", ".join(parts), raised=why)


def _diagnostic(notice: Notice, message: str, **evidence: str) -> Diagnostic:
    return Diagnostic(
        code=notice.code, severity=notice.severity, message=message, hint=notice.remedy, evidence={**evidence}
    )


def _describe_error(error: Exception) -> str:
    from genesis.resilience.degradation import describe_error  # noqa: PLC0415  # only where something failed

    return describe_error(error)


def _step(from_: str, to: str, error: Exception) -> None:
    from genesis.resilience.degradation import Degradation, step_down  # noqa: PLC0415

    step_down(Degradation("validation", from_, to, _describe_error(error)), error=error)
