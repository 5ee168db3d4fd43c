"""A change of a plan while it runs: a task is replanned, a result adds subtasks to its task, or gives it its copies.

The task stays in the plan with its place in the order. It comes after what was added, whose results become its own
result, so that its dependants do not change.
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
    kind: Literal["replan", "expand", "for_each"]
    """`replan`: the leaf failed, and the group does its work in its stead; `expand`: its own result asks for more;
    `for_each`: the list of which each value gets a copy is known."""
    task: str
    """Path of the leaf."""
    group: Task
    """The composite that is added at the top of the plan, its leaves with their routes; for `for_each` the task itself,
    with the values in its list."""
    planner: PlannerLevel | None = None
    """Which level planned the group; none where an agent proposed it."""
    reason: str
    """One sentence for a reader."""
    outcome: Outcome
    """The outcome of the leaf's own attempts: its error, or its result."""
    at: datetime
    """When it was decided."""
