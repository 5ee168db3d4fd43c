"""Directed graphs over integers: order, cycles, longest paths, reachability. No recursion, linear time.

A graph is a sequence of predecessor tuples: `before[v]` holds the vertices that must come before `v`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

__all__ = ["Before", "ancestors", "any_order", "find_cycle", "longest_from", "successors", "topological_order"]

Before = Sequence[Sequence[int]]


def successors(before: Before) -> list[list[int]]:
    """Turn predecessors into successors, each list in ascending order."""
    after: list[list[int]] = [[] for _ in before]
    for vertex, sources in enumerate(before):
        for source in sources:
            after[source].append(vertex)
    return after


def topological_order(before: Before) -> list[int] | None:
    """Order the vertices so that each comes after its predecessors; ties by number (Kahn 1962).

    Returns:
        The order, or None when there is a cycle.
    """
    waiting = [len(sources) for sources in before]
    after = successors(before)
    ready = [vertex for vertex, count in enumerate(waiting) if count == 0]
    heapify(ready)
    order: list[int] = []
    while ready:
        vertex = heappop(ready)
        order.append(vertex)
        for target in after[vertex]:
            waiting[target] -= 1
            if waiting[target] == 0:
                heappush(ready, target)
    return order if len(order) == len(before) else None


def any_order(before: Before) -> list[int] | None:
    """Order the vertices so that each comes after its predecessors; in half the time, where ties do not matter.

    Returns:
        The order, always the same for a graph, or None when there is a cycle.
    """
    waiting = [len(sources) for sources in before]
    after = successors(before)
    order = [vertex for vertex, count in enumerate(waiting) if count == 0]
    for vertex in order:  # it grows meanwhile
        for target in after[vertex]:
            waiting[target] -= 1
            if waiting[target] == 0:
                order.append(target)
    return order if len(order) == len(before) else None


def find_cycle(before: Before) -> list[int] | None:
    """Find one cycle: vertices in the order in which each must come before the next, or None.

    The first vertex is the smallest one of the cycle, and is not repeated at the end.
    """
    unseen, active, done = 0, 1, 2
    state = [unseen] * len(before)
    for root in range(len(before)):
        if state[root] != unseen:
            continue
        path, iterators = [root], [iter(before[root])]
        state[root] = active
        while path:
            source = next(iterators[-1], None)
            if source is None:
                state[path.pop()] = done
                iterators.pop()
            elif state[source] == active:
                cycle = path[path.index(source) :][::-1]
                pivot = cycle.index(min(cycle))
                return cycle[pivot:] + cycle[:pivot]
            elif state[source] == unseen:
                state[source] = active
                path.append(source)
                iterators.append(iter(before[source]))
    return None


def longest_from(before: Before, weights: Sequence[float]) -> list[float]:
    """Return for each vertex the length of the longest path that starts there, its own weight included.

    Raises:
        ValueError: The graph has a cycle.
    """
    order = topological_order(before)
    if order is None:
        raise ValueError("the graph has a cycle")
    length = [float(weight) for weight in weights]
    for vertex in reversed(order):
        for source in before[vertex]:
            length[source] = max(length[source], weights[source] + length[vertex])
    return length


def ancestors(before: Before, vertices: Iterable[int]) -> set[int]:
    """Return all vertices that must come before any of these, without these unless they are on a path to another."""
    found: set[int] = set()
    stack = [source for vertex in vertices for source in before[vertex]]
    while stack:
        vertex = stack.pop()
        if vertex not in found:
            found.add(vertex)
            stack.extend(before[vertex])
    return found
