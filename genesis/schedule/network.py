"""The jobs as a compiled activity network: arrays by job index, checked once, shared by ranking and running."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from genesis.schedule.jobs import ScheduleError, ScheduleJob

__all__ = ["Network"]

_SHOWN = 10
"""Jobs of a circle that its error message names."""


@dataclass(frozen=True, slots=True)
class Network:
    """A directed acyclic graph of jobs; every list has one entry a job, in document order, except `order`."""

    durations: list[float]
    """Seconds of each job."""
    after: list[tuple[int, ...]]
    """The jobs that each job waits for."""
    dependants: list[list[int]]
    """The jobs that wait for each job, in document order."""
    order: list[int]
    """All job indices, each after those that it waits for (Kahn 1962, first come first served)."""

    @classmethod
    def of(cls, jobs: Sequence[ScheduleJob]) -> Network:
        """Compile and check jobs, in time linear in jobs and edges and without recursion.

        Args:
            jobs: The jobs; `after` holds indices into this sequence.

        Returns:
            The network.

        Raises:
            ScheduleError: An index is out of range, or the jobs wait for each other in a circle.
        """
        after = [job.after for job in jobs]
        dependants: list[list[int]] = [[] for _ in jobs]
        for job, earlier in enumerate(after):
            for index in earlier:
                if not 0 <= index < len(after):
                    raise ScheduleError(
                        f"job {job} comes after job {index}, and there are {len(after)} jobs",
                        hint="`after` holds indices from 0",
                    )
                dependants[index].append(job)
        return cls([job.duration_s for job in jobs], after, dependants, _topological(after, dependants))

    def tails(self) -> list[float]:
        """Return each job's bottom level: seconds from its start to the end of the longest chain that it heads."""
        return _longest(reversed(self.order), self.durations, self.dependants)

    def critical_path_s(self) -> float:
        """Return the seconds of the longest chain; no schedule is shorter, whatever the slots."""
        return max(self.tails(), default=0.0)


def _longest(order: Iterable[int], durations: list[float], following: list[list[int]]) -> list[float]:
    longest = [0.0] * len(durations)
    for job in order:
        rest = max([longest[later] for later in following[job]], default=0.0)
        longest[job] = durations[job] + rest
    return longest


def _topological(after: list[tuple[int, ...]], dependants: list[list[int]]) -> list[int]:
    missing = [len(earlier) for earlier in after]
    order = [job for job, count in enumerate(missing) if not count]
    for job in order:  # grows while it is read: the list is the queue
        for later in dependants[job]:
            missing[later] -= 1
            if not missing[later]:
                order.append(later)
    if len(order) < len(after):
        circle = _circle(after, missing)
        shown = " → ".join(map(str, circle if len(circle) <= _SHOWN else [*circle[:_SHOWN], "…", circle[-1]]))
        raise ScheduleError(
            f"{len(circle) - 1} jobs wait for each other in a circle: {shown}", hint="remove one of these edges"
        )
    return order


def _circle(after: list[tuple[int, ...]], missing: list[int]) -> list[int]:
    """Find a circle, first and last job equal, each job before the one that waits for it."""
    job = next(index for index, count in enumerate(missing) if count)
    seen: dict[int, int] = {}
    walk: list[int] = []
    while job not in seen:  # every job left has an earlier job that is left too, so the walk closes
        seen[job] = len(walk)
        walk.append(job)
        job = next(earlier for earlier in after[job] if missing[earlier])
    return [job, *reversed(walk[seen[job] :])]
