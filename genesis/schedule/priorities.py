"""Static priorities: the longest remaining critical path first, then a bounded search for something better."""

from __future__ import annotations

from collections.abc import Sequence

from genesis.schedule.improve import improve
from genesis.schedule.jobs import ScheduleJob, ScheduleLimits
from genesis.schedule.network import Network
from genesis.schedule.passes import CompiledLimits

__all__ = ["rank"]


def rank(jobs: Sequence[ScheduleJob], limits: ScheduleLimits) -> list[int]:
    """Set the priority of each job, so that the run ends early under these limits.

    The base is the critical-path rule, also known as highest level first: by the longest chain of seconds from a job's
    start to the end of the run (Hu 1961; Adam, Chandy and Dickson 1974), ties by document order. Where its schedule
    is longer than what is proved to be necessary, `improve` looks for a better list; the result is never a longer
    predicted run than the base's. The same jobs and limits give the same priorities on any machine.

    `ScheduleJob.priority` precedes all this: only jobs of the same one are ordered by it.

    Args:
        jobs: The jobs in document order, with their expected seconds.
        limits: The limits that the run will have; priorities for other limits are valid, but not as good.

    Returns:
        One priority a job in document order, a permutation of `0 … len(jobs) - 1`; the largest starts first.

    Raises:
        ScheduleError: The jobs are not a graph without circles.
    """
    network = Network.of(jobs)
    tails = network.tails()
    base = sorted(range(len(jobs)), key=lambda job: -tails[job])
    order = improve(network, CompiledLimits.of(jobs, limits), tails, base)
    if any(job.priority for job in jobs):
        order = sorted(order, key=lambda job: -jobs[job].priority)
    priorities = [0] * len(jobs)
    for place, job in enumerate(order):
        priorities[job] = len(jobs) - 1 - place
    return priorities
