"""The order that a plan implies, as a graph linear in the plan's size.

Each leaf is a vertex. Each composite has two: a start, which its entry tasks come after, and an end, which comes after
its exit tasks. So a composite of 500 leaves before another of 500 costs 1,000 edges and not 250,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from genesis.structure.outline import Outline

__all__ = ["Junctions", "junctions"]


@dataclass(frozen=True, slots=True)
class Junctions:
    """The order of a plan's tasks. Vertices: `2 * node` is where a task starts, `2 * node + 1` where it ends.

    For a leaf only `2 * node` is used.
    """

    before: tuple[tuple[int, ...], ...]
    """For each vertex the vertices that come before it."""

    @staticmethod
    def node_of(vertex: int) -> int:
        """The outline's node that a vertex belongs to."""
        return vertex >> 1


def junctions(outline: Outline, extra: Mapping[int, tuple[int, ...]] | None = None) -> Junctions:
    """Build the graph of a plan's order.

    Args:
        outline: The plan's outline.
        extra: Further edges, node → nodes that come before it, for example from references in inputs.
    """
    nodes = outline.nodes
    ends = [2 * node.index + 1 if node.children else 2 * node.index for node in nodes]
    before: list[tuple[int, ...]] = [()] * (2 * len(nodes))
    for index, node in enumerate(nodes):
        own: Iterable[int] = outline.before[index]
        if extra and index in extra:
            own = dict.fromkeys((*own, *extra[index]))
        sources = [ends[source] for source in own]
        if node.parent >= 0:
            sources.append(2 * node.parent)
        before[2 * index] = tuple(sources)
        if node.children:
            needed = {source for child in node.children for source in outline.before[child]}
            exits = [ends[child] for child in node.children if child not in needed]
            before[2 * index + 1] = tuple(exits or [ends[child] for child in node.children])
    return Junctions(tuple(before))
