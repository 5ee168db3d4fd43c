"""Find the task that produces each reference in the inputs, in `files`, and in `for_each`."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import JsonValue

from genesis.model import ExpandedTask, Plan, TaskCopy
from genesis.structure.for_each import ITEM, Scope, is_item_name, list_for_each_names, promises, promises_file
from genesis.structure.outline import Node, Outline
from genesis.structure.plan_values import value_names
from genesis.structure.references import (
    WHOLE_RESULT,
    file_references,
    is_name,
    referring,
    split_file_reference,
    splits,
    tokens,
)

__all__ = ["DataFlow", "FileOrigin", "Missing", "ReferenceMeaning", "dataflow", "find_meaning", "find_scope"]


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference that nothing produces."""

    node: int
    reference: str
    task: str
    """Name of the task in it."""
    key: str
    """The key in it."""
    reason: str


class ReferenceMeaning(NamedTuple):
    """The meaning of a name in braces."""

    producer: int | None
    """The leaf that produces it."""
    task: str
    key: str
    reason: str = ""
    """Why there is no producer."""


class FileOrigin(NamedTuple):
    """The leaf that a file in `files.in` is of, and its name there."""

    producer: int
    output: str


@dataclass(frozen=True, slots=True)
class DataFlow:
    """The producers of all references."""

    sources: dict[int, dict[str, int]]
    """For each leaf that has any: reference as written → the leaf that produces it."""
    missing: tuple[Missing, ...]
    keys: dict[int, dict[str, str]] = field(default_factory=dict)
    """For each leaf that has any: reference whose key holds dots → the key."""
    escaped: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """For each leaf that has any: the names in doubled braces that stand for themselves."""
    unknown: dict[int, list[str]] = field(default_factory=dict)
    """For each leaf that has any: the names in braces that are neither variables nor results, and so are text."""
    items: dict[int, dict[str, JsonValue]] = field(default_factory=dict)
    """For each leaf of a copy that uses any: `item`, `item.key` and `index` as written → value."""
    files: dict[int, dict[str, FileOrigin]] = field(default_factory=dict)
    """For each leaf that asks for any: path in its folder → the file. `sources` has the references, too."""
    missing_files: tuple[Missing, ...] = ()
    """References in `files.in` that name no file."""

    def edges(self) -> dict[int, tuple[int, ...]]:
        """Return the order that the references imply: leaf → leaves that come before it."""
        return {node: tuple(dict.fromkeys(found.values())) for node, found in self.sources.items()}


def dataflow(plan: Plan, outline: Outline) -> DataFlow:
    """Find the producer of each reference in the inputs of the leaves. Braces around other names are text."""
    flow = DataFlow({}, ())
    missing: list[Missing] = []
    missing_files: list[Missing] = []
    variables = value_names(plan)
    for node in outline.nodes:
        task = node.task
        if task.for_each is not None:
            _find_lists(variables, outline, node, flow, missing)
            if outline.as_run:
                continue
        if (task.inputs or task.env or task.wait_for) and not node.children:
            _read_names(variables, outline, node, flow, missing)
        if task.files and not node.children:
            _find_files(outline, node, flow, missing_files)
    return DataFlow(
        flow.sources,
        tuple(missing),
        flow.keys,
        flow.escaped,
        flow.unknown,
        flow.items,
        flow.files,
        tuple(missing_files),
    )


def _find_lists(
    variables: Container[str], outline: Outline, node: Node, flow: DataFlow, missing: list[Missing]
) -> None:
    """Find the producers of the lists of a `for_each`. Names that mean nothing at all are a check's to find."""
    for name in list_for_each_names(node.task):
        if is_item_name(name) and node.parent in outline.scopes:
            if outline.as_run and not isinstance(node.task, ExpandedTask):
                _find_item(outline, node, name, flow, missing)
            continue
        found = None if name in variables else find_meaning(outline, node, name)
        if found is not None:
            _add(node, name, found, flow, missing)


def _read_names(
    variables: Container[str], outline: Outline, node: Node, flow: DataFlow, missing: list[Missing]
) -> None:
    """Add to the data flow what each name in braces in the inputs and the environment of a leaf means."""
    escaped: list[str] = []
    is_copied = node.index in outline.scopes
    for name, is_reference in dict.fromkeys(tokens(referring(node.task))):
        if is_copied and is_item_name(name):
            if outline.as_run:
                _find_item(outline, node, name, flow, missing)
            continue
        is_variable = name in variables
        found = None if is_variable else find_meaning(outline, node, name)
        if not is_reference:
            if is_variable or found is not None:
                escaped.append(name)
        elif found is not None:
            _add(node, name, found, flow, missing)
        elif not is_variable:
            flow.unknown.setdefault(node.index, []).append(name)
    if escaped:
        flow.escaped[node.index] = tuple(escaped)


def _add(node: Node, name: str, found: ReferenceMeaning, flow: DataFlow, missing: list[Missing]) -> None:
    """Add what a reference stands for, or that nothing produces it."""
    if found.producer is None:
        missing.append(Missing(node.index, name, found.task, found.key, found.reason))
        return
    flow.sources.setdefault(node.index, {})[name] = found.producer
    if "." in found.key:
        flow.keys.setdefault(node.index, {})[name] = found.key


def _find_item(outline: Outline, node: Node, name: str, flow: DataFlow, missing: list[Missing]) -> None:
    """Add the value of a copy that a name stands for, or that it has none."""
    scope = find_scope(outline, node.index)
    if scope is not None:
        try:
            flow.items.setdefault(node.index, {})[name] = scope.lookup(name)
        except ValueError as error:
            missing.append(Missing(node.index, name, ITEM, name.partition(".")[2], str(error)))


