"""The timeline of a report: a row for each leaf, its attempts and waits as bars, and what happened above them.

It is made of boxes and not drawn as a picture, so that it fits any width, follows light and dark, can be gone through
by keyboard, and is read out row by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from genesis.model import Moment, MomentKind
from genesis.report.facts import ReportFacts, TaskFacts
from genesis.report.rendering import percent
from genesis.report.spans import Axis

__all__ = ["TimelineChart", "draw_timeline"]

_MANY = 300
"""With more leaves, groups in which nothing failed are closed at first."""
_MOST_MARKERS = 200
"""Markers on the time axis that are still distinguishable."""
_LAST = 0.93
"""A label that begins later would not fit: it stands before its line."""
_ON_AXIS: dict[MomentKind, tuple[str, str]] = {
    "breaker_opened": ("opened", "▲"),
    "breaker_half_open": ("half", "◆"),
    "breaker_closed": ("closed", "▼"),
    "planned_again": ("plan", "✚"),
    "grown": ("plan", "✚"),
    "budget_exceeded": ("opened", "$"),
    "resumed": ("plan", "↻"),
}
_LOOKS = {"wait": "wait", "attempt": "bar tried", "group": "wait group"}

Bar = tuple[str, str, str]
"""The look, the place and the width of a part of a leaf's time."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A round time."""

    place: str
    label: str
    look: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A time between two executions, in which nothing ran."""

    start: str
    middle: str
    width: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened besides the leaves' outcomes."""

    place: str
    look: str
    sign: str
    moment: Moment


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """The leaves below one path, in the order of the plan."""

    name: str
    tasks: tuple[TaskFacts, ...]
    axis: Axis
    counts: Counter[str]
    """How many are in which state."""
    is_open: bool

    def rows(self) -> Iterator[tuple[TaskFacts, str, Iterator[Bar]]]:
        """Return each leaf with the last part of its path, and its bars; they are many, and none is kept."""
        return ((task, task.id.rpartition("/")[2], _bars(task, self.axis)) for task in self.tasks)


@dataclass(frozen=True, slots=True)
class TimelineChart:
    """What the timeline's template shows. Places and widths are lengths of CSS."""

    ticks: tuple[Tick, ...]
    pauses: tuple[Pause, ...]
    markers: tuple[Marker, ...]
    groups: tuple[TaskGroup, ...]


def draw_timeline(facts: ReportFacts, axis: Axis) -> TimelineChart | None:
    """Lay out the timeline.

    Args:
        facts: The run.
        axis: Its time.

    Returns:
        None if no task has started.
    """
    if not any(task.segments for task in facts.tasks):
        return None
    groups = groupby(facts.tasks, lambda task: task.id.rpartition("/")[0])
    many = len(facts.tasks) > _MANY
    shown = [moment for moment in facts.moments if moment.kind in _ON_AXIS][:_MOST_MARKERS]
    return TimelineChart(
        tuple(
            Tick(percent(place), label, "last" if place > _LAST else "odd" if count % 2 else "")
            for count, (place, label) in enumerate(axis.ticks())
        ),
        tuple(
            Pause(percent(start), percent((start + end) / 2), percent(end - start), seconds)
            for start, end, seconds in axis.breaks()
        ),
        tuple(Marker(percent(axis.place(moment.at)), *_ON_AXIS[moment.kind], moment) for moment in shown),
        tuple(_group(name, tuple(tasks), axis, is_many=many) for name, tasks in groups),
    )


def _group(name: str, tasks: tuple[TaskFacts, ...], axis: Axis, *, is_many: bool) -> TaskGroup:
    counts = Counter(str(task.state) for task in tasks)
    return TaskGroup(name, tasks, axis, counts, not is_many or bool(counts["failed"] or counts["running"]))


def _bars(task: TaskFacts, axis: Axis) -> Iterator[Bar]:
    for part in task.segments:
        start = axis.place(part.start)
        width = max(0.0, axis.place(part.end) - start)
        yield _LOOKS.get(part.kind, f"bar {task.state}"), percent(start), percent(width)
