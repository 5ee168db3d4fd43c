"""Task networks of playbooks: refine, instantiate, nest and check them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from genesis.document import close_matches
from genesis.model import Plan, Task
from genesis.planning.structural import structural_problems
from genesis.settings import Limits
from genesis.structure import (
    escape_text,
    is_name,
    outline,
    references,
    referring,
    rename_condition,
    rename_references,
    replace_references,
    split,
)

__all__ = ["fill_parameters", "nest_tasks", "network_problems", "refine_tasks"]

Refinements = Mapping[str, tuple[Task, ...]]
_NOT_OF_COMPOSITES: Mapping[str, object] = {"inputs": {}, "env": {}, "outputs": (), "estimate": None, "resources": None}
"""What a task loses when it becomes a composite: its subtasks have it."""


def refine_tasks(tasks: Sequence[Task], refine: Refinements) -> tuple[Task, ...]:
    """Add to each leaf whose type has a refinement its subtasks, and these theirs; a type never refines itself.

    A subtask without inputs takes those of the task that it refines, whose references then name tasks by their paths.
    """
    return _refine_level(tasks, refine, "", frozenset())


def _refine_level(tasks: Sequence[Task], refine: Refinements, prefix: str, inside: frozenset[str]) -> tuple[Task, ...]:
    """Refine the tasks that stand side by side under `prefix`; `inside` are the types that are being refined."""
    siblings = {task.id for task in tasks}
    result: list[Task] = []
    for task in tasks:
        below = f"{prefix}{task.id}/"
        if task.subtasks:
            result.append(task.model_copy(update={"subtasks": _refine_level(task.subtasks, refine, below, inside)}))
        elif task.type in refine and task.type not in inside:
            whole = task.model_copy(update=_by_path(task, siblings, prefix))
            parts = tuple(_part(part, whole) for part in refine[task.type])
            children = _refine_level(parts, refine, below, inside | {task.type})
            result.append(task.model_copy(update={"subtasks": children, **_NOT_OF_COMPOSITES}))
        else:
            result.append(task)
    return tuple(result)


def _by_path(task: Task, siblings: Container[str], prefix: str) -> dict[str, Any]:
    """Return the fields with references to siblings as paths from the top, so that they hold one level deeper."""

    def absolute(reference: str) -> str | None:
        parts = split(reference)
        is_sibling = parts is not None and parts[0].split("/")[0] in siblings
        return f"{prefix}{reference}" if is_sibling else None

    return rename_references(task, absolute, moved=bool(prefix))


def _part(part: Task, whole: Task) -> Task:
    """Fit a subtask of a refinement to the task that it refines."""
    update: dict[str, object] = {"description": part.description.replace("{description}", whole.description)}
    if part.subtasks:
        update["subtasks"] = tuple(_part(child, whole) for child in part.subtasks)
    elif part.wait_for is None:
        update |= {"env": {**whole.env, **part.env}, "runs_in": part.runs_in or whole.runs_in}
        update["resources"] = part.resources or whole.resources
        if not part.inputs:
            update |= {"inputs": dict(whole.inputs), "literal_inputs": whole.literal_inputs}
    return part.model_copy(update=update)


def fill_parameters(tasks: Iterable[Task], values: Mapping[str, str], variables: Mapping[str, str]) -> tuple[Task, ...]:
    """Fill parameters in: their values into descriptions and labels, the names of the plan's variables into inputs.

    Args:
        tasks: The network.
        values: Value by parameter.
        variables: The plan's variable by parameter, where it has another name.
    """
    names = {*values, *variables.values()}

    def value_of(name: str) -> str | None:
        """Return a value that stays as it is when the plan's variables are filled into the description."""
        return escape_text(values[name], names.__contains__) if name in values else None

    def one(task: Task) -> Task:
        return task.model_copy(
            update={
                "description": replace_references(task.description, value_of),
                "labels": {key: replace_references(value, values.get) for key, value in task.labels.items()},
                "when": task.when and rename_condition(task.when, variables.get),
                **rename_references(task, variables.get, moved=True),
                "subtasks": tuple(one(child) for child in task.subtasks),
            }
        )

    return tuple(one(task) for task in tasks)


def nest_tasks(tasks: Sequence[Task], prefix: str) -> tuple[Task, ...]:
    """Rewrite the names in a network so that they still mean the same tasks once it stands under `prefix/`."""
    shape = outline(Plan(request="-", tasks=tuple(tasks)))

    def path_of(index: int, name: str) -> str | None:
        """Return the new path that a name needs, or None where the name still means the same task."""
        node = shape.nodes[index]
        if node.parent < 0 or f"{shape.nodes[node.parent].path}/{name}" in shape.by_path:
            return None
        target = shape.resolve(node, name)
        return None if target is None else f"{prefix}/{shape.nodes[target].path}"

    positions = iter(range(len(shape.nodes)))

    def one(task: Task) -> Task:
        index = next(positions)

        def move_reference(reference: str) -> str | None:
            parts = split(reference)
            path = path_of(index, parts[0]) if parts else None
            return f"{path}.{parts[1]}" if parts and path else None

        return task.model_copy(
            update={
                "depends_on": tuple(path_of(index, name) or name for name in task.depends_on),
                "when": task.when and rename_condition(task.when, move_reference),
                **rename_references(task, move_reference, moved=True),
                "subtasks": tuple(one(child) for child in task.subtasks),
            }
        )

    return tuple(one(task) for task in tasks)


def network_problems(
    tasks: tuple[Task, ...], refine: Refinements, parameters: Sequence[str], limits: Limits
) -> list[str]:
    """Return the problems of a playbook's network; each message begins with its location."""
    variables = dict.fromkeys(parameters, "-")
    whole = refine_tasks(tasks, refine)
    plan = Plan(request="-", tasks=whole, vars=variables)
    found = [f"tasks: {problem}" for problem in structural_problems(plan, limits)]
    for node in outline(plan).nodes:
        said = references([node.task.description, *node.task.labels.values()])
        said += [name for name in references(referring(node.task)) if close_matches(name, parameters)]
        unknown = [name for name in said if is_name(name) and split(name) is None and name not in variables]
        found += [f"tasks: {node.path!r} says {{{name}}}, which is not a parameter" for name in unknown]
    types = {node.task.type for node in outline(Plan(request="-", tasks=tasks)).nodes if not node.children}
    for parts in refine.values():
        types |= {node.task.type for node in outline(Plan(request="-", tasks=parts)).nodes if not node.children}
    found += [f"refine.{name}: no task of the playbook has this type" for name in refine if name not in types]
    return list(dict.fromkeys(found))
