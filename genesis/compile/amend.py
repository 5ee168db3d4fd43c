"""Apply the changes that were made to a plan while it ran."""

from __future__ import annotations

from collections.abc import Iterable

from genesis.errors import PlanInvalidError
from genesis.model import Amendment, Plan, Route, RoutedPlan, Task

__all__ = ["apply_amendments"]


def apply_amendments(routed: RoutedPlan, amendments: Iterable[Amendment]) -> RoutedPlan:
    """Apply amendments, in their order.

    Each adds its group at the end of the plan, so that leaves keep their numbers, and lets its task come after it.

    Args:
        routed: The plan as it was started.
        amendments: All of its changes, by number.

    Raises:
        PlanInvalidError: An amendment is about a task that the plan does not have.
    """
    tasks, routes = routed.plan.tasks, dict(routed.routes)
    for amendment in amendments:
        changed = _coming_after(tasks, amendment.task.split("/"), amendment.group.id)
        if changed is None:
            raise PlanInvalidError(
                f"amendment {amendment.number} is about task {amendment.task!r}, which the plan does not have",
                hint="the run's ledger is damaged; run the request again",
            )
        tasks = (*changed, amendment.group)
        routes |= _routes(amendment.group, "")
    plan: Plan = routed.plan.model_copy(update={"tasks": tasks})
    return RoutedPlan(plan=plan, routes=routes)


def _coming_after(tasks: tuple[Task, ...], ids: list[str], group: str) -> tuple[Task, ...] | None:
    """Let the task at a path come after a group; None where there is no such task."""
    for place, task in enumerate(tasks):
        if task.id != ids[0]:
            continue
        if len(ids) == 1:
            later = task.model_copy(update={"depends_on": (*task.depends_on, group)})
        else:
            inner = _coming_after(task.subtasks, ids[1:], group)
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
