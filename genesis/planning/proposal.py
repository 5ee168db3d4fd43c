"""Subtasks that an agent proposes in its result, parsed strictly: only fields that describe work, all or nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from genesis.errors import PlanningError, UsageError
from genesis.model import Task, TaskId
from genesis.model.base import Model, Name, Text, TextMap
from genesis.planning.request import check_request
from genesis.planning.task_types import CHANGE_OUTSIDE
from genesis.settings import Limits

__all__ = ["PROPOSAL", "parse_proposal"]

PROPOSAL = "subtasks"
"""The key of a result that holds a proposal."""

_SHOWN = 3
"""Faults of a proposal that one error lists."""


class _Subtask(Model):
    """One task as an agent may propose it. It cannot set agents, executors, limits, approvals or retries."""

    id: TaskId
    description: Annotated[str, Field(min_length=1)]
    type: Text = "generic"
    depends_on: tuple[Name, ...] = ()
    requires: tuple[Text, ...] = ()
    labels: TextMap = {}
    inputs: dict[str, Text] = {}
    outputs: tuple[Name, ...] = ()


_SUBTASKS = TypeAdapter(list[_Subtask])


def parse_proposal(value: JsonValue, limits: Limits) -> tuple[Task, ...]:
    """Parse a proposal. Inputs are plain text: references in them are not resolved.

    Args:
        value: What the result has under `subtasks`: a list of mappings with `id`, `description` and, optionally
            `type`, `depends_on` (ids of the same list), `requires`, `labels`, `inputs` and `outputs`.
        limits: Maximum length of a description.

    Returns:
        The tasks; empty where nothing is proposed.

    Raises:
        PlanningError: It is not such a list; the message has the first faults with their locations.
    """
    try:
        found = _SUBTASKS.validate_python(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        shown = "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in faults[:_SHOWN])
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise PlanningError(f"the proposed subtasks cannot be read: {shown}{more}") from error
    return tuple(_task(each, limits) for each in found)


def _task(proposed: _Subtask, limits: Limits) -> Task:
    try:
        description = check_request(proposed.description, limits)
    except UsageError as error:
        raise PlanningError(f"the proposed subtask {proposed.id!r} is not valid: {error.message}") from error
    return Task(
        id=proposed.id,
        description=description,
        type=proposed.type,
        depends_on=proposed.depends_on,
        requires=proposed.requires,
        labels=proposed.labels,
        inputs=dict(proposed.inputs),
        literal_inputs=tuple(proposed.inputs),
        outputs=proposed.outputs,
        side_effects=proposed.type in CHANGE_OUTSIDE,
    )


def _place(location: tuple[int | str, ...]) -> str:
    return "/".join(map(str, (PROPOSAL, *location)))
