"""Put plans below tasks of another plan, so that every name in them means there what it meant before.

Values get the path of the task before their names: the variable `os` of the plan below `build` is `build/os`. A value
may instead be handed on (`EmbeddedPlan.handed_on`): its name is then replaced by a reference of the outer plan.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from genesis.model import ExpandedTask, Plan, Task
from genesis.model.scalars import canonical
from genesis.structure.changes import Changes
from genesis.structure.conditions import rename_condition
from genesis.structure.dataflow import find_meaning
from genesis.structure.for_each import is_item_name
from genesis.structure.outline import Node, Outline, outline
from genesis.structure.plan_values import value_names
from genesis.structure.references import (
    describe_wait,
    file_references,
    fillable,
    move_names,
    references,
    split_file_reference,
)

__all__ = ["EmbedError", "EmbeddedPlan", "embed", "is_unread"]


class EmbedError(ValueError):
    """A plan that cannot be put below a task, which is a node of the outer plan's outline."""

    def __init__(self, node: int, reason: str) -> None:
        super().__init__(reason)
        self.node = node


@dataclass(frozen=True, slots=True)
class EmbeddedPlan:
    """A plan that is put below a task."""

    plan: Plan
    source: str
    """The file that it is from, with its fingerprint: the task's `use` from then on."""
    handed_on: Mapping[str, str] = field(default_factory=dict)
    """Variable or parameter of the plan → the reference of the outer plan, without braces, that it stands for."""


def is_unread(task: Task) -> bool:
    """Whether a task uses a plan file whose tasks are not below it."""
    return task.use is not None and not (task.template if isinstance(task, ExpandedTask) else task).subtasks


def embed(plan: Plan, parts: Mapping[int, EmbeddedPlan]) -> Plan:
    """Put plans below tasks.

    Args:
        plan: The outer plan.
        parts: For each task, as a node of the plan's outline, the plan whose tasks become its subtasks.

    Raises:
        EmbedError: A value that is handed on is used where the outer reference has no value, or the outer plan has a
            variable or a parameter of the name that one of the inner plan would get.
    """
    view = outline(plan)
    changes = Changes()
    variables, params = dict(plan.vars), dict(plan.params)
    for index, part in parts.items():
        changes.set(index, subtasks=part.plan.tasks, use=part.source)
        path = view.nodes[index].path
        for name in (*part.plan.vars, *part.plan.params):
            if f"{path}/{name}" in variables or f"{path}/{name}" in params:
                reason = f"the plan that uses it has a variable or a parameter {path + '/' + name!r} of its own"
                raise EmbedError(index, reason)
        variables |= {f"{path}/{name}": each for name, each in part.plan.vars.items() if name not in part.handed_on}
        params |= {f"{path}/{name}": each for name, each in part.plan.params.items() if name not in part.handed_on}
    merged = changes.apply(plan, view).model_copy(update={"vars": variables, "params": params})
    outer = outline(merged)
    moved = Changes()
    shift = 0
    for index in sorted(parts):
        inner = outline(parts[index].plan)
        mover = _Mover(parts[index], inner, merged, outer, index + shift)
        for node in inner.nodes:
            try:
                update = mover.move(node)
            except ValueError as error:
                raise EmbedError(index, str(error)) from error
            if update:
                moved.set(mover.first + node.index, **update)
        shift += len(inner.nodes)
    return moved.apply(merged, outer)


