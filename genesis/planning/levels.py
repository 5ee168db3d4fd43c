"""Try the planner levels in order until one returns a valid plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genesis.errors import GenesisError, PlanningError, SecurityError, UsageError
from genesis.model import Plan
from genesis.planning.planner import Planner, PlanningContext
from genesis.planning.request import check_request
from genesis.planning.structural import structural_problems

__all__ = ["make_plan"]


def make_plan(request: str, *, planners: Sequence[Planner], context: PlanningContext | None = None) -> Plan:
    """Plan a request with the best level that succeeds.

    A level that raises any error, or whose plan is invalid, is skipped, and the plan's `planner_note` records
    it. User errors and refusals by a security rule are raised, not hidden by a worse plan.

    Args:
        request: The request in plain text.
        planners: Best level first; the last should accept any request.
        context: Types, skills, variables and limits; by default those of the settings.

    Returns:
        A plan that is structurally sound and within the limits.

    Raises:
        UsageError: The request is empty, too long, or asks for nothing.
        SecurityError: A level refused the request.
        PlanningError: No level returned a valid plan; the last level's error is the cause.
    """
    context = context or PlanningContext()
    text = check_request(request, context.limits)
    passed_over: list[_PassedOver] = []
    for planner in planners:
        try:
            plan = _sound(planner.plan(text, context), planner, context)
        except (SecurityError, UsageError):
            raise
        except GenesisError as error:
            passed_over.append(_PassedOver(planner.level, error.message, error))
        except Exception as error:  # noqa: BLE001  # the boundary of a level: its bug costs the better plan
            passed_over.append(_PassedOver(planner.level, _by_itself(error), error, bug=True))
        else:
            own = [f"{planner.level}: {plan.planner_note}"] if plan.planner_note else []
            _report_fallbacks(passed_over, planner.level)
            return plan.model_copy(update={"planner_note": ". ".join([*map(str, passed_over), *own])})
    _report_fallbacks(passed_over, "no plan")
    notes = [str(level) for level in passed_over]
    raise PlanningError(
        "no planner level could plan the request: " + ("; ".join(notes) or "there are no levels"),
        hint="write a plan file and run it",
        data={"levels": notes},
    ) from (passed_over[-1].error if passed_over else None)


@dataclass(frozen=True, slots=True)
class _PassedOver:
    """A level that was skipped."""

    level: str
    why: str
    error: Exception
    bug: bool = False
    """Whether it raised an unexpected error."""

    def __str__(self) -> str:
        return f"{self.level}: {self.why}"


def _by_itself(error: Exception) -> str:
    from genesis.resilience.degradation import describe_error  # noqa: PLC0415  # only where a level failed

    return f"internal error ({describe_error(error)})"


def _sound(plan: Plan, planner: Planner, context: PlanningContext) -> Plan:
    """Record the level in its plan, if the plan can be run.

    Raises:
        PlanningError: It has structural problems.
    """
    update = {"planner": planner.level, "vars": {**plan.vars, **context.vars}}
    trusted = tuple(dict.fromkeys((*plan.trusted_vars, *context.vars)))
    plan = plan.model_copy(update=update | ({"trusted_vars": trusted} if trusted else {}))
    problems = structural_problems(plan, context.limits)
    if problems:
        raise PlanningError(f"its plan is not valid: {'; '.join(problems)}")
    return plan


def _report_fallbacks(passed_over: Sequence[_PassedOver], last: str) -> None:
    """Count and log each fallback from a level to the next."""
    if not passed_over:
        return
    from genesis.resilience.degradation import Degradation, step_down  # noqa: PLC0415  # only where a level was passed over

    for level, to in zip(passed_over, [*(level.level for level in passed_over[1:]), last], strict=True):
        step_down(Degradation("planning", level.level, to, level.why), error=level.error if level.bug else None)
