"""Graph algorithms of networkx: cycles, components, generations, reduction. It is imported when needed.

A graph is a sequence of predecessor tuples, as in `genesis.graph.order`; an edge leads from what comes first to what
comes after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from genesis.graph.order import Before, topological_order

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = [
    "build_digraph",
    "find_components",
    "find_cycle",
    "find_cycles",
    "new_digraph",
    "number_generations",
    "reduce_transitively",
]


def new_digraph(**attributes: Any) -> DiGraph[str]:
    """Make an empty `networkx.DiGraph` with these attributes."""
    from networkx import DiGraph

    return DiGraph(**attributes)


def build_digraph(before: Before) -> DiGraph[int]:
    """Build the `networkx.DiGraph` of a graph, its vertices in ascending order."""
    from networkx import DiGraph

    graph: DiGraph[int] = DiGraph()
    graph.add_nodes_from(range(len(before)))
    graph.add_edges_from((source, vertex) for vertex, sources in enumerate(before) for source in sources)
    return graph


def find_cycle(before: Before) -> list[int] | None:
    """Find one cycle: vertices in the order in which each must come before the next, or None.

    The first vertex is the smallest one of the cycle, and is not repeated at the end.
    """
    return next(find_cycles(before), None)


def find_cycles(before: Before) -> Iterator[list[int]]:
    """Iterate over cycles that share no vertex, each as `find_cycle` returns it.

    For a graph without a cycle only its order is computed, without importing networkx.
    """
    if topological_order(before) is not None:
        return
    import networkx as nx

    graph = build_digraph(before)
    parts = _cyclic_parts(graph)
    while parts:
        part = min(parts, key=min)
        parts.remove(part)
        # within a strongly connected component the search never backtracks, so it is linear
        edges = nx.find_cycle(graph.subgraph(part), min(part))
        cycle = [edge[0] for edge in edges]
        pivot = cycle.index(min(cycle))
        yield cycle[pivot:] + cycle[:pivot]
        graph.remove_nodes_from(cycle)
        parts += _cyclic_parts(graph.subgraph(part.difference(cycle)))


def _cyclic_parts(graph: DiGraph[int]) -> list[set[int]]:
    import networkx as nx

    return [
        part
        for part in nx.strongly_connected_components(graph)
        if len(part) > 1 or any(graph.has_edge(vertex, vertex) for vertex in part)
    ]


def find_components(before: Before) -> list[int]:
    """Number the strongly connected components; vertices on one cycle have the same number.

    Returns:
        The number of each vertex's component. Without a cycle each vertex is its own component.
    """
    if topological_order(before) is not None:
        return list(range(len(before)))
    import networkx as nx

    part = [0] * len(before)
    for number, members in enumerate(nx.strongly_connected_components(build_digraph(before))):
        for vertex in members:
            part[vertex] = number
    return part


def number_generations(before: Before) -> list[int] | None:
    """Number the generations: for each vertex the length in edges of the longest path to it.

    Returns:
        The generation of each vertex, counted from 0, or None when there is a cycle.
    """
    import networkx as nx

    generation = [0] * len(before)
    try:
        for number, members in enumerate(nx.topological_generations(build_digraph(before))):
            for vertex in members:
                generation[vertex] = number
    except nx.NetworkXUnfeasible:
        return None
    return generation


def reduce_transitively(before: Before) -> list[tuple[int, ...]]:
    """Remove the edges that follow from others (the transitive reduction; Aho, Garey and Ullman 1972).

    Args:
        before: A graph without a cycle.

    Returns:
        The graph with the remaining edges, those of each vertex in their old order.
    """
    import networkx as nx

    reduced = nx.transitive_reduction(build_digraph(before))
    return [_filter_sources(sources, set(reduced.predecessors(vertex))) for vertex, sources in enumerate(before)]


def _filter_sources(sources: Iterable[int], wanted: set[int]) -> tuple[int, ...]:
    return tuple(source for source in sources if source in wanted)
