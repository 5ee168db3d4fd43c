"""What a picture of a program shows: its leaves as boxes, or fewer boxes that stand for many leaves each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genesis.graph import number_generations, reduce_transitively
from genesis.model import Leaf, Program

__all__ = ["Box", "Overview", "overview"]

_MOST_BOXES = 60
"""More than that cannot be read on a screen."""
_MOST_ACROSS = 10
"""A picture grows along its longer side; that many boxes still fit along the other one."""
_NO_AGENT = {True: "waits", False: "gathers"}
"""Note of a leaf that no agent has: by whether it waits, or is a `for_each` task itself."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: a leaf, or leaves that belong together."""

    label: str
    note: str
    leaves: tuple[int, ...]
    """Indexes of the leaves that it stands for."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The boxes of a picture and their order."""

    boxes: tuple[Box, ...]
    before: tuple[tuple[int, ...], ...]
    """For each box the boxes that it comes right after: those that another one implies are left out."""
    depth: tuple[int, ...]
    """For each box the number of boxes on the longest way to it."""


def overview(program: Program) -> Overview | None:
    """Choose the boxes: the leaves where they fit on a screen, else composites, else the steps of the program.

    Args:
        program: Its leaves may be any number; the time is linear in leaves and edges.

    Returns:
        The boxes, or None where nothing readable would come out.
    """
    for boxes in _groupings(program.leaves):
        if 1 <= len(boxes) <= _MOST_BOXES:
            found = _order_boxes(program.leaves, boxes)
            if found is not None:
                return found
    return None


def _groupings(leaves: tuple[Leaf, ...]) -> Iterator[list[Box]]:
    """Return ways to put leaves into boxes, the one with the most detail first."""
    if len(leaves) <= _MOST_BOXES:
        yield [Box(leaf.path, leaf.agent or _NO_AGENT[leaf.wait_for is not None], (leaf.index,)) for leaf in leaves]
    parts = [leaf.path.split("/") for leaf in leaves]
    for level in range(max(map(len, parts), default=1) - 1, 0, -1):
        yield _group_leaves(leaves, [("/".join(part[:level]), "") for part in parts])
    steps = _steps(leaves)
    if steps is not None:
        yield _group_leaves(leaves, [(f"step {step}", leaf.agent) for leaf, step in zip(leaves, steps, strict=True)])
        yield _group_leaves(leaves, [(f"step {step}", "") for step in steps])


def _steps(leaves: tuple[Leaf, ...]) -> list[int] | None:
    """Number the steps of a program: 1 for leaves that come after none, else one more than the longest way to it.

    Leaves often share one tuple: each tuple is a vertex between them, so that 1,000 leaves after 1,000 others are 2,000
    edges and not a million.
    """
    groups: dict[int, tuple[int, ...]] = {id(leaf.after): leaf.after for leaf in leaves}
    vertex = {group: len(leaves) + number for number, group in enumerate(groups)}
    generations = number_generations([*((vertex[id(leaf.after)],) for leaf in leaves), *groups.values()])
    return None if generations is None else [(generations[leaf] + 1) // 2 for leaf in range(len(leaves))]


def _group_leaves(leaves: tuple[Leaf, ...], keys: list[tuple[str, str]]) -> list[Box]:
    """Put leaves with the same key into one box; the first part of the key is its label."""
    groups: dict[tuple[str, str], list[Leaf]] = {}
    for leaf, key in zip(leaves, keys, strict=True):
        groups.setdefault(key, []).append(leaf)
    if len(groups) == 1:
        return []
    return [Box(key[0], _note(members), tuple(leaf.index for leaf in members)) for key, members in groups.items()]


def _note(members: list[Leaf]) -> str:
    agents = {leaf.agent for leaf in members if leaf.agent}
    if len(members) == 1:
        return members[0].agent or _NO_AGENT[members[0].wait_for is not None]
    return f"{len(members)} × {agents.pop()}" if len(agents) == 1 else f"{len(members)} tasks · {len(agents)} agents"


def _order_boxes(leaves: tuple[Leaf, ...], boxes: list[Box]) -> Overview | None:
    """Find the order of boxes; None when they wait for each other in a circle, or would be too small to read."""
    before = _quotient(leaves, boxes)
    depth = number_generations(before)
    if depth is None:
        return None
    widest = max(depth.count(level) for level in set(depth))
    if min(widest, max(depth) + 1) > _MOST_ACROSS:
        return None
    return Overview(tuple(boxes), tuple(reduce_transitively(before)), tuple(depth))


def _quotient(leaves: tuple[Leaf, ...], boxes: list[Box]) -> list[tuple[int, ...]]:
    """Return for each box the boxes that its leaves come after. Leaves often share one tuple: each is read once."""
    box_of = [0] * len(leaves)
    for number, box in enumerate(boxes):
        for index in box.leaves:
            box_of[index] = number
    read: dict[int, frozenset[int]] = {}
    before: list[set[int]] = [set() for _ in boxes]
    for leaf in leaves:
        if id(leaf.after) not in read:
            read[id(leaf.after)] = frozenset(box_of[source] for source in leaf.after)
        before[box_of[leaf.index]] |= read[id(leaf.after)]
    return [tuple(sorted(sources - {number})) for number, sources in enumerate(before)]