class _Mover:
    """Moves the tasks of one plan below a task of another."""

    def __init__(self, part: EmbeddedPlan, inner: Outline, merged: Plan, outer: Outline, below: int) -> None:
        self._part = part
        self._inner = inner
        self._outer = outer
        self._below = outer.nodes[below]
        self.first = below + 1
        """The outer plan's node of the inner plan's first one; the others follow in their order."""
        self._inner_values: Container[str] = value_names(part.plan)
        self._outer_values: Container[str] = value_names(merged)

    def move(self, node: Node) -> dict[str, Any]:
        """Return the fields of a task that have to change."""
        task = node.task
        after = self._outer.nodes[self.first + node.index]
        update: dict[str, Any] = {}
        if task.depends_on:
            update["depends_on"] = tuple(self._name_of_task(node, after, name) for name in task.depends_on)
        if "{" in task.description:
            update["description"] = self._move_description(node, after)
        update |= self._move_values(node, after)
        if task.when is not None:
            update["when"] = rename_condition(task.when, lambda name: self._rename(node, after, name, outside=True))
        if task.for_each is not None:
            update["for_each"] = self._move_lists(node, after)
        if asked := file_references(task):
            moved = {path: self._move_file(node, after, reference) for path, reference in asked.items()}
            update["files"] = {**task.files, "in": moved}
        if self._takes_default_retries(task):
            update["retries"] = self._part.plan.retries
        return {name: value for name, value in update.items() if value != getattr(task, name)}

    def _move_file(self, node: Node, after: Node, reference: str) -> str:
        parts = split_file_reference(reference)
        name = reference if parts is None else f"{self._name_of_task(node, after, parts[0])}.files.{parts[1]}"
        return f"{{{name}}}"

    def _takes_default_retries(self, task: Task) -> bool:
        has_own = "retries" in task.model_fields_set or task.retry is not None
        return self._part.plan.retries is not None and not (task.subtasks or has_own or task.side_effects)

    def _move_description(self, node: Node, after: Node) -> str:
        """Move a description, in which only values are references."""
        for name in dict.fromkeys(references(node.task.description)):
            outer = self._part.handed_on.get(name)
            if outer is not None and outer not in self._outer_values and not is_item_name(outer):
                raise ValueError(
                    f"the description of task {node.path!r} has {{{name}}}, which is {{{outer}}}, a result: "
                    "results are known in inputs, `env`, `wait_for`, `when` and `for_each` only"
                )
        return str(
            move_names(
                node.task.description,
                lambda name: self._rename(node, after, name),
                lambda name: name in self._inner_values or _is_item(self._inner, node.index, name),
                lambda name: name in self._outer_values or _is_item(self._outer, after.index, name),
            )
        )

    def _move_values(self, node: Node, after: Node) -> dict[str, Any]:
        """Move the inputs, the environment, what is waited for, and what a plan below was filled with."""
        was, will_be = self._known(self._inner, node), self._known(self._outer, after)

        def rename(name: str) -> str:
            return self._rename(node, after, name)

        update: dict[str, Any] = {}
        if filled := fillable(node.task):
            update["inputs"] = {**node.task.inputs, **move_names(dict(filled), rename, was, will_be)}
        if node.task.env:
            update["env"] = move_names(dict(node.task.env), rename, was, will_be)
        if (wait := node.task.wait_for) is not None:
            update["wait_for"] = wait.model_copy(update=move_names(describe_wait(wait), rename, was, will_be))
        if node.task.with_:
            update["with_"] = move_names(dict(node.task.with_), rename, was, will_be)
        return update

    def _known(self, tree: Outline, node: Node) -> Callable[[str], bool]:
        values = self._inner_values if tree is self._inner else self._outer_values

        def known(name: str) -> bool:
            return _is_item(tree, node.index, name) or name in values or find_meaning(tree, node, name) is not None

        return known

    def _move_lists(self, node: Node, after: Node) -> Any:
        """Move a `for_each`: the references that are its lists are about what is around the task."""

        def move(part: Any) -> Any:
            return (
                f"{{{self._rename(node, after, canonical(part[1:-1]), outside=True)}}}"
                if isinstance(part, str)
                else part
            )

        lists = node.task.for_each
        return {name: move(part) for name, part in lists.items()} if isinstance(lists, dict) else move(lists)

    def _rename(self, node: Node, after: Node, name: str, *, outside: bool = False) -> str:
        """Return the outer plan's name for what a name means; one that means nothing gets one that means nothing.

        Args:
            node: The task in the inner plan.
            after: The same task in the outer one.
            name: A name in braces of the inner plan.
            outside: Whether it stands in the `when` or the `for_each` of the task, where its own copies have no value.
        """
        if _is_item(self._inner, node.parent if outside else node.index, name):
            return name
        if name in self._part.handed_on:
            return self._name_of_outer(node, after, name, outside=outside)
        if name in self._inner_values:
            return f"{self._below.path}/{name}"
        meaning = find_meaning(self._inner, node, name)
        if meaning is None:
            return f"/{self._below.path}/{name}"
        target = self._inner.resolve(node, meaning.task)
        return self._reference(after, self.first + (target or 0), meaning.task, meaning.key)

    def _name_of_outer(self, node: Node, after: Node, name: str, *, outside: bool) -> str:
        """Return the name that a reference of the outer plan has at a task below.

        Raises:
            ValueError: It is the value of a copy, and the task has copies of its own.
        """
        outer = self._part.handed_on[name]
        if outer in self._outer_values:
            return outer
        if _is_item(self._outer, self._below.index, outer):
            if (node.parent if outside else node.index) in self._inner.scopes:
                raise ValueError(
                    f"task {node.path!r} has {{{name}}}, which is {{{outer}}} of {self._below.path!r}, "
                    "and is itself in a `for_each`, where {item} is the inner value"
                )
            return outer
        meaning = find_meaning(self._outer, self._below, outer)
        target = None if meaning is None else self._outer.resolve(self._below, meaning.task)
        return outer if meaning is None or target is None else self._reference(after, target, meaning.task, meaning.key)

    def _reference(self, after: Node, target: int, task: str, key: str) -> str:
        """Name a result at a task of the outer plan: as it is written if that means the same there."""
        path = self._outer.nodes[target].path
        names = [f"{name}.{key}" for name in (task, self._outer.name_at(after, target), path, f"/{path}")]
        return next((name for name in names if self._means(after, name, target, key)), names[-1])

    def _means(self, after: Node, name: str, target: int, key: str) -> bool:
        if name in self._outer_values or _is_item(self._outer, after.index, name):
            return False
        meaning = find_meaning(self._outer, after, name)
        return meaning is not None and meaning.key == key and self._outer.resolve(after, meaning.task) == target

    def _name_of_task(self, node: Node, after: Node, name: str) -> str:
        target = self._inner.resolve(node, name)
        if target is None:
            return f"/{self._below.path}/{name.lstrip('/')}"
        is_same = self._outer.resolve(after, name) == self.first + target
        return name if is_same else self._outer.name_at(after, self.first + target)


def _is_item(tree: Outline, index: int, name: str) -> bool:
    """Whether a name stands for the value of a copy at a task."""
    return index in tree.scopes and is_item_name(name)
