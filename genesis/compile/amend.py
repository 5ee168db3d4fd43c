"""Apply the changes that were made to a plan while it ran."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from genesis.compile.expand import expand_task, expand_written
from genesis.errors import PlanInvalidError
from genesis.model import Amendment, Plan, Route, RoutedPlan, Task
from genesis.structure import plan_values

__all__ = ["apply_amendments"]


def apply_amendments(routed: RoutedPlan, amendments: Iterable[Amendment]) -> RoutedPlan:
    """Apply amendments, in their order.

    A group is added at the end of the plan, and its task comes after it; a `for_each` task gets its copies. Either way
    the leaves that were there keep their numbers.

    Args:
        routed: The plan as it was started.
        amendments: All of its changes, by number.

    Raises:
        PlanInvalidError: An amendment is about a task that the plan does not have.
    """
    amendments = list(amendments)
    if not amendments:
        return routed
    routed = expand_written(routed)
    for amendment in amendments:
        routed = _with_copies(routed, amendment) if amendment.kind == "for_each" else _with_group(routed, amendment)
    return routed


def _with_group(routed: RoutedPlan, amendment: Amendment) -> RoutedPlan:
    group = amendment.group
    tasks = _change(
        routed, amendment, lambda task: task.model_copy(update={"depends_on": (*task.depends_on, group.id)})
    )
    routes = {**routed.routes, **_routes(group, "")}
    return _amended(routed, (*tasks, group), routes, group.id, amendment)


def _with_copies(routed: RoutedPlan, amendment: Amendment) -> RoutedPlan:
    values = amendment.group.for_each
    routes = dict(routed.routes)

    def expand(task: Task) -> Task:
        nonlocal routes
        made, routes = expand_task(
            task, amendment.task, values if isinstance(values, list) else [], plan_values(routed.plan), routes
        )
        return made

    tasks = _change(routed, amendment, expand)
    return _amended(routed, tasks, routes, amendment.task, amendment)


def _amended(
    routed: RoutedPlan, tasks: tuple[Task, ...], routes: dict[str, Route], path: str, amendment: Amendment
) -> RoutedPlan:
    plan: Plan = routed.plan.model_copy(update={"tasks": tasks})
    return RoutedPlan(plan=plan, routes=routes, added={**routed.added, path: amendment.number})


def _change(routed: RoutedPlan, amendment: Amendment, change: Callable[[Task], Task]) -> tuple[Task, ...]:
    """Change the task that an amendment is about.

    Raises:
        PlanInvalidError: The plan does not have it.
    """
    tasks = _change_at(routed.plan.tasks, amendment.task.split("/"), change)
    if tasks is None:
        raise PlanInvalidError(
            f"amendment {amendment.number} is about task {amendment.task!r}, which the plan does not have",
            hint="the run's ledger is damaged; run the request again",
        )
    return tasks


def _change_at(tasks: tuple[Task, ...], ids: list[str], change: Callable[[Task], Task]) -> tuple[Task, ...] | None:
    """Change the task at a path; None where there is no such task."""
    for place, task in enumerate(tasks):
        if task.id != ids[0]:
            continue
        if len(ids) == 1:
            later = change(task)
        else:
            inner = _change_at(task.subtasks, ids[1:], change)
            if inner is None:
                return None
            later = task.model_copy(update={"subtasks": inner})
        return (*tasks[:place], later, *tasks[place + 1 :])
    return None


def _routes(task: Task, prefix: str) -> dict[str, Route]:
    path = f"{prefix}{task.id}"
    if not task.subtasks:
        return {path: task.route} if task.route else {}
    return {name: route for child in task.subtasks for name, route in _routes(child, f"{path}/").items()}
