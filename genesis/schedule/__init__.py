"""Order, limit and simulate the jobs of a run, without Prefect and without I/O.

The package works on plain arrays: job *i* is the *i*-th of a sequence, and knows its duration, the jobs that it comes
after and its agent. `rank` gives the static priorities, `Scheduler` is the state machine that a driver feeds with what
happened and asks for what to start, and `simulate_jobs` drives that same machine on virtual time.
"""

from __future__ import annotations

from genesis.schedule.jobs import ScheduleError, ScheduleJob, ScheduleLimits
from genesis.schedule.pools import PoolCosts
from genesis.schedule.priorities import rank
from genesis.schedule.program_jobs import add_rules, find_unbatched, rank_work, schedule_job, schedule_limits
from genesis.schedule.resources import find_needs
from genesis.schedule.scheduler import JobState, Scheduler
from genesis.schedule.simulate import simulate_jobs
from genesis.schedule.timeline import Timeline

__all__ = [
    "JobState",
    "PoolCosts",
    "ScheduleError",
    "ScheduleJob",
    "ScheduleLimits",
    "Scheduler",
    "Timeline",
    "add_rules",
    "find_needs",
    "find_unbatched",
    "rank",
    "rank_work",
    "schedule_job",
    "schedule_limits",
    "simulate_jobs",
]
