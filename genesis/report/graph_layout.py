"""Lay a small graph out in layers: boxes in columns or rows, edges as curves between them.

The method is Sugiyama's (1981): layers by longest way, stand-ins where an edge passes a layer, order within a layer by
barycentres, then places that stay near their neighbours. Where many boxes come after the same many, their edges meet in
a joint. Deterministic; made for some dozens of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["BOX_HEIGHT", "BOX_WIDTH", "Layout", "Point", "curve", "layout"]

BOX_WIDTH, BOX_HEIGHT = 164.0, 40.0
_GAP_ACROSS, _GAP_ALONG_WIDE, _GAP_ALONG_HIGH = 12.0, 52.0, 36.0
_STAND_IN = 8.0
"""Room across that a passing edge takes."""
_SWEEPS = 6
"""Passes that order the layers; more barely reduce the crossings (Sugiyama's method)."""
_MOST_COLUMNS = 6
"""Up to this number of layers are columns; more become rows, because a page scrolls downwards."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, in pixels from the top left corner."""

    width: float
    height: float
    boxes: tuple[Point, ...]
    """Top left corner of each box."""
    edges: tuple[tuple[Point, ...], ...]
    """Points of each edge, from where it leaves a box or a joint to where it enters one."""
    joints: tuple[Point, ...]
    """Where several edges meet."""
    downwards: bool
    """Whether layers are rows; else they are columns."""
    arrows: tuple[bool, ...]
    """For each edge whether it ends at a box."""


@dataclass(slots=True)
class _Chain:
    """An edge: its vertices from layer to layer, and the joint that it begins or ends at."""

    vertices: list[int]
    from_joint: int | None = None
    to_joint: int | None = None


@dataclass(slots=True)
class _Layers:
    """The vertices, boxes first and then stand-ins, by layer."""

    layer: list[int]
    members: list[list[int]]
    chains: list[_Chain] = field(default_factory=list)
    joints: list[tuple[tuple[int, ...], list[int]]] = field(default_factory=list)
    """Sources and targets of each joint."""
    boxes: int = 0


def layout(before: Sequence[tuple[int, ...]], depth: Sequence[int]) -> Layout:
    """Lay out boxes.

    Args:
        before: For each box the boxes that it comes after.
        depth: For each box its layer; greater than that of each box it comes after.
    """
    downwards = bool(depth) and max(depth) + 1 > _MOST_COLUMNS
    layers = _with_stand_ins(before, depth)
    neighbours = _neighbours(layers)
    _order(layers, neighbours)
    breadth = BOX_WIDTH if downwards else BOX_HEIGHT
    across = _places(layers, neighbours, breadth)
    return _make_layout(layers, across, downwards=downwards)


def _with_stand_ins(before: Sequence[tuple[int, ...]], depth: Sequence[int]) -> _Layers:
    count = max(depth, default=-1) + 1
    layers = _Layers(list(depth), [[] for _ in range(count)], boxes=len(depth))
    for box, level in enumerate(depth):
        layers.members[level].append(box)
    targets: dict[tuple[int, ...], list[int]] = {}
    for box, sources in enumerate(before):
        targets.setdefault(sources, []).append(box)
    for sources, group in targets.items():
        if len(sources) * len(group) > len(sources) + len(group):
            joint = len(layers.joints)
            layers.joints.append((sources, group))
            last = depth[group[0]] - 1
            layers.chains += [_Chain(_chain(layers, source, last), to_joint=joint) for source in sources]
            layers.chains += [_Chain([target], from_joint=joint) for target in group]
        else:
            pairs = [(source, target) for target in group for source in sources]
            layers.chains += [_Chain([*_chain(layers, a, depth[b] - 1), b]) for a, b in pairs]
    return layers


def _chain(layers: _Layers, source: int, last: int) -> list[int]:
    """Make stand-ins for an edge in the layers behind its source, up to the last one."""
    chain = [source]
    for level in range(layers.layer[source] + 1, last + 1):
        chain.append(len(layers.layer))
        layers.layer.append(level)
        layers.members[level].append(chain[-1])
    return chain


def _neighbours(layers: _Layers) -> list[tuple[list[int], list[int]]]:
    """Return for each vertex those in the layer before and in the layer behind that it is joined with."""
    found: list[tuple[list[int], list[int]]] = [([], []) for _ in layers.layer]
    pairs = [pair for chain in layers.chains for pair in pairwise(chain.vertices)]
    ends: dict[int, list[int]] = {}
    for chain in layers.chains:
        if chain.to_joint is not None:
            ends.setdefault(chain.to_joint, []).append(chain.vertices[-1])
    for joint, (_, targets) in enumerate(layers.joints):
        pairs += [(end, target) for end in ends[joint] for target in targets]
    for source, target in pairs:
        found[source][1].append(target)
        found[target][0].append(source)
    return found


def _order(layers: _Layers, neighbours: list[tuple[list[int], list[int]]]) -> None:
    """Sort each layer by the mean of its neighbours, down and up; ties keep their order."""
    place = [0.0] * len(layers.layer)

    def number(level: int) -> None:
        room = max(1, len(layers.members[level]))
        for position, vertex in enumerate(layers.members[level]):
            place[vertex] = (position + 0.5) / room

    for level in range(len(layers.members)):
        number(level)
    for sweep in range(_SWEEPS):
        side = sweep % 2
        levels = range(len(layers.members))
        for level in reversed(levels) if side else levels:
            layers.members[level].sort(
                key=lambda vertex: _mean([place[n] for n in neighbours[vertex][side]], place[vertex])
            )
            number(level)


def _mean(numbers: list[float], default: float) -> float:
    return sum(numbers) / len(numbers) if numbers else default


def _places(layers: _Layers, neighbours: list[tuple[list[int], list[int]]], breadth: float) -> list[float]:
    """Return the position of each vertex across its layer, near the vertices that it is joined with."""
    sizes = [breadth if vertex < layers.boxes else _STAND_IN for vertex in range(len(layers.layer))]
    across = [0.0] * len(sizes)
    for members in layers.members:
        _set_apart(members, [0.0] * len(members), sizes, across)
    for sweep in range(_SWEEPS):
        side = sweep % 2
        for members in reversed(layers.members) if side else layers.members:
            wanted = [_mean([across[n] for n in neighbours[vertex][side]], across[vertex]) for vertex in members]
            _set_apart(members, wanted, sizes, across)
    return _close_gaps(across, sizes)


def _close_gaps(across: list[float], sizes: list[float]) -> list[float]:
    """Begin at 0, and take out room that no layer uses: parts of a graph without an edge between them drift apart."""
    moved = list(across)
    end = -_GAP_ACROSS
    shift = 0.0
    for vertex in sorted(range(len(across)), key=lambda vertex: across[vertex] - sizes[vertex] / 2):
        start = across[vertex] - sizes[vertex] / 2
        if end == -_GAP_ACROSS or start - shift > end + _GAP_ACROSS:
            shift = start - end - _GAP_ACROSS
        moved[vertex] = across[vertex] - shift
        end = max(end, start - shift + sizes[vertex])
    return moved


def _set_apart(members: list[int], wanted: list[float], sizes: list[float], across: list[float]) -> None:
    """Put a layer's vertices where they want to be, within what their order and their sizes allow."""
    places: list[float] = []
    for position, vertex in enumerate(members):
        place = wanted[position]
        if position:
            apart = (sizes[members[position - 1]] + sizes[vertex]) / 2 + _GAP_ACROSS
            place = max(place, places[-1] + apart)
        places.append(place)
    shift = _mean([want - place for want, place in zip(wanted, places, strict=True)], 0.0)
    for vertex, place in zip(members, places, strict=True):
        across[vertex] = place + shift


def _make_layout(layers: _Layers, across: list[float], *, downwards: bool) -> Layout:
    deep, broad = (BOX_HEIGHT, BOX_WIDTH) if downwards else (BOX_WIDTH, BOX_HEIGHT)
    gap = _GAP_ALONG_HIGH if downwards else _GAP_ALONG_WIDE
    start = [level * (deep + gap) for level in layers.layer]

    def point(along: float, aside: float) -> Point:
        return (aside, along) if downwards else (along, aside)

    joints = [
        (start[targets[0]] - gap * 0.55, _mean([across[vertex] for vertex in (*sources, *targets)], 0.0))
        for sources, targets in layers.joints
    ]
    edges: list[tuple[Point, ...]] = []
    for chain in layers.chains:
        points: list[Point] = [] if chain.from_joint is None else [point(*joints[chain.from_joint])]
        for position, vertex in enumerate(chain.vertices):
            enters = position > 0 or chain.from_joint is not None
            leaves = position < len(chain.vertices) - 1 or chain.to_joint is not None
            points += [point(start[vertex], across[vertex])] if enters else []
            points += [point(start[vertex] + deep, across[vertex])] if leaves else []
        points += [] if chain.to_joint is None else [point(*joints[chain.to_joint])]
        edges.append(tuple(points))
    length = len(layers.members) * (deep + gap) - gap if layers.members else 0.0
    reach = max((across[vertex] + broad / 2 for vertex in range(layers.boxes)), default=0.0)
    reach = max(reach, max((place + _STAND_IN / 2 for place in across), default=0.0))
    width, height = (reach, length) if downwards else (length, reach)
    return Layout(
        width=width,
        height=height,
        boxes=tuple(point(start[box], across[box] - broad / 2) for box in range(layers.boxes)),
        edges=tuple(edges),
        joints=tuple(point(*joint) for joint in joints),
        downwards=downwards,
        arrows=tuple(chain.to_joint is None for chain in layers.chains),
    )


def curve(points: Sequence[Point], *, downwards: bool) -> str:
    """Write an edge as an SVG path: it curves through the gaps between layers, and goes straight through a layer."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for number, ((x1, y1), (x2, y2)) in enumerate(pairwise(points)):
        if number % 2:
            parts.append(f"L{x2:.1f} {y2:.1f}")
        elif downwards:
            middle = (y1 + y2) / 2
            parts.append(f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}")
        else:
            middle = (x1 + x2) / 2
            parts.append(f"C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
    return "".join(parts)