def _find_files(outline: Outline, node: Node, flow: DataFlow, missing: list[Missing]) -> None:
    """Add to the data flow the leaf that each file is of which a leaf asks for."""
    for path, reference in file_references(node.task).items():
        parts = split_file_reference(reference)
        if parts is None:
            missing.append(Missing(node.index, reference, "", "", "a file is written as {task.files.name}"))
            continue
        producer = _file_producer(outline, node, *parts)
        if isinstance(producer, str):
            missing.append(Missing(node.index, reference, *parts, producer))
            continue
        flow.files.setdefault(node.index, {})[path] = FileOrigin(producer, parts[1])
        flow.sources.setdefault(node.index, {})[reference] = producer
        flow.keys.setdefault(node.index, {})[reference] = f"files.{parts[1]}"


def _file_producer(outline: Outline, node: Node, task: str, name: str) -> int | str:
    """Find the leaf that promises a file, or the reason why there is none."""
    target = outline.resolve(node, task)
    if target is None:
        return f"there is no task {task!r}"
    if target == node.index:
        return "a task cannot use its own file"
    around = _for_each_around(outline, node, target)
    if around is not None:
        return f"task {task!r} runs once for each value of {around!r}; that one has them: {{{around}.files.{name}}}"
    found = outline.nodes[target]
    is_composite = found.children and found.task.for_each is None
    leaves = _leaves_under(outline, target) if is_composite else [target]
    promising = [leaf for leaf in leaves if promises_file(outline.nodes[leaf].task, name)]
    if len(promising) == 1:
        return promising[0]
    if promising:
        paths = ", ".join(outline.nodes[leaf].path for leaf in promising[:3])
        return f"several tasks in {task!r} promise the file {name!r} ({paths}); name one by its path"
    return f"task {task!r} does not promise the file {name!r}"


def find_scope(outline: Outline, index: int) -> Scope | None:
    """Find the value of the copy that a task is in; None outside of copies, and in a plan as it is written."""
    copy = outline.nodes[outline.scopes[index]].task if index in outline.scopes else None
    return Scope(copy.item, copy.index) if isinstance(copy, TaskCopy) else None


def find_meaning(outline: Outline, node: Node, name: str) -> ReferenceMeaning | None:
    """Find what a name in braces means: a result that a task promises, or else a key that a task does not have.

    None where it names no task. A text such as `{1.5}` or `{print.a + 1}` names none either: only what looks like a key
    counts as a typo.
    """
    fault: ReferenceMeaning | None = None
    for task, key in splits(name):
        target = outline.resolve(node, task)
        if target is None:
            continue
        producer = _producer(outline, node, target, task, key)
        if isinstance(producer, int):
            return ReferenceMeaning(producer, task, key)
        if fault is None and is_name(key) and not key.isdecimal():
            fault = ReferenceMeaning(None, task, key, producer)
    return fault


def _producer(outline: Outline, node: Node, target: int, name: str, key: str) -> int | str:
    """Find the leaf that produces a key of a task, or the reason why there is none."""
    if target == node.index:
        return "a task cannot use its own result"
    found = outline.nodes[target]
    around = _for_each_around(outline, node, target)
    if around is not None:
        return f"task {name!r} runs once for each value of {around!r}; that one has the list: {{{around}.{key}}}"
    if found.children and found.task.for_each is None:
        return _producer_inside(outline, found, name, key)
    return target if _is_promised(found, key) else f"task {name!r} does not promise {key!r}"


def _is_promised(found: Node, key: str) -> bool:
    """Whether a leaf or a `for_each` task promises a result."""
    if found.task.for_each is not None:
        return promises(found.task, key)
    return key == WHOLE_RESULT or key in found.task.outputs


def _for_each_around(outline: Outline, node: Node, target: int) -> str | None:
    """Find a `for_each` task that a task is inside of, and the user of its result is not, if there is one."""
    if target not in outline.scopes:
        return None
    own: set[int] = set()
    index = node.index
    while index >= 0:
        own.add(index)
        index = outline.nodes[index].parent
    found, index = None, outline.nodes[target].parent
    while index >= 0:
        if index not in own and outline.nodes[index].task.for_each is not None:
            found = index
        index = outline.nodes[index].parent
    return None if found is None else outline.nodes[found].path


def _producer_inside(outline: Outline, composite: Node, name: str, key: str) -> int | str:
    """Find the one leaf in a composite that promises a result, or the reason why there is none."""
    leaves = _leaves_under(outline, composite.index)
    promising = [leaf for leaf in leaves if _promises_by_name(outline.nodes[leaf], key)]
    if len(promising) == 1:
        return promising[0]
    if promising:
        paths = ", ".join(outline.nodes[leaf].path for leaf in promising[:3])
        return f"several tasks in {name!r} promise {key!r} ({paths}); name one by its path"
    if key == WHOLE_RESULT and len(leaves) == 1:
        return leaves[0]
    return f"task {name!r} does not promise {key!r}"


def _promises_by_name(node: Node, key: str) -> bool:
    if node.task.for_each is not None:
        return key != WHOLE_RESULT and promises(node.task, key)
    return key in node.task.outputs


def _leaves_under(outline: Outline, index: int) -> list[int]:
    """List the leaves in a composite; a `for_each` task counts as one."""
    found, stack = [], [index]
    while stack:
        node = outline.nodes[stack.pop()]
        if node.children and (node.task.for_each is None or node.index == index):
            stack.extend(reversed(node.children))
        else:
            found.append(node.index)
    return found
