"""Flatten a hierarchical plan into leaves, with no barrier beyond what the edges say."""

from __future__ import annotations

from dataclasses import dataclass

from genesis.graph import topological_order
from genesis.structure import Junctions, Outline

__all__ = ["Flat", "flatten"]


@dataclass(frozen=True, slots=True)
class Flat:
    """The leaves of a plan and the order among them, as nodes of the outline.

    A `for_each` task is a leaf, too, which comes after its copies: it gathers what they gave.

    All subtasks of a composite that come after another composite come after the same leaves. Such a group is kept once,
    so that 1,000 leaves after 1,000 others cost 2,000 entries and not a million.
    """

    order: list[int]
    """The leaves in an order that respects what each comes after."""
    groups: list[tuple[int, ...]]
    """Each group of leaves that others come directly after, once, in document order."""
    after: dict[int, int]
    """For each leaf the number of the group that it comes after."""


def flatten(outline: Outline, order: Junctions) -> Flat:
    """Find the leaves that each leaf comes directly after: backwards through the starts and ends of composites.

    Raises:
        ValueError: The plan has a cycle.
    """
    vertices = topological_order(order.before)
    if vertices is None:
        raise ValueError("the plan has a cycle")
    place = {leaf: 2 * leaf for leaf in outline.leaves}
    place |= {
        node.index: 2 * node.index + 1 for node in outline.nodes if node.children and node.task.for_each is not None
    }
    leaves = set(place.values())
    groups = _Groups()
    after: dict[int, int] = {}
    for vertex in vertices:
        sources = order.before[vertex]
        own = [Junctions.node_of(source) for source in sources if source in leaves]
        after[vertex] = groups.join(own, {after[source] for source in sources if source not in leaves})
    return Flat(
        order=[Junctions.node_of(vertex) for vertex in vertices if vertex in leaves],
        groups=groups.members,
        after={leaf: after[vertex] for leaf, vertex in place.items()},
    )


class _Groups:
    """Sets of leaves, each kept once and known by its number."""

    def __init__(self) -> None:
        self.members: list[tuple[int, ...]] = []
        self._numbers: dict[tuple[int, ...], int] = {}
        self._sets: dict[int, frozenset[int]] = {}

    def join(self, leaves: list[int], numbers: set[int]) -> int:
        """Return the number of the group of these leaves and of all in these groups."""
        if len(numbers) == 1:
            (number,) = numbers
            if not leaves or self._set(number).issuperset(leaves):
                return number
        found = set(leaves)
        for number in numbers:
            found.update(self.members[number])
        group = tuple(sorted(found))
        if group not in self._numbers:
            self._numbers[group] = len(self.members)
            self.members.append(group)
        return self._numbers[group]

    def _set(self, number: int) -> frozenset[int]:
        if number not in self._sets:
            self._sets[number] = frozenset(self.members[number])
        return self._sets[number]
