"""How a run ended: decided here, and nowhere else, from what became of its leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from genesis.model import Diagnostic, ErrorInfo, Outcome, RunState, TaskState

__all__ = ["Ending", "decide"]

_NAMED = 3
"""Leaves that the error of a run names."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    state: RunState
    error: ErrorInfo | None = None
    findings: tuple[Diagnostic, ...] = ()
    """What kept it from starting."""
    lets_end: bool = False
    """Whether what runs may end: it is paid for, and can be written down."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the run is when leaves are in these states."""

    leaves: frozenset[TaskState]
    run: RunState
    code: str
    said: tuple[str, str]
    """Of one leaf, and of several."""
    hint: str


_RULES = (
    _Rule(frozenset({"failed"}), "failed", "GEN-RUN-FAILED", ("failed", "failed"), "fix the cause, then"),
    _Rule(
        frozenset({"cancelled"}), "cancelled", "GEN-RUN-CANCELLED", ("was cancelled", "were cancelled"), "to do them"
    ),
    _Rule(
        frozenset({"skipped", "pending", "running"}),
        "failed",
        "GEN-RUN-UNFINISHED",
        ("was not done", "were not done"),
        "to do them",
    ),
    _Rule(
        frozenset({"awaiting_approval"}),
        "awaiting_approval",
        "GEN-RUN-APPROVAL",
        ("waits for an approval", "wait for an approval"),
        "approve or reject, then",
    ),
)
"""The first one that has a leaf decides. Together with `FINISHED` they have every state that a leaf can have."""


def decide(leaves: Iterable[Outcome], stop: Ending | None = None, *, run_id: str = "") -> Ending:
    """Decide how a run ended: it is completed when every leaf is settled, and in no other case.

    Settled is what is finished, what a condition or rule of the plan left out, and what failed where the plan allows
    that.

    Args:
        leaves: What became of every leaf; one that was never begun is pending.
        stop: Why the run was stopped, where it was.
        run_id: The run, for hints.
    """
    if stop is not None:
        return stop
    left = [leaf for leaf in leaves if not leaf.is_settled]
    for rule in _RULES:
        if found := [leaf.id for leaf in left if leaf.state in rule.leaves]:
            hint = f"{rule.hint}: genesis resume {run_id}"
            return Ending(rule.run, ErrorInfo(code=rule.code, message=_message(found, rule.said), hint=hint))
        if rule.run == "cancelled" and any(leaf.state == "briefed" for leaf in left):
            return Ending("briefed")  # what comes after a work order waits for it, and is pending
    return Ending("completed")


def _message(paths: list[str], said: tuple[str, str]) -> str:
    names = ", ".join(map(repr, paths[:_NAMED]))
    if len(paths) > _NAMED:
        names += f" and {len(paths) - _NAMED} more"
    return f"1 task {said[0]}: {names}" if len(paths) == 1 else f"{len(paths)} tasks {said[1]}: {names}"
