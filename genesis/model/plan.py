"""A plan: a request, decomposed into a hierarchical task DAG; and the same plan with its routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from genesis.model.base import Model, Name, Seconds, Text, Usd
from genesis.model.report import Report
from genesis.model.task import Route, Task

__all__ = ["Budget", "Plan", "PlannerLevel", "RoutedPlan"]

PlannerLevel = Literal["llm", "heuristic", "minimal", "file"]


class Budget(Model):
    """Hard limits on what a run may spend."""

    usd: Usd | None = None
    """US dollars."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """Tokens of language models."""


class Plan(Model):
    """A request and the tasks that answer it."""

    version: Literal[1] = 1
    """Version of the plan document."""
    request: Annotated[str, Field(min_length=1)]
    """What was asked for."""
    tasks: tuple[Task, ...]
    """Top-level tasks in document order."""
    planner: PlannerLevel = "file"
    """Which level made the plan."""
    planner_note: str = ""
    """Why the better levels did not make it, and what was repaired."""
    budget: Budget | None = None
    deadline_s: Annotated[Seconds, Field(gt=0)] | None = None
    """The run may take this long, in seconds."""
    retries: Annotated[int, Field(ge=0, le=100)] | None = None
    """How often a failed attempt is repeated, for tasks that do not say it; not for those with side effects."""
    vars: dict[Name, Text] = {}
    """Values for `{var}` in inputs."""
    correlation_id: Text | None = None
    """Id that follows the run through every log line and span."""
    report: Report | None = None
    """Written by validation."""


class RoutedPlan(Model):
    """A plan with a route for every leaf."""

    plan: Plan
    routes: Mapping[str, Route]
    """Route by leaf path, in document order."""
