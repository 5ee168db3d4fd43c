"""The states of runs and tasks."""

from __future__ import annotations

from typing import Literal

__all__ = ["FINISHED", "KEPT", "RunState", "TaskState"]

RunState = Literal[
    "pending",
    "running",
    "completed",
    "failed",
    "cancelled",
    "refused",
    "awaiting_approval",
    "briefed",
    "budget_exceeded",
]
"""`briefed`: nothing is left to run but what waits for people's results."""

TaskState = Literal[
    "pending",
    "running",
    "completed",
    "cached",
    "briefed",
    "failed",
    "skipped",
    "cancelled",
    "awaiting_approval",
]

FINISHED: frozenset[TaskState] = frozenset({"completed", "cached"})
"""States in which a leaf's work is done, so that its dependants may start."""

KEPT: frozenset[TaskState] = FINISHED | {"briefed"}
"""States that a resume keeps: the work is done, or a person has its work order."""
