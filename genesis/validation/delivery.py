"""The phases of a plan's leaves, and what comes before and after each leaf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genesis.structure import Outline
from genesis.validation.phases import Phase

__all__ = ["Delivery", "Scope", "deliveries"]

Scope = Mapping[Phase, Sequence[int]]
"""The leaves of one piece of work, by phase, in document order."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Phases and their order. A set of phases is a number: the sum of their values."""

    scopes: tuple[Scope, ...]
    """Independent pieces of work."""
    earlier: list[int]
    """For each vertex the phases of the leaves that come before it."""
    later: list[int]
    """For each vertex the phases of the leaves that come after it."""

    def comes_after(self, leaf: int, phase: Phase) -> bool:
        """Whether a leaf comes after some leaf of a phase."""
        return bool(self.earlier[2 * leaf] & phase)

    def comes_before(self, leaf: int, phase: Phase) -> bool:
        """Whether a leaf comes before some leaf of a phase."""
        return bool(self.later[2 * leaf] & phase)


def deliveries(
    outline: Outline, before: Sequence[Sequence[int]], order: Sequence[int], phases: Mapping[int, Phase]
) -> Delivery:
    """Work out which phases come before and after each leaf.

    Args:
        outline: The plan's outline.
        before: Its order over junctions.
        order: The vertices in an order that respects it.
        phases: The phase of each leaf that has one.
    """
    if len(set(phases.values())) < 2:  # noqa: PLR2004 - one phase cannot be out of order
        return Delivery((), [], [])
    own = [0] * len(before)
    for leaf, phase in phases.items():
        own[2 * leaf] = phase
    earlier, later = [0] * len(before), [0] * len(before)
    until = list(own)  # the phases that come before a vertex, and its own
    for vertex in order:
        mark = 0
        for source in before[vertex]:
            mark |= until[source]
        earlier[vertex] = mark
        until[vertex] |= mark
    for vertex in reversed(order):
        mark = later[vertex] | own[vertex]
        if mark:
            for source in before[vertex]:
                later[source] |= mark
    return Delivery(_scopes(outline, before, phases), earlier, later)


def _scopes(outline: Outline, before: Sequence[Sequence[int]], phases: Mapping[int, Phase]) -> tuple[Scope, ...]:
    """Cut the plan into pieces of work.

    A top-level composite that nothing connects with the rest, and that has work of more than one kind, is a separate
    piece: several requests composed into one plan look like this. All else belongs together, so that a `deploy` that
    lost its edges is still held against the build that it forgot.
    """
    top = _tops(outline)
    linked: set[int] = set()
    for vertex, sources in enumerate(before):
        own = top[vertex >> 1]
        for source in sources:
            if top[source >> 1] != own:
                linked.update((own, top[source >> 1]))
    kinds: dict[int, set[Phase | None]] = {}
    for leaf in outline.leaves:
        if top[leaf] not in linked and top[leaf] != leaf:
            kinds.setdefault(top[leaf], set()).add(phases.get(leaf))
    apart = {root for root, found in kinds.items() if len(found) > 1}
    if len(apart) <= 1:
        apart = set()
    found: dict[int, dict[Phase, list[int]]] = {}
    for leaf, phase in phases.items():
        scope = found.setdefault(top[leaf] if top[leaf] in apart else -1, {})
        scope.setdefault(phase, []).append(leaf)
    return tuple(found.values())


def _tops(outline: Outline) -> list[int]:
    """Return for each node the top-level node that it is in, itself at the top."""
    tops: list[int] = []
    for node in outline.nodes:
        tops.append(tops[node.parent] if node.parent >= 0 else node.index)
    return tops
