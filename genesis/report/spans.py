"""The time axis of a report: when the run was running, with the hours in which it was not left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from genesis.model import Moment, Outcome, Run

__all__ = ["Axis", "TimeSpan", "axis_of", "get_begin", "get_end"]

_BREAK = 0.025
"""What a pause between two executions takes of the axis."""
_SHORT = 0.05
"""A pause that is shorter than this part of the time around it is shown as it is."""
_MOST_TICKS = 6
"""Ticks of the time axis that fit without overlap."""
_STEPS_S = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800),
    *(3_600, 7_200, 14_400, 28_800, 43_200, 86_400),
)
_MINUTE_S, _HOUR_S = 60, 3_600

TimeSpan = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps times to places from 0 to 1."""

    spans: tuple[TimeSpan, ...]
    """When the run was running, in order and apart from each other; at least one."""

    @property
    def seconds(self) -> float:
        """How long the run was running."""
        return sum((end - start).total_seconds() for start, end in self.spans)

    def between(self, start: datetime, end: datetime) -> float:
        """Return the seconds between two times, pauses between executions left out."""
        parts = ((min(end, last) - max(start, first)).total_seconds() for first, last in self.spans)
        return sum(part for part in parts if part > 0)

    def place(self, at: datetime) -> float:
        """Return the place of a time; times outside of the spans are at the nearest edge."""
        before = 0.0
        for number, (start, end) in enumerate(self.spans):
            if at <= start:
                return self._place_seconds(before, number)
            if at <= end:
                return self._place_seconds(before + (at - start).total_seconds(), number)
            before += (end - start).total_seconds()
        return 1.0

    def breaks(self) -> list[tuple[float, float, float]]:
        """Return the pauses between spans: where each begins and ends, and its seconds."""
        found, before = [], 0.0
        for number, ((start, end), (later, _)) in enumerate(zip(self.spans, self.spans[1:], strict=False)):
            before += (end - start).total_seconds()
            place = self._place_seconds(before, number)
            found.append((place, place + _BREAK, (later - end).total_seconds()))
        return found

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and labels of round times since the start, pauses left out."""
        total = self.seconds
        step = next((step for step in _STEPS_S if total / step <= _MOST_TICKS), max(total / _MOST_TICKS, 1e-6))
        found, count = [], 0
        while count * step <= total:
            found.append((self._after(count * step), _clock(count * step, step)))
            count += 1
        return found

    def _after(self, seconds: float) -> float:
        """Return the place of a time since the start, pauses left out."""
        before = 0.0
        for number, (start, end) in enumerate(self.spans):
            length = (end - start).total_seconds()
            if seconds <= before + length or number == len(self.spans) - 1:
                return self._place_seconds(seconds, number)
            before += length
        return 1.0

    def _place_seconds(self, seconds: float, breaks: int) -> float:
        room = 1.0 - _BREAK * (len(self.spans) - 1)
        return min(1.0, room * seconds / (self.seconds or 1.0) + _BREAK * breaks)


def axis_of(run: Run, moments: Sequence[Moment], now: datetime) -> Axis:
    """Find when a run was running.

    Args:
        run: The run; its own start and end are those of its last execution.
        moments: Of all its executions; without them, an earlier one is inferred from the times of its leaves.
        now: When the report is made; the end of what has not ended.
    """
    spans = _executions(run, moments, now)
    for task in run.tasks:
        spans += [(tried.started_at, tried.ended_at) for tried in task.history if tried.started_at is not None]
        if task.started_at is not None:
            spans.append((task.started_at, get_end(task, now) or task.started_at))
    return Axis(tuple(_merge_spans(spans)) or ((now, now),))


def get_begin(task: Outcome) -> datetime | None:
    """Return when the first attempt at a leaf that is known of began."""
    times = [tried.started_at or tried.ended_at for tried in task.history]
    return min([*times, task.started_at] if task.started_at else times, default=None)


def get_end(task: Outcome, now: datetime) -> datetime | None:
    """Return when a leaf ended; now where it is running."""
    return now if task.state == "running" else task.ended_at


def _executions(run: Run, moments: Sequence[Moment], now: datetime) -> list[TimeSpan]:
    """Pair starts with ends. An execution that died has no end; it lasted at least as long as its leaves."""
    found: list[TimeSpan] = []
    begun: datetime | None = None
    for moment in moments:
        if moment.kind in ("started", "resumed"):
            begun = moment.at
            found.append((begun, begun))
        elif moment.kind == "ended" and begun is not None:
            found.append((begun, max(begun, moment.at)))
            begun = None
    if run.started_at is not None:
        end = run.ended_at or (now if run.state in ("running", "pending") else run.started_at)
        found.append((run.started_at, max(run.started_at, end)))
    return found


def _merge_spans(spans: Iterable[TimeSpan]) -> list[TimeSpan]:
    """Put spans in order and together where they touch, or where nearly nothing is between them."""
    ordered = sorted((min(span), max(span)) for span in spans)
    whole: list[TimeSpan] = []
    for start, end in ordered:
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((start, end))
    short_s = _SHORT * sum((end - start).total_seconds() for start, end in whole)
    joined: list[TimeSpan] = []
    for start, end in whole:
        if joined and start - joined[-1][1] <= timedelta(seconds=short_s):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _clock(seconds: float, step: float) -> str:
    if step < 1:
        return f"{seconds:.2f} s" if step < 0.1 else f"{seconds:.1f} s"  # noqa: PLR2004  # as many digits as differ
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    minutes, rest = divmod(whole, _MINUTE_S)
    if whole < _HOUR_S:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"
