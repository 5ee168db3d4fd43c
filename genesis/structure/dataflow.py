"""Find the task that produces each reference in the inputs."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import NamedTuple

from genesis.model import Plan
from genesis.structure.outline import Node, Outline
from genesis.structure.references import WHOLE_RESULT, is_name, referring, split, splits, tokens

__all__ = ["DataFlow", "Missing", "ReferenceMeaning", "dataflow", "find_meaning"]


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

    def edges(self) -> dict[int, tuple[int, ...]]:
        """Return the order that the references imply: leaf → leaves that come before it."""
        return {node: tuple(dict.fromkeys(found.values())) for node, found in self.sources.items()}


def dataflow(plan: Plan, outline: Outline) -> DataFlow:
    """Find the producer of each reference in the inputs of the leaves. Braces around other names are text."""
    flow = DataFlow({}, ())
    missing: list[Missing] = []
    variables = {*plan.vars, *plan.params}
    for node in outline.leaf_nodes():
        if node.task.inputs or node.task.env:
            _read_names(variables, outline, node, flow, missing)
    return DataFlow(flow.sources, tuple(missing), flow.keys, flow.escaped, flow.unknown)


def _read_names(
    variables: Container[str], outline: Outline, node: Node, flow: DataFlow, missing: list[Missing]
) -> None:
    """Add to the data flow what each name in braces in the inputs and the environment of a leaf means."""
    sources: dict[str, int] = {}
    escaped: list[str] = []
    for name, is_reference in dict.fromkeys(tokens(referring(node.task))):
        is_variable = name in variables
        found = None if is_variable else find_meaning(outline, node, name)
        if not is_reference:
            if is_variable or found is not None:
                escaped.append(name)
        elif found is None:
            if not is_variable:
                flow.unknown.setdefault(node.index, []).append(name)
        elif found.producer is None:
            missing.append(Missing(node.index, name, found.task, found.key, found.reason))
        else:
            sources[name] = found.producer
            if split(name) != (found.task, found.key):
                flow.keys.setdefault(node.index, {})[name] = found.key
    if sources:
        flow.sources[node.index] = sources
    if escaped:
        flow.escaped[node.index] = tuple(escaped)


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
    if found.children:
        return _producer_inside(outline, found, name, key)
    promised = key == WHOLE_RESULT or key in found.task.outputs
    return target if promised else f"task {name!r} does not promise {key!r}"


def _producer_inside(outline: Outline, composite: Node, name: str, key: str) -> int | str:
    """Find the one leaf in a composite that promises a result, or the reason why there is none."""
    leaves = _leaves_under(outline, composite.index)
    promising = [leaf for leaf in leaves if key in outline.nodes[leaf].task.outputs]
    if len(promising) == 1:
        return promising[0]
    if promising:
        paths = ", ".join(outline.nodes[leaf].path for leaf in promising[:3])
        return f"several tasks in {name!r} promise {key!r} ({paths}); name one by its path"
    if key == WHOLE_RESULT and len(leaves) == 1:
        return leaves[0]
    return f"task {name!r} does not promise {key!r}"


def _leaves_under(outline: Outline, index: int) -> list[int]:
    found, stack = [], [index]
    while stack:
        node = outline.nodes[stack.pop()]
        if node.children:
            stack.extend(reversed(node.children))
        else:
            found.append(node.index)
    return found
