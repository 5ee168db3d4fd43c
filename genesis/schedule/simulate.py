"""The scheduler on virtual time: the same state machine, fed with an end after each job's duration."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from genesis.schedule.jobs import ScheduleJob, ScheduleLimits
from genesis.schedule.network import Network
from genesis.schedule.pools import PoolCosts, PoolsInUse
from genesis.schedule.priorities import rank
from genesis.schedule.scheduler import Scheduler
from genesis.schedule.timeline import Timeline

__all__ = ["simulate_jobs"]


def simulate_jobs(
    jobs: Sequence[ScheduleJob],
    limits: ScheduleLimits,
    priorities: Sequence[float] | None = None,
    pools: PoolCosts | None = None,
    *,
    false: Collection[int] = (),
    until: Mapping[int, float] | None = None,
) -> Timeline:
    """Predict the run, with every job lasting exactly its duration, nothing failing and every condition true.

    It is a prediction of order and limits, and of what work pools add where that is given. A discrete-event
    simulation in the usual form (a heap of coming ends); all ends of one instant are reported before anything starts.

    Args:
        jobs: The jobs in document order.
        limits: Slots and per-agent limits.
        priorities: One number a job, the larger first; by default those of `rank`.
        pools: Overhead of work pools; None where the jobs run in one process, whose overhead is negligible.
        false: Jobs whose conditions are known to be false.
        until: For jobs that wait for a moment, that moment in seconds from the start, in place of their duration.

    Returns:
        Start and end of each job that works in seconds, in document order, with the totals. A job that its rule or
        condition leaves out takes no time.

    Raises:
        ScheduleError: The jobs are not a graph without circles, or the priorities do not fit them.
    """
    scheduler = Scheduler(jobs, limits, rank(jobs, limits) if priorities is None else priorities)
    starts = [0.0] * len(jobs)
    ends = [0.0] * len(jobs)
    running: list[tuple[float, int]] = []
    now = 0.0
    in_use = PoolsInUse(pools) if pools is not None else None
    left_out: list[int] = []
    while True:
        for job in _decide(scheduler, false):
            starts[job] = ends[job] = now
            left_out.append(job)
        if scheduler.done:
            break
        for job in scheduler.take_waits():
            starts[job], ends[job] = now, max(now, (until or {}).get(job, now + jobs[job].duration_s))
            heappush(running, (ends[job], job))
        for job in scheduler.take():
            duration_s = jobs[job].duration_s
            agent = jobs[job].agent
            starts[job] = now if in_use is None or agent is None else in_use.start(agent, now, duration_s)
            ends[job] = starts[job] + duration_s
            heappush(running, (ends[job], job))
        now = running[0][0]
        while running and running[0][0] == now:
            scheduler.finish(heappop(running)[1])
    work = sum(job.kind == "work" for job in jobs)
    done = list(jobs)
    for job in until or ():
        done[job] = replace(jobs[job], duration_s=ends[job] - starts[job])
    for job in left_out:
        done[job] = replace(jobs[job], duration_s=0.0)
    return Timeline(
        start_s=tuple(starts[:work]),
        end_s=tuple(ends[:work]),
        makespan_s=now,
        critical_path_s=Network.of(done).critical_path_s(),
        total_work_s=sum(job.duration_s for job in done if not job.waits),
        slots=limits.slots,
        left_out=tuple(sorted(left_out)),
    )


def _decide(scheduler: Scheduler, false: Collection[int]) -> list[int]:
    """Decide all conditions that can be by now; return the jobs that have ended without running."""
    while jobs := scheduler.take_undecided():
        for job in jobs:
            if job in false:
                scheduler.skip(job)
            else:
                scheduler.release(job)
    return scheduler.take_left_out()
