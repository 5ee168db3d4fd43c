"""Which task produces what each input asks for."""

from __future__ import annotations

from dataclasses import dataclass

from genesis.model import Plan
from genesis.structure.outline import Node, Outline
from genesis.structure.references import WHOLE_RESULT, references, split

__all__ = ["DataFlow", "Missing", "dataflow"]


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference that nothing produces."""

    node: int
    reference: str
    reason: str


@dataclass(frozen=True, slots=True)
class DataFlow:
    """The producers of all references."""

    sources: dict[int, dict[str, int]]
    """For each leaf that has any: reference as written → the leaf that produces it."""
    missing: tuple[Missing, ...]

    def edges(self) -> dict[int, tuple[int, ...]]:
        """Give the order that the references imply: leaf → leaves that come before it."""
        return {node: tuple(dict.fromkeys(found.values())) for node, found in self.sources.items()}


def dataflow(plan: Plan, outline: Outline) -> DataFlow:
    """Find the producer of each reference in the inputs of the leaves."""
    sources: dict[int, dict[str, int]] = {}
    missing: list[Missing] = []
    for node in outline.leaf_nodes():
        if not node.task.inputs:
            continue
        for reference in dict.fromkeys(references(node.task.inputs)):
            if reference in plan.vars:
                continue
            producer = _producer(outline, node, reference)
            if isinstance(producer, int):
                sources.setdefault(node.index, {})[reference] = producer
            else:
                missing.append(Missing(node.index, reference, producer))
    return DataFlow(sources, tuple(missing))


def _producer(outline: Outline, node: Node, reference: str) -> int | str:
    """Find the leaf that a reference means, or say why there is none."""
    parts = split(reference)
    if parts is None:
        return f"there is no variable {reference!r}"
    name, key = parts
    target = outline.resolve(node, name)
    if target is None:
        return f"there is no task {name!r} and no variable {reference!r}"
    if target == node.index:
        return "a task cannot use its own result"
    found = outline.nodes[target]
    if found.children:
        return _producer_inside(outline, found, name, key)
    promised = key == WHOLE_RESULT or key in found.task.outputs
    return target if promised else f"task {name!r} does not promise {key!r}"


def _producer_inside(outline: Outline, composite: Node, name: str, key: str) -> int | str:
    """Find the one leaf in a composite that promises a result, or say why there is none."""
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
