"""The time left of a run: the scheduler simulates the remaining leaves at the pace of those that finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from typing import Literal

from genesis.model import Leaf, Outcome, Program, Resources
from genesis.model.run import utc_now
from genesis.pipeline import find_skipped
from genesis.schedule import PoolCosts, ScheduleLimits, rank, schedule_job, schedule_limits, simulate_jobs

__all__ = ["TimeLeft", "format_time_left"]

_EVERY_S = 1.0
"""Pause between two simulations of the remaining leaves."""
_SHARE = 50
"""A simulation may take at most 1/n of the elapsed time, so large programs are simulated less often."""
_SLOWEST, _FASTEST = 100.0, 0.01
"""Bounds of the pace: beyond them the estimates are meaningless."""
_SOON_S, _MINUTE_S, _MINUTES_S, _HOUR_S = 5, 60, 95, 3_600


@dataclass(frozen=True, slots=True)
class _Looked:
    """The result of the last simulation."""

    at: float
    left_s: float
    overdue: bool
    cost_s: float


class TimeLeft:
    """Estimates the time left of one run. One thread may update it while another reads it.

    Args:
        slots: Leaves running at once.
        scale: Seconds that one estimated second lasts in a rehearsal.
        pools: Overhead of work pools, where leaves run on them.
        machine: What the machine has that runs the leaves; None where they run elsewhere.
        clock: Seconds that never go back.
        now: The time in UTC.
    """

    def __init__(
        self,
        slots: int,
        scale: float = 1.0,
        pools: PoolCosts | None = None,
        machine: Resources | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ):
        self._slots = slots
        self._scale = scale
        self._pools = pools
        self._machine = machine
        self._clock = clock
        self._now = now
        self._leaves: tuple[Leaf, ...] = ()
        self._limits = ScheduleLimits(1)
        self._priorities: list[int] = []
        self._index: dict[str, int] = {}
        self._final: set[int] = set()
        self._skipped: set[int] = set()
        """Leaves that do not run if nothing fails."""
        self._since: dict[int, datetime] = {}
        self._actual_s = 0.0
        self._estimated_s = 0.0
        self._looked: _Looked | None = None

    def begin(self, program: Program, finished: Collection[int] = ()) -> None:
        """Set the program, at the start of the run or after an amendment; the states of known leaves are kept."""
        leaves = program.leaves
        jobs = [schedule_job(leaf) for leaf in leaves]
        self._limits = schedule_limits(program, self._slots, self._machine)
        self._priorities = rank(jobs, self._limits)
        self._index = {leaf.path: leaf.index for leaf in leaves}
        self._final |= set(finished)
        self._skipped = find_skipped(program)
        self._leaves = leaves
        self._looked = None

    def put_back(self, path: str) -> None:
        """Record that a leaf was put back: it is neither running nor finished."""
        self._since.pop(self._index.get(path, -1), None)

    def record_change(self, outcome: Outcome) -> None:
        """Record that a leaf started or ended; its duration counts for the pace."""
        index = self._index.get(outcome.id)
        if index is None:
            return
        if outcome.state == "running":
            self._since[index] = outcome.started_at or self._now()
            return
        begun = self._since.pop(index, None)
        self._final.add(index)
        is_work = self._leaves[index].wait_for is None
        if begun is not None and is_work and outcome.ended_at is not None and outcome.state in ("completed", "failed"):
            self._actual_s += max(0.0, (outcome.ended_at - begun).total_seconds())
            self._estimated_s += self._leaves[index].seconds * self._scale

    @property
    def pace(self) -> float:
        """Actual over estimated duration of the leaves so far; 1 where none is known."""
        running = dict(self._since)
        now = self._now()
        late = [
            (self._get_elapsed(since, now), self._leaves[index].seconds * self._scale)
            for index, since in running.items()
            if self._leaves[index].wait_for is None
        ]
        late = [(took, said) for took, said in late if took > said]
        work = [leaf.seconds for leaf in self._leaves if leaf.wait_for is None]
        typical = self._scale * sum(work) / max(1, len(work))
        actual = self._actual_s + sum(took for took, _ in late) + typical
        estimated = self._estimated_s + sum(said for _, said in late) + typical
        return min(_SLOWEST, max(_FASTEST, actual / estimated)) if estimated > 0 else 1.0

    @property
    def known(self) -> Literal["", "some", "all"]:
        """Number of remaining leaves whose duration is known: all of them once finished leaves have set the pace."""
        if self._scale != 1.0 or self._estimated_s > 0:
            return "all"
        known = {leaf.seconds_known for leaf in self._list_left(dict(self._since))}
        return "" if True not in known else "some" if False in known else "all"

    def estimate_left(self) -> tuple[float, bool]:
        """Estimate the seconds left; simulate again when the last result is too old.

        Returns:
            The seconds, never negative, and whether leaves take so long that the figure is unreliable.
        """
        at, last = self._clock(), self._looked
        if last is not None and at - last.at < max(_EVERY_S, _SHARE * last.cost_s):
            return max(0.0, last.left_s - (at - last.at)), last.overdue
        left_s, overdue = self._simulate_rest()
        self._looked = _Looked(at, left_s, overdue, self._clock() - at)
        return left_s, overdue

    def _list_left(self, running: Collection[int]) -> list[Leaf]:
        """List the leaves that are running, or have not ended and run if nothing fails."""
        gone = (self._final | self._skipped).difference(running)
        return [leaf for leaf in self._leaves if leaf.index not in gone]

    def _simulate_rest(self) -> tuple[float, bool]:
        """Simulate the remaining leaves, those that are running first."""
        running = dict(self._since)
        left = self._list_left(running)
        place = {leaf.index: count for count, leaf in enumerate(left)}
        pace, now = self.pace * self._scale, self._now()
        jobs, priorities, overdue = [], [], False
        for leaf in left:
            rest_s = leaf.seconds * pace if leaf.wait_for is None else leaf.seconds * (self._scale == 1.0)
            since = running.get(leaf.index)
            if since is not None:
                rest_s -= self._get_elapsed(since, now)
                overdue |= rest_s < 0
            after = () if since is not None else tuple(place[source] for source in leaf.after if source in place)
            jobs.append(replace(schedule_job(leaf), duration_s=max(0.0, rest_s), after=after))
            priorities.append(inf if since is not None else float(self._priorities[leaf.index]))
        seconds = simulate_jobs(jobs, self._limits, priorities, self._pools).makespan_s if jobs else 0.0
        return seconds, overdue and seconds < _SOON_S

    @staticmethod
    def _get_elapsed(since: datetime, now: datetime) -> float:
        return max(0.0, (now - since).total_seconds())


def format_time_left(seconds: float, *, overdue: bool) -> str:
    """Format the time left, with no more precision than is known."""
    if overdue:
        return "longer than expected"
    if seconds < _SOON_S:
        return "a few seconds left"
    if seconds < _MINUTES_S:
        step = 5 if seconds < _MINUTE_S // 2 else 10
        return f"about {max(step, round(seconds / step) * step)} s left"
    if seconds < _HOUR_S:
        return f"about {round(seconds / _MINUTE_S)} min left"
    hours, minutes = divmod(round(seconds / _MINUTE_S / 10) * 10, 60)
    return f"about {hours} h {minutes} min left" if minutes else f"about {hours} h left"
