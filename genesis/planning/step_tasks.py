"""Turn steps into tasks: ids, types, edges, and groups where there are too many siblings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from genesis.errors import PlanningError
from genesis.model import Task
from genesis.planning.naming import slug, unique
from genesis.planning.steps import RequestStep
from genesis.planning.task_types import guess_type

__all__ = ["step_tasks"]

_TOO_MANY = 64
"""A nesting that no plan reaches."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Bounds on the tasks."""

    known_types: Collection[str]
    fan_out: int
    depth: int


def step_tasks(
    steps: list[RequestStep], known_types: Collection[str] = (), *, fan_out: int = 20, depth: int = 5
) -> tuple[Task, ...]:
    """Turn steps into tasks with readable ids, in groups where there are too many siblings.

    Args:
        steps: What `spelled_steps` found.
        known_types: Types that some agent takes; empty means that all are.
        fan_out: Maximum number of siblings.
        depth: Maximum nesting; deeper list entries become part of a description.

    Raises:
        PlanningError: The steps exceed the bounds.
    """
    return _tasks(steps, _Bounds(known_types, fan_out, depth), "")


def _tasks(steps: list[RequestStep], bounds: _Bounds, prefix: str) -> tuple[Task, ...]:
    """Make the tasks that stand under `prefix`."""
    levels = _levels(len(steps), bounds.fan_out)
    if levels > bounds.depth:
        raise PlanningError(
            f"the request has {len(steps):,} steps; more than {bounds.depth} levels of {bounds.fan_out} tasks can hold",
            hint="split the request, or write a plan file",
        )
    names: list[str] = []
    taken: set[str] = set()
    for step in steps:
        names.append(unique(slug(step.text), taken))
        taken.add(names[-1])
    groups = [_group_path(index, bounds.fan_out, levels) for index in range(len(steps))]
    paths = [f"{prefix}{group}{name}" for group, name in zip(groups, names, strict=True)]
    inner = replace(bounds, depth=bounds.depth - levels)
    tasks: list[Task] = []
    for index, step in enumerate(steps):
        after = tuple(names[i] if groups[i] == groups[index] else paths[i] for i in sorted(set(step.after)))
        tasks.append(_task(step, names[index], inner, f"{paths[index]}/").model_copy(update={"depends_on": after}))
    return _group_tasks(tasks, bounds.fan_out, levels)


def _levels(count: int, fan_out: int) -> int:
    """Return the number of levels needed for a number of tasks."""
    levels, room = 1, fan_out
    while room < count:
        if fan_out <= 1:
            return _TOO_MANY
        levels, room = levels + 1, room * fan_out
    return levels


def _group_path(index: int, fan_out: int, levels: int) -> str:
    parts = [f"part-{index // fan_out**level % fan_out + 1}/" for level in range(levels - 1, 0, -1)]
    return "".join(parts)


def _group_tasks(tasks: list[Task], fan_out: int, levels: int) -> tuple[Task, ...]:
    """Put tasks into groups until no more than `fan_out` are side by side."""
    for _ in range(levels - 1):
        chunks = [tasks[start : start + fan_out] for start in range(0, len(tasks), fan_out)]
        tasks = [
            Task(
                id=f"part-{number % fan_out + 1}",
                description=f"{_first_leaf(chunk[0]).description} … {_last_leaf(chunk[-1]).description}",
                subtasks=tuple(chunk),
            )
            for number, chunk in enumerate(chunks)
        ]
    return tuple(tasks)


def _first_leaf(task: Task) -> Task:
    return _first_leaf(task.subtasks[0]) if task.subtasks else task


def _last_leaf(task: Task) -> Task:
    return _last_leaf(task.subtasks[-1]) if task.subtasks else task


def _task(step: RequestStep, name: str, bounds: _Bounds, prefix: str) -> Task:
    """Make the task of a step; a nested list becomes its subtasks where there is room for them."""
    if not step.children:
        return Task(id=name, type=guess_type(step.text, bounds.known_types), description=step.text)
    title = step.text.rstrip(":") or step.text
    if bounds.depth < _levels(len(step.children), bounds.fan_out):
        said = "; ".join([title, *_all_texts(step.children)])
        return Task(id=name, type=guess_type(step.text, bounds.known_types), description=said)
    return Task(id=name, description=title, subtasks=_tasks(step.children, bounds, prefix))


def _all_texts(steps: list[RequestStep]) -> list[str]:
    return [text for step in steps for text in (step.text, *_all_texts(step.children))]
