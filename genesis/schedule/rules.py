"""What the ends of the jobs before a job mean for it: the readiness rules, as pure functions over sets of ends.

A set of ends is a bit mask of `SUCCEEDED`, `FAILED` and `NOT_MET`.
"""

from __future__ import annotations

from genesis.model.task import RunIf
from genesis.schedule.jobs import ScheduleJob

__all__ = ["FAILED", "NOT_MET", "SUCCEEDED", "decide_end", "decide_start"]

# Plain integers: one is added to a set for each edge of a plan.
SUCCEEDED = 1
FAILED = 2
"""It failed, was cancelled, or did not run since another one had."""
NOT_MET = 4
"""It did not run by its own condition or rule, or since another one had not by its."""
_SHUT = FAILED | NOT_MET


def decide_start(run_if: RunIf, before: int, scope: int) -> int:
    """Decide whether a job starts, once all before it have ended.

    Args:
        run_if: Its rule.
        before: How the jobs before it ended.
        scope: How the start of the composite around it ended; 0 without one.

    Returns:
        `SUCCEEDED` where it starts, else the end that it has without running: `FAILED` where a failure is the reason.
    """
    if scope & _SHUT:
        return scope
    failed = bool(before & FAILED)
    if run_if == "all_succeeded":
        return FAILED if failed else NOT_MET if before & NOT_MET else SUCCEEDED
    if run_if == "any_failed":
        return SUCCEEDED if failed else NOT_MET
    if run_if == "any_succeeded":
        return SUCCEEDED if before & SUCCEEDED else FAILED if failed else NOT_MET
    return SUCCEEDED


def decide_end(job: ScheduleJob, inside: int, scope: int) -> int:
    """Decide how a composite ended: failed if anything in it failed, and not run if nothing in it did.

    Args:
        job: The end of the composite.
        inside: How the jobs in it ended.
        scope: How its start ended.
    """
    if scope & _SHUT:
        return scope
    if inside & FAILED:
        return SUCCEEDED if job.allow_failure else FAILED
    return NOT_MET if inside == NOT_MET else SUCCEEDED
