"""The result of a simulation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Timeline"]


class Timeline(BaseModel):
    """When each job starts and ends on virtual time, the run starting at second 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: tuple[float, ...]
    """Start of each job in seconds, in document order."""
    end_s: tuple[float, ...]
    """End of each job in seconds, in document order."""
    makespan_s: float
    """Seconds from the start of the run to the end of its last job; 0 without jobs."""
    critical_path_s: float
    """Seconds of the longest chain of jobs: no number of slots gives a shorter run."""
    total_work_s: float
    """Seconds of all jobs together: how long the run takes on one slot."""
    slots: int
    """The number of slots."""
    left_out: tuple[int, ...] = ()
    """Jobs that do not run by their rules or conditions."""
