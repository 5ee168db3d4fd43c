"""Ask the planner levels one after the other until one gives a sound plan."""

from __future__ import annotations

from collections.abc import Sequence

from genesis.errors import GenesisError, PlanningError, SecurityError, UsageError
from genesis.model import Plan
from genesis.planning.planner import Planner, PlanningContext
from genesis.planning.request import check_request
from genesis.planning.structural import structural_problems

__all__ = ["make_plan"]


def make_plan(request: str, *, planners: Sequence[Planner], context: PlanningContext | None = None) -> Plan:
    """Plan a request with the best level that can.

    A level that raises, or whose plan is not sound, is passed over, and the plan's `planner_note` says so. What the
    person got wrong and what a security rule refuses is not papered over by a worse plan.

    Args:
        request: What a person asked for.
        planners: Best level first; the last should be one that plans anything.
        context: Types, skills, variables and limits; the defaults where missing.

    Returns:
        A plan that is structurally sound and within the limits.

    Raises:
        UsageError: The request cannot be planned at all: empty, too long, or asking for nothing.
        SecurityError: A level refused the request.
        PlanningError: No level gave a sound plan.
    """
    context = context or PlanningContext()
    text = check_request(request, context.limits)
    passed_over: list[str] = []
    for planner in planners:
        try:
            plan = planner.plan(text, context)
        except (SecurityError, UsageError):
            raise
        except GenesisError as error:
            passed_over.append(f"{planner.level}: {error.message}")
            continue
        plan = plan.model_copy(update={"planner": planner.level, "vars": {**plan.vars, **context.vars}})
        problems = structural_problems(plan, context.limits)
        if problems:
            passed_over.append(f"{planner.level}: its plan is not sound: {'; '.join(problems)}")
            continue
        own = [f"{planner.level}: {plan.planner_note}"] if plan.planner_note else []
        return plan.model_copy(update={"planner_note": ". ".join(passed_over + own)})
    raise PlanningError(
        "no planner level could plan the request: " + ("; ".join(passed_over) or "there is none"),
        hint="write a plan file and run it",
        data={"levels": passed_over},
    )
