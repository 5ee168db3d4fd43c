"""The scheduler's input: jobs, limits, and its error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from genesis.errors import GenesisError
from genesis.model.task import RunIf

__all__ = ["ScheduleError", "ScheduleJob", "ScheduleLimits"]


class ScheduleError(GenesisError):
    """Jobs that cannot be scheduled, or a step that the scheduler's state does not allow.

    It is a defect of the caller, not of a task; a retry does not help.
    """

    code = "GEN-SCHEDULE"


@dataclass(frozen=True, slots=True)
class ScheduleJob:
    """One leaf as the scheduler sees it.

    Args:
        duration_s: Expected seconds of work, finite and at least 0.
        after: Indices of the jobs that must finish first, in any order.
        agent: Name of the agent that runs it; `None` when no agent's limit applies.
        early: It may start while jobs that it comes after are suspended.
        kind: `work`, or the start or end of a composite, which takes no time and no slot.
        run_if: How the jobs before it must have ended so that it starts; not for an end.
        within: Index of the start of the composite around it, which `after` has, too: it must have succeeded. For an
            end, the start of the same composite.
        conditional: Once it could start, it is held until its condition is known; see `Scheduler.take_undecided`.
        allow_failure: Its own failure counts as success for the jobs after it; for an end, that of all before it.
        forgives: A failure before it counts as its own.
        waits: Once it could start, it is held, without a slot, until `Scheduler.finish` or `fail`; see
            `Scheduler.take_waits`.
        in_copies: Names of the copies that it is a part of, as `task/copy`: of those of one task, no more run at once
            than `ScheduleLimits.parallel` says. A copy runs from its first start until all of its jobs have ended.
        priority: Of ready jobs, those with the larger number start first, whatever their durations.
        needs: Names of resources, each with the amount that it uses while it runs, at least 1.

    Raises:
        ScheduleError: The duration is negative, infinite or not a number.
    """

    duration_s: float
    after: tuple[int, ...] = ()
    agent: str | None = None
    early: bool = False
    kind: Literal["work", "start", "end"] = "work"
    run_if: RunIf = "all_succeeded"
    within: int | None = None
    conditional: bool = False
    allow_failure: bool = False
    forgives: bool = False
    in_copies: tuple[str, ...] = ()
    priority: int = 0
    needs: tuple[tuple[str, int], ...] = ()
    waits: bool = False

    def __post_init__(self) -> None:
        if not (isfinite(self.duration_s) and self.duration_s >= 0):
            raise ScheduleError(
                f"a job lasts {self.duration_s!r} seconds", hint="use a finite number of seconds, 0 or more"
            )


@dataclass(frozen=True, slots=True)
class ScheduleLimits:
    """Limits on concurrent jobs.

    Args:
        slots: Maximum number of concurrent jobs of the run, at least 1.
        per_agent: Maximum number of concurrent jobs by agent name, each at least 1; other agents have no limit.
        parallel: Maximum number of concurrent copies by task, each at least 1; other tasks have no limit.
        capacity: How much of a resource the running jobs may use together, by its name; of others there is no limit. A
            job that needs more than there is uses all of it.

    Raises:
        ScheduleError: A limit is below 1, so that nothing could ever run.
    """

    slots: int
    per_agent: Mapping[str, int] = field(default_factory=dict)
    parallel: Mapping[str, int] = field(default_factory=dict)
    capacity: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ScheduleError(f"the run has {self.slots} slots", hint="use at least 1 slot")
        for agent, limit in self.per_agent.items():
            if limit < 1:
                raise ScheduleError(f"agent {agent!r} has a limit of {limit} jobs", hint="use a limit of at least 1")
        for task, limit in self.parallel.items():
            if limit < 1:
                raise ScheduleError(f"task {task!r} has a limit of {limit} copies", hint="use a limit of at least 1")
