"""What starts a workflow, as schedules of the plan."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from pydantic import ValidationError

from genesis.importers.parameters import write_parameter
from genesis.importers.workflow import Loss, Start, WorkflowParameter
from genesis.model.plan_parameter import PlanParameter
from genesis.model.plan_schedule import PlanSchedule
from genesis.security.redact import redact_values
from genesis.security.secret_names import is_secret_name

__all__ = ["write_schedules"]

_NO_SCHEDULE = "left out: start the plan with genesis run, or deploy it"


def write_schedules(
    starts: list[Start], parameters: Mapping[str, WorkflowParameter], used: Container[str]
) -> tuple[list[dict[str, Any]], list[Loss]]:
    """Write the schedules of a plan, and list what it cannot be started by.

    Args:
        starts: What starts the workflow.
        parameters: Parameters that the plan can have, by name.
        used: Those that it has.
    """
    found: list[dict[str, Any]] = []
    losses: list[Loss] = []
    for start in starts:
        if start.schedule is None:
            losses.append(Loss(start.line, f"start: {start.text}", _NO_SCHEDULE))
            continue
        names = {each["name"] for each in found}
        number, name = 1, start.name or "schedule"
        while (chosen := name if number == 1 else f"{name}-{number}") in names:
            number += 1
        own = {key: each for key, each in parameters.items() if key in used}
        problem = _find_problem(start.schedule, own, chosen)
        if problem:
            losses.append(Loss(start.line, f"start: {start.text}", f"left out: {problem}"))
        else:
            found.append({"name": chosen, **start.schedule})
    return found, losses


def _find_problem(schedule: dict[str, Any], parameters: Mapping[str, WorkflowParameter], name: str) -> str:
    """Return why the plan cannot have a schedule; empty if it can."""
    try:
        made = PlanSchedule.model_validate({"name": name, **schedule})
    except ValidationError as error:
        return str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
    for key, value in made.params.items():
        declared = parameters.get(key)
        if declared is None:
            return f"its input {key!r} is no parameter of the plan"
        if is_secret_name(key) or redact_values(value) != value:
            return f"its input {key!r} is a secret"
        if not PlanParameter.model_validate(write_parameter(declared)).accepts(value):
            return f"its input {key!r} does not have the type of the parameter"
    return ""
