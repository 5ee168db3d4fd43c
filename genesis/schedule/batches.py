"""Group jobs of one agent into batches that one flow run executes in sequence.

A dispatch costs a good part of a second, however short the job. Two rules save dispatches without delaying other jobs:

- A *follower* of the same agent, all of whose unfinished predecessors are in the batch, joins. It would wait for
  them anyway, and each job's end is reported immediately, so that no job waits for the batch.
- A *sibling*, ready at the same moment, joins while the work ahead of it is expected to take less than a separate
  dispatch.

Both are one rule: a job joins when the unrelated work ahead of it is none, or expected to
take less than `ahead_s`. All predecessors outside of a batch are finished, so batches cannot wait for
each other in a cycle. Where the jobs differ in priority, a follower joins only if nothing unfinished has a higher one:
it would start before that.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass

from genesis.schedule.jobs import ScheduleError, ScheduleJob
from genesis.schedule.network import Network

__all__ = ["BatchRules", "Batches"]


@dataclass(frozen=True, slots=True)
class BatchRules:
    """Bounds on batches.

    Args:
        leaves: Maximum number of jobs in a batch, at least 1.
        ahead_s: Upper bound on the expected unrelated work ahead of a job, in seconds.
        stay_s: A batch that is expected to last this long accepts no more jobs, so that its slot on the pool becomes
            free for others, and a loss costs little.

    Raises:
        ScheduleError: A batch could hold no job.
    """

    leaves: int = 8
    ahead_s: float = 0.5
    stay_s: float = 60.0

    def __post_init__(self) -> None:
        if self.leaves < 1:
            raise ScheduleError(f"a batch may hold {self.leaves} jobs", hint="allow at least 1")


class Batches:
    """Groups ready jobs, with those that can follow them.

    Args:
        jobs: All jobs in document order.
        rules: The bounds.

    Raises:
        ScheduleError: The jobs have a cycle.
    """

    def __init__(self, jobs: Sequence[ScheduleJob], rules: BatchRules):
        self._jobs = jobs
        self._rules = rules
        self._tails = Network.of(jobs).tails()
        priorities = [job.priority for job in jobs]
        self._by_priority = sorted(range(len(jobs)), key=priorities.__getitem__) if len({*priorities}) > 1 else []
        """The jobs that may not be final yet, the highest priority last; empty where all have the same."""
        self._followers: list[list[int]] = [[] for _ in jobs]
        for index, job in enumerate(jobs):
            for source in dict.fromkeys(job.after):
                if jobs[source].agent == job.agent:
                    self._followers[source].append(index)

    def plan(
        self,
        ready: Sequence[int],
        *,
        final: Container[int],
        free: Callable[[int], bool],
        expected_s: Callable[[int], float],
    ) -> list[tuple[int, ...]]:
        """Group jobs that are ready now.

        Args:
            ready: Jobs whose predecessors are all final, best first.
            final: Jobs that succeeded.
            free: Whether a job may share a batch: it is with no other, and nothing keeps it apart.
            expected_s: How long a job is expected to take, in seconds.

        Returns:
            Batches in the order of their first jobs; each ready job is in exactly one, and so is each follower.
        """
        waiting = dict.fromkeys(ready)
        batches: list[tuple[int, ...]] = []
        taken: set[int] = set()
        for head in ready:
            if head not in waiting:
                continue
            del waiting[head]
            batch = _Batch(head, expected_s(head))
            taken.add(head)
            while len(batch.jobs) < self._rules.leaves and batch.seconds < self._rules.stay_s and free(head):
                joined = self._sibling(batch, waiting, free)
                if joined is None:
                    joined = self._follower(batch, final, taken, free)
                if joined is None:
                    break
                waiting.pop(joined, None)
                taken.add(joined)
                batch.add(joined, expected_s(joined))
            batches.append(tuple(batch.jobs))
        return batches

    def _sibling(self, batch: _Batch, waiting: dict[int, None], free: Callable[[int], bool]) -> int | None:
        if batch.seconds >= self._rules.ahead_s:
            return None
        agent = self._jobs[batch.jobs[0]].agent
        return next((job for job in waiting if self._jobs[job].agent == agent and free(job)), None)

    def _follower(
        self, batch: _Batch, final: Container[int], taken: set[int], free: Callable[[int], bool]
    ) -> int | None:
        """Return the job that can continue in the batch and leads the longest way to the end of the run."""
        found = [
            job
            for job in self._next(batch)
            if job not in taken and job not in final and free(job) and self._fits(batch, job, final)
        ]
        if found and (highest := self._highest_priority(final)) is not None:
            found = [job for job in found if self._jobs[job].priority >= highest]
        return min(found, key=lambda job: (-self._tails[job], job), default=None)

    def _highest_priority(self, final: Container[int]) -> int | None:
        """Return the highest priority of what is not final; None where all jobs have the same."""
        while self._by_priority and self._by_priority[-1] in final:
            self._by_priority.pop()
        return self._jobs[self._by_priority[-1]].priority if self._by_priority else None

    def _next(self, batch: _Batch) -> Iterator[int]:
        for member in batch.jobs:
            yield from self._followers[member]

    def _fits(self, batch: _Batch, job: int, final: Container[int]) -> bool:
        """Whether all predecessors of a job are in the batch or done, and little unrelated work is ahead of it."""
        ends = [batch.ends[source] for source in self._jobs[job].after if source in batch.ends]
        if not all(source in batch.ends or source in final for source in self._jobs[job].after):
            return False
        return batch.jobs[-1] in self._jobs[job].after or batch.seconds - max(ends) < self._rules.ahead_s


class _Batch:
    """A batch under construction."""

    __slots__ = ("ends", "jobs", "seconds")

    def __init__(self, head: int, seconds: float):
        self.jobs = [head]
        self.seconds = seconds
        self.ends = {head: seconds}

    def add(self, job: int, seconds: float) -> None:
        """Append a job."""
        self.jobs.append(job)
        self.seconds += seconds
        self.ends[job] = self.seconds
