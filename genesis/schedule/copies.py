"""How many copies of a task run at once: those beyond the limit wait until another one has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush

from genesis.schedule.jobs import ScheduleJob

__all__ = ["CopyLimits"]


class CopyLimits:
    """Counts the copies that run. A copy runs from the first start of one of its jobs until all of them have ended.

    Args:
        jobs: All jobs.
        parallel: Maximum number of concurrent copies by task, each at least 1.
        is_ready: Whether a job could start but for these limits.
    """

    __slots__ = ("_copies", "_is_ready", "_left", "_parked", "_room", "_running", "_waiting")

    def __init__(
        self, jobs: Sequence[ScheduleJob], parallel: Mapping[str, int], is_ready: Callable[[int], bool]
    ) -> None:
        self._copies = {
            job: copies
            for job, each in enumerate(jobs)
            if each.in_copies and (copies := tuple(copy for copy in each.in_copies if _task(copy) in parallel))
        }
        self._left = Counter(copy for copies in self._copies.values() for copy in copies)
        self._room = dict(parallel)
        self._is_ready = is_ready
        self._running: set[str] = set()
        self._parked: dict[str, list[int]] = {}
        """For each copy that may not run yet, its jobs that would."""
        self._waiting: dict[str, list[tuple[int, str]]] = {}
        """For each task these copies, the one of the best job first."""

    def admit(self, job: int, place: int) -> bool:
        """Whether a job may start as far as its copies are concerned; otherwise it waits here for one of them."""
        for copy in self._copies.get(job, ()):
            task = _task(copy)
            if copy not in self._running and self._room[task] < 1:
                if copy not in self._parked:
                    heappush(self._waiting.setdefault(task, []), (place, copy))
                self._parked.setdefault(copy, []).append(job)
                return False
        return True

    def start(self, job: int) -> list[int]:
        """Count a job's copies as running, and return the jobs that waited for one of them."""
        again: list[int] = []
        for copy in self._copies.get(job, ()):
            if copy not in self._running:
                self._running.add(copy)
                self._room[_task(copy)] -= 1
                again += self._parked.pop(copy, ())
        return again

    def pause(self, job: int) -> list[int]:
        """Count a job's copies as not running, and return jobs that may start instead."""
        return [again for copy in self._copies.get(job, ()) for again in self._stop(copy)]

    def end(self, job: int) -> list[int]:
        """Count a job as ended, and return jobs that may start instead of those of its copies."""
        again: list[int] = []
        for copy in self._copies.get(job, ()):
            self._left[copy] -= 1
            if not self._left[copy]:
                again += self._stop(copy)
        return again

    def take_over(self, earlier: CopyLimits) -> None:
        """Count the copies as running that did before jobs were added."""
        for copy in earlier._running - self._running:
            if self._left[copy] > 0:
                self._running.add(copy)
                self._room[_task(copy)] -= 1

    def _stop(self, copy: str) -> list[int]:
        """Count a copy as not running, if it was, and return the jobs of the next one."""
        task = _task(copy)
        if copy in self._running:
            self._running.discard(copy)
            self._room[task] += 1
        waiting = self._waiting.get(task, [])
        while waiting and self._room[task] > 0:
            parked = self._parked.pop(heappop(waiting)[1], ())
            if ready := [job for job in parked if self._is_ready(job)]:
                return ready
        return []


def _task(copy: str) -> str:
    return copy.rpartition("/")[0]
