"""Refine a playbook's plan with a model: it may add tasks and detail, and remove nothing.

A playbook is tested, with the tools, inputs and edges of its tasks; a model's own plan for the same request is a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genesis.errors import PlanningError
from genesis.model import Plan, Task
from genesis.planning.compose import compose
from genesis.planning.llm_draft import Draft
from genesis.planning.planner import PlanningContext
from genesis.planning.playbook import Playbook
from genesis.planning.task_types import CHANGE_OUTSIDE, GENERIC
from genesis.structure.repair import slug

__all__ = ["PlaybookPlan", "basis_of", "refine_plan"]

_SHOWN = 3
"""Tasks that the note names."""


@dataclass(frozen=True, slots=True)
class PlaybookPlan:
    """The plan of a playbook that matches a request exactly."""

    playbook: str
    plan: Plan
    note: str
    """What in the playbook matched."""


def basis_of(request: str, playbooks: Sequence[Playbook], context: PlanningContext) -> PlaybookPlan | None:
    """Find the plan to refine; None where no playbook matches the request exactly."""
    if not playbooks:
        return None
    made = compose(request, playbooks, context)
    if not made.exact:
        return None
    plan = Plan(request=request, tasks=made.tasks, vars=made.variables, trusted_vars=made.defaults)
    return PlaybookPlan(made.exact, plan, "; ".join(made.notes))


def refine_plan(basis: PlaybookPlan, drafts: Sequence[Draft], given: Mapping[str, str]) -> Plan:
    """Apply a model's changes to a playbook's plan.

    For a task of the playbook, the description may change and predecessors may be added; a generic one gets
    a type. Everything else is kept: inputs, outputs, subtasks and edges.

    Args:
        basis: The playbook's plan.
        drafts: The model's answer.
        given: Variables set by the user, which are never changed.

    Raises:
        PlanningError: The answer omits a task of the playbook, or adds a generic one.
    """
    names = {task.id: slug(task.id, task.id) for task in basis.plan.tasks}
    answered = {draft.id: draft for draft in drafts}
    lost = [task.id for task in basis.plan.tasks if names[task.id] not in answered]
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise _worse(basis, f"leaves out {', '.join(map(repr, lost[:_SHOWN]))}{more}")
    added = [draft for draft in drafts if draft.id not in names.values()]
    if vague := next((draft for draft in added if draft.type == GENERIC), None):
        raise _worse(basis, f"adds {vague.id!r} without a type that an agent takes")
    tasks = (
        *(_change_task(task, answered[names[task.id]]) for task in basis.plan.tasks),
        *(draft.task() for draft in added),
    )
    variables = _variables(basis.plan, drafts, given)
    kept = tuple(name for name in basis.plan.trusted_vars if variables[name] == basis.plan.vars[name])
    return basis.plan.model_copy(update={"tasks": tasks, "vars": variables, "trusted_vars": kept})


def _worse(basis: PlaybookPlan, what: str) -> PlanningError:
    return PlanningError(f"its refinement of the playbook {basis.playbook} {what}, so the playbook's plan is kept")


def _change_task(task: Task, draft: Draft) -> Task:
    after = tuple(dict.fromkeys((*task.depends_on, *(name for name in draft.depends_on if name != task.id))))
    update: dict[str, object] = {"description": draft.description or task.description, "depends_on": after}
    if task.type == GENERIC and not task.subtasks:  # a step in the request's words, whose type is unknown
        update |= {"type": draft.type, "side_effects": task.side_effects or draft.type in CHANGE_OUTSIDE}
    return task.model_copy(update=update)


def _variables(plan: Plan, drafts: Sequence[Draft], given: Mapping[str, str]) -> dict[str, str]:
    """Take values of parameters from inputs of the same name, where the request states them, instead of a default."""
    said = {word.strip(",;:!?()\"'`") for word in re.findall(r"\S+", plan.request)}
    found = dict(plan.vars)
    for draft in drafts:
        for name, value in draft.inputs.items():
            if name in found and name not in given and found[name] not in said and value in said:
                found[name] = value
    return found
