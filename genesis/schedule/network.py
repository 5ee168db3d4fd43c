"""The jobs as a compiled activity network: arrays by job index, checked once, shared by ranking and running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genesis.graph import find_cycle, find_longest_chains, topological_order
from genesis.schedule.jobs import ScheduleError, ScheduleJob

__all__ = ["Network"]

_SHOWN = 10
"""Number of jobs of a cycle that its error message names."""


@dataclass(frozen=True, slots=True)
class Network:
    """A directed acyclic graph of jobs; every list has one entry per job, in document order, except `order`."""

    durations: list[float]
    """Seconds of each job."""
    after: list[tuple[int, ...]]
    """The jobs that each job waits for."""
    dependants: list[list[int]]
    """The jobs that wait for each job, in document order."""
    order: list[int]
    """All job indices, each after those that it waits for (`topological_order`)."""

    @classmethod
    def of(cls, jobs: Sequence[ScheduleJob]) -> Network:
        """Compile and check jobs, in time linear in jobs and edges and without recursion.

        Args:
            jobs: The jobs; `after` holds indices into this sequence.

        Returns:
            The network.

        Raises:
            ScheduleError: An index is out of range, or the jobs wait for each other in a cycle.
        """
        after = [job.after for job in jobs]
        dependants: list[list[int]] = [[] for _ in jobs]
        for job, earlier in enumerate(after):
            for index in earlier:
                if not 0 <= index < len(after):
                    raise ScheduleError(
                        f"job {job} comes after job {index}, but there are only {len(after)} jobs",
                        hint="`after` holds indices from 0",
                    )
                dependants[index].append(job)
        order = topological_order(after, dependants)
        if order is None:
            raise _circle_error(find_cycle(after) or [])
        return cls([job.duration_s for job in jobs], after, dependants, order)

    def tails(self) -> list[float]:
        """Return each job's bottom level: seconds from its start to the end of the longest chain that it heads."""
        return find_longest_chains(self.after, self.durations, self.order)

    def critical_path_s(self) -> float:
        """Return the seconds of the longest chain; no schedule is shorter, whatever the slots."""
        return max(self.tails(), default=0.0)


def _circle_error(circle: list[int]) -> ScheduleError:
    closed = [*circle, circle[0]]
    shown = " → ".join(map(str, closed if len(closed) <= _SHOWN else [*closed[:_SHOWN], "…", closed[-1]]))
    return ScheduleError(
        f"{len(circle)} jobs wait for each other in a circle: {shown}", hint="remove one of these edges"
    )
