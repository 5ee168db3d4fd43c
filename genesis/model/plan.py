"""A plan: a request, decomposed into a hierarchical task DAG; and the same plan with its routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from genesis.model.base import Model, Name, Seconds, Text, Usd
from genesis.model.plan_parameter import PlanParameter
from genesis.model.plan_schedule import Notification, PlanSchedule
from genesis.model.report import Report
from genesis.model.task import Route, Task

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["Budget", "Plan", "PlannerLevel", "RoutedPlan", "Selection"]

PlannerLevel = Literal["llm", "heuristic", "minimal", "file"]


def _find_repeated(names: list[str]) -> str | None:
    return next((name for at, name in enumerate(names) if name in names[:at]), None)


class Budget(Model):
    """Hard limits on what a run may spend."""

    usd: Usd | None = None
    """US dollars."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """Tokens of language models."""


class Selection(Model):
    """Which part of a plan was selected for a run; the rest is not in the plan any more."""

    select: tuple[Text, ...] = ()
    """The selectors of what was to run; everything if empty."""
    except_: tuple[Text, ...] = Field(default=(), alias="except")
    """The selectors of what was not to run."""
    left_out: tuple[str, ...]
    """Paths of the tasks that were left out; of a composite only its own."""

    model_config = ConfigDict(serialize_by_alias=True, populate_by_name=True)


class Plan(Model):
    """A request and the tasks that answer it."""

    version: Literal[1] = 1
    """Version of the plan document."""
    request: Annotated[str, Field(min_length=1)]
    """The request in plain text."""
    tasks: tuple[Task, ...]
    """Top-level tasks in document order."""
    planner: PlannerLevel = "file"
    """Which level made the plan."""
    planner_note: str = ""
    """Why better levels were skipped, and what was repaired."""
    budget: Budget | None = None
    deadline_s: Annotated[Seconds, Field(gt=0)] | None = None
    """The run may take this long, in seconds."""
    retries: Annotated[int, Field(ge=0, le=100)] | None = None
    """Retries of tasks that do not set their own; not of those with side effects."""
    vars: dict[Name, Text] = {}
    """Values for `{var}` in inputs and descriptions."""
    correlation_id: Text | None = None
    """Id that follows the run through every log line and span."""
    report: Report | None = None
    """Written by validation."""
    params: dict[Name, PlanParameter] = {}
    """Typed parameters, which `{name}` stands for as for variables."""
    selection: Selection | None = None
    """Written by `--select` and `--except`: what was left out."""
    schedules: tuple[PlanSchedule, ...] = ()
    """When it is run once `genesis deploy` has deployed it."""
    notify: tuple[Notification, ...] = ()
    """Who is notified of runs of the deployed plan."""
    trusted_vars: Annotated[tuple[Name, ...], Field(exclude_if=lambda names: not names)] = ()
    """Names of `vars` that a person or a playbook set; in a planner's plan others are words of the request."""

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        if both := [name for name in self.params if name in self.vars]:
            raise ValueError(f"{both[0]!r} is in both `vars` and `params`; keep one of them")
        if repeated := _find_repeated([schedule.name for schedule in self.schedules]):
            raise ValueError(f"two schedules have the name {repeated!r}; rename one of them")
        if repeated := _find_repeated([each.through for each in self.notify]):
            raise ValueError(f"two entries of `notify` go through {repeated!r}; put their `on` into one")
        return self

    @property
    def left_out(self) -> tuple[str, ...]:
        """Paths of the tasks that were not selected for the run."""
        return self.selection.left_out if self.selection else ()

    def graph(self) -> DiGraph[str]:
        """Build the graph of the tasks, composites included, as the plan states it.

        Edges lead from a task to what comes after it.

        Returns:
            Nodes are paths such as `quality/lint`, with the attributes `index`, `type`, `description`, `composite`,
            `parent` (the composite around it), `agent` and `score` where routed or pinned, `seconds`, `usd` and
            `tokens` where estimated, `requires`, `outputs`, `side_effects`, `approval`. The `kind` of an edge is
            `depends_on`, `input` (only a reference in the inputs makes it) or `both`; `keys` names the results that
            are used.
        """
        from genesis.structure.task_graphs import build_plan_graph  # noqa: PLC0415  # it stands on the models

        return build_plan_graph(self)


class RoutedPlan(Model):
    """A plan with a route for every leaf."""

    plan: Plan
    routes: Mapping[str, Route]
    """Route by leaf path, in document order."""
    added: Mapping[str, int] = {}
    """What was added while the plan ran: the path of a group or of a `for_each` task → the amendment's number."""

    def graph(self) -> DiGraph[str]:
        """Build the graph of the tasks as `Plan.graph` does, with the agents of these routes."""
        from genesis.structure.task_graphs import build_plan_graph  # noqa: PLC0415  # it stands on the models

        return build_plan_graph(self.plan, self.routes)
