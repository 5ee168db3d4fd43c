"""What becomes of a leaf whose child ended without a record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prefect.client.schemas.objects import StateType

from genesis.dispatch.child import ChildFlowRun
from genesis.model import ErrorInfo, Leaf

__all__ = ["SUSPENDED", "ChildEnd", "RetryDecision", "describe_crash", "judge"]

_LONGEST = 2000
"""Most characters of an error message."""
SUSPENDED = "its run was suspended"
"""Begin of the message of a child that has left leaves undone because of that."""


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child ended."""

    state: StateType
    message: str = ""
    lost: bool = False
    """Whether its worker has gone silent, so that it could still be at work somewhere."""
    stale: bool = False
    """Whether it had ended before this execution of the run began."""
    began: bool = True
    """Whether it ever ran."""
    error: ErrorInfo | None = None
    """Why it was given up, where this side did that."""
    all_fail: bool = False
    """Whether the reason holds for all its leaves and not only for the one that it was at."""

    def counts(self, *, first: bool) -> bool:
        """Whether a leaf without a record may have been begun, or stands for what kept its child from beginning.

        Args:
            first: Whether it is the first of those without a record. Those behind it were not yet at work, unless
                the child itself could still be.
        """
        return (first or self.lost) and not self.suspended

    @property
    def suspended(self) -> bool:
        """Whether it has left its leaves undone because the run was suspended."""
        return self.state is StateType.COMPLETED and self.message.startswith(SUSPENDED)


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What to do with a leaf."""

    action: Literal["again", "failed", "cancelled"]
    error: ErrorInfo | None = None


def judge(leaf: Leaf, child: ChildFlowRun, end: ChildEnd, *, first: bool, crashes: int) -> RetryDecision:
    """Judge a leaf that has no record.

    Args:
        leaf: The leaf.
        child: Its child.
        end: How the child ended.
        first: Whether it is the first of those without a record, so that it was being done.
        crashes: How often a child of this execution ended so while the leaf counted, this time included.
    """
    if end.stale or end.suspended:
        return RetryDecision("again")
    if end.error is not None:
        return RetryDecision("failed", end.error) if first or end.all_fail else RetryDecision("again")
    if end.state is StateType.CANCELLED:
        return RetryDecision("cancelled")
    if end.state is not StateType.CRASHED:
        return RetryDecision("failed", _no_record(child, end))
    if not end.counts(first=first):
        return RetryDecision("again")
    maybe_done = leaf.side_effects and (end.lost or end.began)
    if crashes < leaf.retries + (1 if maybe_done else 2):
        return RetryDecision("again")
    return RetryDecision("failed", _make_crash_error(child, end, crashes, maybe_done=maybe_done))


def _no_record(child: ChildFlowRun, end: ChildEnd) -> ErrorInfo:
    said = f": {end.message}" if end.message else ""
    return ErrorInfo(
        code="GEN-DISPATCH-NO-RECORD",
        message=f"flow run {str(child.id)!r} on pool {child.pool!r} ended {end.state.value.lower()} and left no record "
        f"in the ledger{said}"[:_LONGEST],
        hint="look at the flow run's logs; orchestrator and workers need one result storage and one version of Genesis",
    )


def describe_crash(child: ChildFlowRun, end: ChildEnd) -> ErrorInfo:
    """Describe the crash of a child."""
    said = f": {end.message}" if end.message else ""
    message = f"flow run {str(child.id)!r} on pool {child.pool!r} crashed{said}"[:_LONGEST]
    return ErrorInfo(code="GEN-DISPATCH-CRASHED", message=message, category="network")


def _make_crash_error(child: ChildFlowRun, end: ChildEnd, crashes: int, *, maybe_done: bool) -> ErrorInfo:
    message = describe_crash(child, end).message
    if maybe_done:
        hint = "it has side effects and may have happened: see whether it did, then resume to do it again"
        return ErrorInfo(code="GEN-DISPATCH-MAYBE-DONE", message=message, hint=hint)
    times = f"{crashes} times" if crashes > 1 else "once"
    hint = f"it was dispatched {times}; look at the worker's logs, memory and time limits, then resume"
    return ErrorInfo(code="GEN-DISPATCH-CRASHED", message=message, hint=hint)
