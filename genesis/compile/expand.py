"""Make the copies of `for_each` tasks: of lists that are written in the plan, and of one that a result has given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from genesis.errors import PlanInvalidError
from genesis.model import ExpandedTask, Route, RoutedPlan, Task, TaskCopy
from genesis.structure import Scope, combine_lists, copy_id, fill_description, plan_values, written_lists

__all__ = ["expand_task", "expand_written"]

_OF_THE_TASK: dict[str, Any] = {
    "depends_on": (),
    "for_each": None,
    "run_if": "all_succeeded",
    "when": None,
    "allow_failure": False,
}
"""What counts for all copies at once, and so for none of them alone."""


def expand_written(routed: RoutedPlan) -> RoutedPlan:
    """Make the copies of all `for_each` tasks whose lists need no result; what is expanded already stays as it is.

    Raises:
        PlanInvalidError: A list is none, or a description names a key that a value lacks.
    """
    if not _has_for_each(routed.plan.tasks):
        return routed
    expander = _Expander(plan_values(routed.plan), dict(routed.routes))
    tasks = expander.expand_all(routed.plan.tasks, "", "", None)
    return routed.model_copy(
        update={"plan": routed.plan.model_copy(update={"tasks": tasks}), "routes": expander.routes}
    )


def expand_task(
    task: Task, path: str, values: Iterable[JsonValue], plan: Mapping[str, JsonValue], routes: Mapping[str, Route]
) -> tuple[ExpandedTask, dict[str, Route]]:
    """Make the copies of one `for_each` task whose list is known now.

    Args:
        task: The task.
        path: Its path.
        values: The values.
        plan: Values of the plan's variables and parameters.
        routes: Routes of its leaves, by path.

    Returns:
        The task with its copies, and the routes with those of the copies.

    Raises:
        PlanInvalidError: A description names a key that a value lacks, or the list of an inner `for_each` is none.
    """
    expander = _Expander(plan, dict(routes))
    return expander.make_copies(task, list(values), path, path), expander.routes


def _has_for_each(tasks: Iterable[Task]) -> bool:
    waiting = [*tasks]
    while waiting:
        task = waiting.pop()
        if task.for_each is not None:
            return True
        waiting += task.subtasks
    return False


class _Expander:
    """Makes the copies of one plan. The paths of a task: as it runs, and as it is written, where its route is."""

    def __init__(self, plan: Mapping[str, JsonValue], routes: dict[str, Route]) -> None:
        self._plan = plan
        self.routes = routes

    def expand_all(self, tasks: tuple[Task, ...], prefix: str, written: str, scope: Scope | None) -> tuple[Task, ...]:
        """Expand the tasks below a path, for one copy where there is a scope."""
        return tuple(self._expand(task, f"{prefix}{task.id}", f"{written}{task.id}", scope) for task in tasks)

    def _expand(self, task: Task, path: str, written: str, scope: Scope | None) -> Task:
        if isinstance(task, ExpandedTask):
            return task
        if task.for_each is not None:
            try:
                lists = written_lists(task.for_each, self._plan, scope)
            except ValueError as error:
                raise _invalid(f"for_each of task {path!r}: {error}") from error
            if lists is not None:
                return self.make_copies(task, combine_lists(lists), path, written)
            if scope is not None:
                self._copy_routes(task, path, written)
            return task
        subtasks = self.expand_all(task.subtasks, f"{path}/", f"{written}/", scope) if task.subtasks else ()
        changes: dict[str, Any] = {}
        if any(new is not old for new, old in zip(subtasks, task.subtasks, strict=True)):
            changes["subtasks"] = subtasks
        if scope is not None:
            changes |= self._fill(task, path, written, scope)
        return task.model_copy(update=changes) if changes else task

    def make_copies(self, task: Task, values: list[JsonValue], path: str, written: str) -> ExpandedTask:
        """Make one copy for each value."""
        changes: dict[str, Any] = {"item": None, "index": 0, **_OF_THE_TASK}
        plain = TaskCopy.model_construct(**_values(task, changes))
        copies = []
        for index, item in enumerate(values):
            scope = Scope(item, index)
            name = copy_id(scope)
            below = f"{path}/{name}"
            changes = {"id": name, "item": item, "index": index}
            if task.subtasks:
                changes["subtasks"] = self.expand_all(task.subtasks, f"{below}/", f"{written}/", scope)
            copies.append(plain.model_copy(update=changes | self._fill(task, below, written, scope)))
        return ExpandedTask.model_construct(**_values(task, {"subtasks": tuple(copies), "template": task}))

    def _fill(self, task: Task, path: str, written: str, scope: Scope) -> dict[str, Any]:
        """Return what a task has of its own in a copy, and note its route."""
        if not task.subtasks and written in self.routes:
            self.routes[path] = self.routes[written]
        if "{" not in task.description:
            return {}
        try:
            return {"description": fill_description(task.description, scope, self._plan)}
        except ValueError as error:
            raise _invalid(f"the description of task {path!r} names a key that a value lacks: {error}") from error

    def _copy_routes(self, task: Task, path: str, written: str) -> None:
        """Assign the leaves of a task whose copies come later their routes at the place where it is in this copy."""
        for below in _leaf_paths(task):
            if written + below in self.routes:
                self.routes[path + below] = self.routes[written + below]


def _leaf_paths(task: Task, below: str = "") -> Iterator[str]:
    if not task.subtasks:
        yield below
    for child in task.subtasks:
        yield from _leaf_paths(child, f"{below}/{child.id}")


def _values(task: Task, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a task of another kind that is made from one that is validated."""
    return {"_fields_set": set(task.model_fields_set), **task.__dict__, **changes}


def _invalid(message: str) -> PlanInvalidError:
    return PlanInvalidError(message, hint="run `genesis validate` on the plan to see all errors")
