"""The timeline of a report: a row for each leaf, its attempts and waits as bars, and what happened above them.

It is made of boxes and not drawn as a picture, so that it fits any width, follows light and dark, can be gone through
by keyboard, and is read out row by row.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from genesis.model import Moment, MomentKind
from genesis.report.facts import ReportFacts, Segment, TaskFacts
from genesis.report.markup import MARKS, clock, format_duration, text, words
from genesis.report.spans import Axis
from genesis.text import one_line

__all__ = ["timeline"]

_MANY = 300
"""With more leaves, groups in which nothing failed are closed at first."""
_MOST_MARKERS = 200
_ON_AXIS: dict[MomentKind, tuple[str, str]] = {
    "breaker_opened": ("opened", "▲"),
    "breaker_half_open": ("half", "◆"),
    "breaker_closed": ("closed", "▼"),
    "planned_again": ("plan", "✚"),
    "grown": ("plan", "✚"),
    "budget_exceeded": ("opened", "$"),
    "resumed": ("plan", "↻"),
}


def timeline(facts: ReportFacts, axis: Axis, numbers: dict[str, int]) -> str:
    """Draw the timeline.

    Args:
        facts: The run.
        axis: Its time.
        numbers: The number of each leaf's own part of the page.
    """
    if not any(task.segments for task in facts.tasks):
        return '<p class="dim">No task has started.</p>'
    groups = groupby(facts.tasks, lambda task: task.id.rpartition("/")[0])
    many = len(facts.tasks) > _MANY
    rows = [_group(name, list(tasks), axis, numbers, many=many) for name, tasks in groups]
    return (
        '<div class="plot">'
        f'<div class="grid" aria-hidden="true">{_grid(facts, axis)}</div>'
        f'<div class="row axis" aria-hidden="true"><div></div><div class="track">{_labels(axis)}</div></div>'
        f"{_markers(facts.moments, axis)}{''.join(rows)}</div>{_LEGEND}"
    )


def _grid(facts: ReportFacts, axis: Axis) -> str:
    parts = [f'<i style="left:{_percent(place)}"></i>' for place, _ in axis.ticks()]
    parts += [
        f'<i class="break" style="left:{_percent(start)};width:{_percent(end - start)}"></i>'
        for start, end, _ in axis.breaks()
    ]
    parts += [
        f'<i class="m {kind}" style="left:{_percent(axis.place(moment.at))}"></i>'
        for moment in _select_markers(facts.moments)
        for kind, _ in (_ON_AXIS[moment.kind],)
    ]
    return "".join(parts)


def _labels(axis: Axis) -> str:
    ticks = axis.ticks()
    shown = [
        f'<span class="{"last" if place > 0.93 else "odd" if count % 2 else ""}" style="left:{_percent(place)}">'  # noqa: PLR2004
        f"{label}</span>"
        for count, (place, label) in enumerate(ticks)
    ]
    return "".join(shown)


def _select_markers(moments: Sequence[Moment]) -> list[Moment]:
    return [moment for moment in moments if moment.kind in _ON_AXIS][:_MOST_MARKERS]


def _markers(moments: Sequence[Moment], axis: Axis) -> str:
    """Return the row of what happened: each mark leads to the table that tells about it."""
    marks = []
    for moment in _select_markers(moments):
        kind, sign = _ON_AXIS[moment.kind]
        said = f"{words(moment.kind)}: {html.escape(one_line(moment.subject, 120))}"
        marks.append(
            f'<a class="m {kind}" href="#moments" title="{said}" aria-label="{said}"'
            f' style="left:{_percent(axis.place(moment.at))}">{sign}</a>'
        )
    pauses = [
        f'<span class="pause" style="left:{_percent((start + end) / 2)}" '
        f'title="nothing ran for {format_duration(seconds)}">⋯'
        f'<span class="sr">nothing ran for {format_duration(seconds)}</span></span>'
        for start, end, seconds in axis.breaks()
    ]
    if not marks and not pauses:
        return ""
    return (
        '<div class="row moments"><div class="name">What happened</div>'
        f'<div class="track">{"".join(marks)}{"".join(pauses)}</div></div>'
    )


def _group(name: str, tasks: list[TaskFacts], axis: Axis, numbers: dict[str, int], *, many: bool) -> str:
    rows = "".join(_row(task, axis, numbers[task.id]) for task in tasks)
    if not name:
        return rows
    counts = Counter(task.state for task in tasks)
    said = ", ".join(f"{count} {words(state)}" for state, count in counts.items())
    is_open = not many or counts["failed"] or counts["running"]
    return (
        f'<details class="group"{" open" if is_open else ""}><summary>{text(name, 120)} '
        f'<span class="dim">{said}</span></summary>{rows}</details>'
    )


def _row(task: TaskFacts, axis: Axis, number: int) -> str:
    short = task.id.rpartition("/")[2]
    critical = " crit" if task.is_critical else ""
    return (
        f'<div class="row leaf{critical}" data-t="{number}"><div class="name">'
        f'<a href="#t{number}" aria-describedby="d{number}"><span class="mk {task.state}" aria-hidden="true">'
        f"{MARKS[task.state]}</span> {text(short, 120)}</a></div>"
        f'<div class="track">{_bars(task, axis)}</div>'
        f'<div class="tip" role="tooltip" id="d{number}">{_tip(task)}</div></div>'
    )


def _bars(task: TaskFacts, axis: Axis) -> str:
    return "".join(_bar(part, task, axis) for part in task.segments)


def _bar(part: Segment, task: TaskFacts, axis: Axis) -> str:
    start = axis.place(part.start)
    width = max(0.0, axis.place(part.end) - start)
    look = {"wait": "wait", "attempt": "bar tried", "group": "wait group"}.get(part.kind, f"bar {task.state}")
    return f'<i class="{look}" style="left:{_percent(start)};width:{_percent(width)}"></i>'


def _tip(task: TaskFacts) -> str:
    said = [f"<b>{words(task.state)}</b>", text(task.agent, 80)]
    if task.started_at is not None:
        end = "now" if task.ended_at is None else clock(task.ended_at)
        said += [f"{clock(task.started_at)} to {end} UTC", format_duration(task.duration_s)]
    if task.waited_s:
        said.append(f"waited {format_duration(task.waited_s)}")
    if task.attempts > 1:
        said.append(f"{task.attempts} attempts")
    if task.is_critical:
        said.append("on the critical path")
    return " · ".join(said)


def _percent(part: float) -> str:
    return f"{100 * part:.2f}".rstrip("0").rstrip(".") + "%"


_LEGEND = (
    '<p class="legend"><span><i class="bar completed"></i> worked</span>'
    '<span><i class="bar tried"></i> attempt that failed</span>'
    '<span><i class="bar failed"></i> last attempt, failed</span>'
    '<span><i class="wait"></i> could have started, and waited</span>'
    '<span><i class="wait group"></i> waited for added tasks</span>'
    '<span><i class="key"></i> critical path</span></p>'
)
