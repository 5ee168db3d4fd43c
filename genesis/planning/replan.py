"""Replan a task that failed permanently: in another way, or in finer steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from genesis.errors import PlanningError
from genesis.model import ErrorInfo, Plan, PlannerLevel, Task
from genesis.planning.heuristic import HeuristicPlanner
from genesis.planning.levels import make_plan
from genesis.planning.planner import Planner, PlanningContext
from genesis.structure import rename_references

__all__ = ["ReplanProposal", "plan_again"]

_Outputs = tuple[str, ...] | dict[str, dict[str, JsonValue]]

_LONGEST_ERROR = 300
"""Characters of the failure that become part of the new description."""


@dataclass(frozen=True, slots=True)
class ReplanProposal:
    """What is to be done in place of a task."""

    tasks: tuple[Task, ...]
    level: PlannerLevel
    note: str


class _Told:
    """Plans with a model, whose prompt includes the failed attempt."""

    level: PlannerLevel = "llm"

    def __init__(self, planner: Planner, error: ErrorInfo):
        self._planner = planner
        self._error = error

    def plan(self, request: str, context: PlanningContext) -> Plan:
        failed = " ".join(self._error.message.split())[:_LONGEST_ERROR]
        told = f"{request}\n\nThis was tried in one step and failed: {failed}\nPlan another way, in finer steps."
        return self._planner.plan(told, context)


def plan_again(
    task: Task, error: ErrorInfo, *, references: Mapping[str, str], model: Planner | None, context: PlanningContext
) -> ReplanProposal:
    """Plan an alternative to a failed task: by a model if there is one, else from the steps it spells out.

    The new tasks inherit its inputs, environment variables, `runs_in`, labels, retries, time limit, resources and
    mutex. The last one
    produces the task's outputs, after all others.

    Args:
        task: The leaf that failed.
        error: The error of its last attempt.
        references: The absolute form of each reference in its inputs.
        model: The language model's level.
        context: Types, skills, and the limits on the added tasks.

    Raises:
        PlanningError: No level finds an alternative.
    """
    planners: list[Planner] = [_Told(model, error)] if model is not None else []
    made = make_plan(task.description, planners=[*planners, HeuristicPlanner(())], context=context)
    if len(made.tasks) == 1 and not made.tasks[0].subtasks and made.tasks[0].type == task.type:
        raise PlanningError("the only alternative is one task of the same type")
    given = task.model_copy(update=rename_references(task, references.get, moved=True))
    return ReplanProposal(
        _delivering(_inherit_inputs(made.tasks, given), task.outputs), made.planner, made.planner_note
    )


def _inherit_inputs(tasks: Sequence[Task], given: Task) -> tuple[Task, ...]:
    """Return new tasks with the failed task's inputs, environment, labels and limits; their own take precedence."""
    return tuple(
        task.model_copy(update={"subtasks": _inherit_inputs(task.subtasks, given)})
        if task.subtasks
        else task.model_copy(
            update={
                "inputs": {**given.inputs, **task.inputs},
                "literal_inputs": (*_keep_literal_inputs(given, task), *task.literal_inputs),
                "labels": {**given.labels, **task.labels},
                "env": {**given.env, **task.env},
                "runs_in": given.runs_in,
                "timeout_s": given.timeout_s,
                "cache": given.cache,
                "retry": given.retry,
                "resources": given.resources,
                "mutex": given.mutex,
                **({"retries": given.retries} if "retries" in given.model_fields_set else {}),
            }
        )
        for task in tasks
    )


def _keep_literal_inputs(given: Task, task: Task) -> list[str]:
    return [name for name in given.literal_inputs if name not in task.inputs]


def _delivering(tasks: tuple[Task, ...], outputs: _Outputs) -> tuple[Task, ...]:
    """Let the last task promise these outputs, and come after all that nothing else comes after."""
    if not outputs:
        return tasks
    *others, last = tasks
    waited_for = {name for task in tasks for name in task.depends_on}
    loose = [task.id for task in others if task.id not in waited_for]
    update: dict[str, object] = {"depends_on": tuple(dict.fromkeys((*last.depends_on, *loose)))}
    if last.subtasks:
        update["subtasks"] = _delivering(last.subtasks, outputs)
    else:
        update["outputs"] = _join_outputs(last.outputs, outputs)
    return (*others, last.model_copy(update=update))


def _join_outputs(own: _Outputs, inherited: _Outputs) -> _Outputs:
    """Promise the outputs of both; inherited schemas take precedence."""
    if not isinstance(own, dict) and not isinstance(inherited, dict):
        return tuple(dict.fromkeys((*own, *inherited)))
    joined: dict[str, dict[str, JsonValue]] = {}
    for each in (own, inherited):
        joined |= each if isinstance(each, dict) else {name: joined.get(name, {}) for name in each}
    return joined
