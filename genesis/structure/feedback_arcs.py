"""Find a small set of edges whose removal makes a graph acyclic.

Two candidates are computed for each strongly connected component and the smaller is used, the first on a tie:
the edges that point back in the given order of the vertices, and those that point back in the order of Eades, Lin and
Smyth ("A fast and effective heuristic for the feedback arc set problem", 1993). From both, each edge that turns out
not to be needed is put back. Some edges can be fixed: they are never cut, and must have no cycle among themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from genesis.graph import find_components

__all__ = ["Edge", "feedback_edges"]

Edge = tuple[int, int]
"""Source and target: the source comes before the target."""


def feedback_edges(size: int, fixed: Sequence[Edge], loose: Sequence[Edge], rank: Sequence[int]) -> list[Edge]:
    """Choose loose edges to cut.

    Args:
        size: Number of vertices.
        fixed: Edges that stay; each goes forward in rank.
        loose: Edges that may be cut.
        rank: The natural place of each vertex; ties in the choice go by it, and edges back in it are cut first.

    Returns:
        The edges to cut, in the order of `loose`; without them there is no cycle, and each of them is needed.
    """
    before: list[list[int]] = [[] for _ in range(size)]
    for source, target in (*fixed, *loose):
        before[target].append(source)
    part = find_components(before)
    inside: dict[int, tuple[list[Edge], list[Edge]]] = {}
    for kind, edges in enumerate((fixed, loose)):
        for edge in edges:
            if part[edge[0]] == part[edge[1]]:
                inside.setdefault(part[edge[0]], ([], []))[kind].append(edge)
    cut: set[Edge] = set()
    for part_fixed, part_loose in inside.values():
        if part_loose:
            cut.update(_cut_part(part_fixed, part_loose, rank))
    return [edge for edge in dict.fromkeys(loose) if edge in cut]


def _cut_part(fixed: list[Edge], loose: list[Edge], rank: Sequence[int]) -> set[Edge]:
    """Choose the edges to cut in one strongly connected component."""
    unique = list(dict.fromkeys(loose))
    natural = _find_needed_edges(fixed, unique, _backward(unique, rank), rank)
    if len(natural) == 1:
        return natural
    order = _greedy_order(fixed, unique, rank)
    place = {vertex: number for number, vertex in enumerate(order)}
    greedy = _find_needed_edges(fixed, unique, _backward(unique, place), rank)
    return greedy if len(greedy) < len(natural) else natural


def _backward(edges: Iterable[Edge], rank: Sequence[int] | dict[int, int]) -> set[Edge]:
    return {(source, target) for source, target in edges if rank[source] >= rank[target]}


def _find_needed_edges(fixed: list[Edge], loose: list[Edge], cut: set[Edge], rank: Sequence[int]) -> set[Edge]:
    """Put back each cut edge that closes no cycle; those that agree with the natural order come first."""
    after: dict[int, list[int]] = {}
    for source, target in fixed:
        after.setdefault(source, []).append(target)
    for source, target in loose:
        if (source, target) not in cut:
            after.setdefault(source, []).append(target)
    needed: set[Edge] = set()
    for source, target in sorted(cut, key=lambda edge: (rank[edge[0]] >= rank[edge[1]], rank[edge[1]], rank[edge[0]])):
        if _reaches(after, target, source):
            needed.add((source, target))
        else:
            after.setdefault(source, []).append(target)
    return needed


def _reaches(after: dict[int, list[int]], start: int, goal: int) -> bool:
    seen, stack = {start}, [start]
    while stack:
        vertex = stack.pop()
        if vertex == goal:
            return True
        for target in after.get(vertex, ()):
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return False


@dataclass(slots=True)
class _Degrees:
    """The open edges of a vertex while an order is built."""

    before: int = 0
    fixed_before: int = 0
    after: int = 0


def _greedy_order(fixed: list[Edge], loose: list[Edge], rank: Sequence[int]) -> list[int]:
    """Order the vertices so that few loose and no fixed edges point back.

    A vertex may go to the left end once no fixed edge leads to it from one that is left; of those, the one goes first
    that cuts nothing, else the one with the most edges out over edges in.
    """
    degrees: dict[int, _Degrees] = {}
    after: dict[int, list[tuple[int, bool]]] = {}
    before: dict[int, list[int]] = {}
    for edges, is_fixed in ((fixed, True), (loose, False)):
        for source, target in edges:
            degrees.setdefault(source, _Degrees()).after += 1
            goal = degrees.setdefault(target, _Degrees())
            goal.before += 1
            goal.fixed_before += is_fixed
            after.setdefault(source, []).append((target, is_fixed))
            before.setdefault(target, []).append(source)

    def key(vertex: int) -> tuple[bool, int, int, int]:
        state = degrees[vertex]
        return state.before > 0, state.before - state.after, rank[vertex], vertex

    ready = [key(vertex) for vertex, state in degrees.items() if state.fixed_before == 0]
    heapify(ready)
    placed: set[int] = set()
    order: list[int] = []
    while ready:
        entry = heappop(ready)
        vertex = entry[-1]
        if vertex in placed or entry != key(vertex):
            continue
        placed.add(vertex)
        order.append(vertex)
        touched: dict[int, None] = {}
        for target, is_fixed in after.get(vertex, ()):
            degrees[target].before -= 1
            degrees[target].fixed_before -= is_fixed
            touched[target] = None
        for source in before.get(vertex, ()):
            degrees[source].after -= 1
            touched[source] = None
        for other in touched:
            if other not in placed and degrees[other].fixed_before == 0:
                heappush(ready, key(other))
    return order
