"""A change of a plan while it runs: a task is replanned, or an agent's result adds subtasks to its task.

The task stays in the plan with its place in the order. It comes after the added group, and the results of its tasks
become its own result, so that its dependants do not change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from genesis.model.base import Model
from genesis.model.plan import PlannerLevel
from genesis.model.run import Outcome
from genesis.model.task import Task

__all__ = ["Amendment"]


class Amendment(Model):
    """One change: the added group, and its leaf."""

    number: Annotated[int, Field(ge=1)]
    """Number of the change, from 1."""
    kind: Literal["replan", "expand"]
    """`replan`: the leaf failed, and the group does its work in its stead; `expand`: its own result asks for more."""
    task: str
    """Path of the leaf."""
    group: Task
    """The composite that is added at the top of the plan; its leaves have their routes."""
    planner: PlannerLevel | None = None
    """Which level planned the group; none where an agent proposed it."""
    reason: str
    """One sentence for a reader."""
    outcome: Outcome
    """The outcome of the leaf's own attempts: its error, or its result."""
    at: datetime
    """When it was decided."""
