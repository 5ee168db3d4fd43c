"""What the scheduler is given: jobs, limits, and the error for what cannot be scheduled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from genesis.errors import GenesisError

__all__ = ["ScheduleError", "ScheduleJob", "ScheduleLimits"]


class ScheduleError(GenesisError):
    """Jobs that cannot be scheduled, or a step that the scheduler's state does not allow.

    It means a mistake in the caller, never in a task: trying again unchanged does not help.
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

    Raises:
        ScheduleError: The duration is negative, infinite or not a number.
    """

    duration_s: float
    after: tuple[int, ...] = ()
    agent: str | None = None
    early: bool = False

    def __post_init__(self) -> None:
        if not (isfinite(self.duration_s) and self.duration_s >= 0):
            raise ScheduleError(
                f"a job lasts {self.duration_s!r} seconds", hint="give a finite number of seconds, 0 or more"
            )


@dataclass(frozen=True, slots=True)
class ScheduleLimits:
    """How many jobs may run at once.

    Args:
        slots: Jobs running at once over the whole run, at least 1.
        per_agent: Jobs running at once by agent name, each at least 1; an agent that is not listed has no limit.

    Raises:
        ScheduleError: A limit is below 1, so that nothing could ever run.
    """

    slots: int
    per_agent: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ScheduleError(f"the run has {self.slots} slots", hint="give at least 1 slot")
        for agent, limit in self.per_agent.items():
            if limit < 1:
                raise ScheduleError(f"agent {agent!r} may run {limit} jobs at once", hint="give a limit of at least 1")
