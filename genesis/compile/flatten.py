"""Flatten a hierarchical plan into leaves, with no barrier beyond what the edges say."""

from __future__ import annotations

from genesis.graph import topological_order
from genesis.structure import Junctions, Outline

__all__ = ["leaf_order"]


def leaf_order(outline: Outline, order: Junctions) -> dict[int, tuple[int, ...]]:
    """Give for each leaf the leaves that it comes directly after, all as nodes of the outline.

    A leaf's predecessors are those reached backwards through the starts and ends of composites. The tuple of a junction
    is made once and shared by all that come after it, so that memory stays linear in what is written down.

    Raises:
        ValueError: The plan has a cycle.
    """
    vertices = topological_order(order.before)
    if vertices is None:
        raise ValueError("the plan has a cycle")
    leaves = {2 * leaf for leaf in outline.leaves}
    frontier: dict[int, tuple[int, ...]] = {}
    for vertex in vertices:
        sources = order.before[vertex]
        if len(sources) == 1 and sources[0] not in leaves:
            frontier[vertex] = frontier[sources[0]]
            continue
        found: dict[int, None] = {}
        for source in sources:
            if source in leaves:
                found[Junctions.node_of(source)] = None
            else:
                found.update(dict.fromkeys(frontier[source]))
        frontier[vertex] = tuple(sorted(found))
    return {leaf: frontier[2 * leaf] for leaf in outline.leaves}
