"""The values that `{name}` stands for: variables and parameters of a plan."""

from __future__ import annotations

from pydantic import JsonValue

from genesis.model import Plan, PlanSchedule

__all__ = ["missing_parameters", "plan_values", "schedule_faults", "value_names"]


def value_names(plan: Plan) -> dict[str, None]:
    """Return the names of the variables, then of the parameters."""
    return dict.fromkeys([*plan.vars, *plan.params])


def plan_values(plan: Plan) -> dict[str, JsonValue]:
    """Return the value of each variable and parameter by name; a parameter without a value is left out."""
    if not plan.params:
        return dict(plan.vars)
    given = {name: each.default if each.value is None else each.value for name, each in plan.params.items()}
    return {**plan.vars, **{name: value for name, value in given.items() if value is not None}}


def missing_parameters(plan: Plan) -> list[str]:
    """Name the parameters without a value: no default, and none given for this run."""
    return [name for name, each in plan.params.items() if each.default is None and each.value is None]


def schedule_faults(plan: Plan, schedule: PlanSchedule) -> dict[str, str]:
    """Find what is wrong with the parameters of a schedule.

    Returns:
        By the parameter's name: why a run of the schedule would not start.
    """
    faults: dict[str, str] = {}
    for name, value in schedule.params.items():
        declared = plan.params.get(name)
        if declared is None:
            faults[name] = "the plan has no such parameter"
        elif not declared.accepts(value):
            faults[name] = f"expected: {declared.expected()}"
    missing = (name for name in missing_parameters(plan) if name not in schedule.params)
    return faults | dict.fromkeys(missing, "it has no value")
