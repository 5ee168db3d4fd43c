"""The DAG of a report, drawn into the page: it follows light and dark, and its boxes lead to their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from genesis.model import Program, TaskState
from genesis.report.graph_layout import Layout, Point, layout
from genesis.report.overview import overview
from genesis.report.picture import box_name, state_of
from genesis.text import fit_line

__all__ = ["Dag", "DagBox", "draw_dag"]

_NOTE_CELLS = 26
"""Columns of the note in a box."""


@dataclass(frozen=True, slots=True)
class DagBox:
    """A box of the graph: a leaf, or leaves that belong together."""

    place: Point
    label: str
    note: str
    title: str
    """The whole path."""
    state: TaskState
    is_critical: bool
    task: int | None
    """Number of the leaf that it leads to, if it stands for one only."""


@dataclass(frozen=True, slots=True)
class Dag:
    """What the template of the graph shows."""

    layout: Layout
    boxes: tuple[DagBox, ...]
    tasks: int
    """How many leaves the boxes stand for."""


def draw_dag(program: Program, states: Mapping[int, TaskState], chain: frozenset[int]) -> Dag | None:
    """Lay out the DAG.

    Args:
        program: Up to 60 leaves have a box each, more are summed up.
        states: State by leaf index.
        chain: Leaves of the critical path, which are drawn with a thicker edge.

    Returns:
        None if the plan is too large, or too entangled, to be drawn.
    """
    seen = overview(program) if program.leaves else None
    if seen is None:
        return None
    plan = layout(seen.before, seen.depth)
    boxes = []
    for place, box in zip(plan.boxes, seen.boxes, strict=True):
        note, state = state_of(box, states)
        task = box.leaves[0] if len(box.leaves) == 1 else None
        is_critical = not chain.isdisjoint(box.leaves)
        label = box_name(box.label)
        boxes.append(DagBox(place, label, fit_line(note, _NOTE_CELLS), box.label, state, is_critical, task))
    return Dag(plan, tuple(boxes), len(program.leaves))
