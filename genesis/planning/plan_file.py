"""The plan document: load it, and dump it with routes and report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from genesis.document import normalize_values, read, validate_model
from genesis.model import ExpandedTask, Plan, Report, Route, RoutedPlan, Task
from genesis.planning.used_plans import expand_uses
from genesis.planning.values import set_parameters, set_variables
from genesis.settings import Limits

__all__ = ["load_plan", "plan_document"]


def load_plan(
    source: Path | str | Mapping[str, Any],
    *,
    limits: Limits | None = None,
    params: Mapping[str, JsonValue] | None = None,
    variables: Mapping[str, str] | None = None,
    params_as_text: bool = False,
) -> Plan:
    """Load a plan from a YAML or JSON file with the plan files that its tasks use, or from plain values.

    Args:
        source: The file, or its content as plain values, whose tasks can use no files.
        limits: Bounds on the size of a file; by default those of the settings.
        params: Values for the plan's parameters, by name.
        variables: Values for its variables; they take precedence over those of the plan.
        params_as_text: Whether the parameters are texts of the command line, to be read by the declared types.

    Raises:
        UsageError: There is no such file, or it cannot be read; or a value does not fit its parameter.
        DocumentError: It is not a valid plan; the message has the path in the document. Or a plan that it uses is none,
            or does not fit.
        SecurityError: It uses a file outside of its folder.
    """
    if isinstance(source, Mapping):
        plan = validate_model(Plan, normalize_values(source, source="the plan"), source="the plan", noun="plan")
    else:
        plan = validate_model(Plan, read(source, limits), source=str(source), noun="plan")
    plan = set_parameters(set_variables(plan, variables or {}), params or {}, as_text=params_as_text)
    return plan if isinstance(source, Mapping) else expand_uses(plan, source, limits or Limits())


def plan_document(plan: Plan | RoutedPlan, report: Report | None = None, *, terse: bool = False) -> dict[str, Any]:
    """Return the plan document as plain values, with routes and report where there are any.

    Args:
        plan: The plan; a routed one includes its routes.
        report: Replaces the plan's report.
        terse: Omit default values, for a file that people read.
    """
    routes = plan.routes if isinstance(plan, RoutedPlan) else {}
    bare = plan.plan if isinstance(plan, RoutedPlan) else plan
    options: dict[str, Any] = {"exclude_defaults": True} if terse else {"exclude_none": True}
    head = bare.model_dump(mode="json", exclude={"tasks", "report"}, **options)
    shape: dict[str, Any] = {"version": bare.version, "request": bare.request}
    shape |= {"planner": bare.planner} | {key: value for key, value in head.items() if key not in shape}
    shape["tasks"] = [_task(task, "", routes, options) for task in bare.tasks]
    found = report or bare.report
    if found is not None:
        shape["report"] = found.model_dump(mode="json")
    return shape


def _task(task: Task, prefix: str, routes: Mapping[str, Route], options: dict[str, Any]) -> dict[str, Any]:
    path = f"{prefix}{task.id}"
    if isinstance(task, ExpandedTask):
        task = task.template
    shape: dict[str, Any] = task.model_dump(mode="json", exclude={"subtasks", "route"}, **options)
    if "retries" not in task.model_fields_set:  # otherwise the plan's count, or the call's, which 0 would override
        shape.pop("retries", None)
    ordered = {"id": task.id, "type": task.type, "description": task.description, **shape}
    if task.subtasks:
        ordered["subtasks"] = [_task(child, f"{path}/", routes, options) for child in task.subtasks]
        return ordered
    route = routes.get(path, task.route)
    if route is not None:
        ordered["route"] = route.model_dump(mode="json")
    return ordered
