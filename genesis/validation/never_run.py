"""Which leaves never run, whatever the results: conditions are false by the values that the plan itself has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from genesis.structure import Node, Outline

__all__ = ["find_never_run"]


def find_never_run(
    outline: Outline, before: Sequence[Sequence[int]], order: Sequence[int], false: Collection[int]
) -> frozenset[int]:
    """Find the leaves that never run.

    Args:
        outline: The plan's outline.
        before: Its order over junctions.
        order: The vertices in an order that respects it.
        false: The tasks whose `when` is false whatever the results.
    """
    nodes = outline.nodes
    out = [False] * len(before)
    for vertex in order:
        node = nodes[vertex >> 1]
        if not vertex & 1:
            out[vertex] = node.index in false or _is_shut(node, before[vertex], out)
        elif node.children:
            out[vertex] = all(out[2 * child + bool(nodes[child].children)] for child in node.children)
    return frozenset(leaf for leaf in outline.leaves if out[2 * leaf])


def _is_shut(node: Node, before: Sequence[int], out: Sequence[bool]) -> bool:
    """Whether what is around a task, or what is before it by its `run_if`, leaves it out."""
    around = 2 * node.parent
    if node.parent >= 0 and out[around]:
        return True
    earlier = [out[source] for source in before if source != around]
    if node.task.run_if == "all_succeeded":
        return any(earlier)
    return node.task.run_if in ("any_failed", "any_succeeded") and all(earlier)
