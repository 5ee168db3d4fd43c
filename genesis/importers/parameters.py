"""Parameters of a workflow as typed parameters of the plan."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from genesis.importers.workflow import WorkflowParameter
from genesis.model.plan_parameter import PlanParameter
from genesis.security.redact import redact
from genesis.security.secret_names import is_secret_variable

__all__ = ["find_parameter", "is_typed", "write_parameter"]

_TYPES = {
    "bool": "boolean", "boolean": "boolean",
    "int": "integer", "integer": "integer", "long": "integer",
    "number": "number", "float": "number", "double": "number",
}  # fmt: skip
_TEXTS = ("", "string", "choice", "select", "enum")
"""Types that are texts, perhaps with a list of options."""


def find_parameter(parameters: Iterable[WorkflowParameter], name: str) -> WorkflowParameter | None:
    """Return the parameter of a name, if the plan can have it: with a default that is no secret."""
    found = next((each for each in parameters if each.name == name), None)
    if found is None or found.default is None:
        return None
    is_secret = is_secret_variable(name, found.default) or redact(found.default) != found.default
    return None if is_secret else found


def write_parameter(parameter: WorkflowParameter) -> dict[str, Any]:
    """Write a parameter with a default for `params`; it is text where its default does not have its type as written."""
    kind = _TYPES.get(parameter.type.lower().removesuffix("?"), "string")
    value = _read_default(parameter.default, kind)
    document: dict[str, Any] = {"default": parameter.default}
    if value is not None and kind != "string":
        document = {"type": kind, "default": value}
    elif parameter.options:
        document["enum"] = list(parameter.options)
    try:
        PlanParameter.model_validate(document)
    except ValidationError:
        return {"default": parameter.default}
    return document


def is_typed(parameter: WorkflowParameter) -> bool:
    """Whether the plan requires of its values what the source does."""
    document = write_parameter(parameter)
    if parameter.options and "enum" not in document:
        return False
    return "type" in document or parameter.type.lower() in _TEXTS


def _read_default(text: str | None, kind: str) -> bool | int | float | None:
    """Read a default as a value of a type; None where it is another text than the value has."""
    try:
        value = json.loads(text or "")
    except ValueError:
        return None
    known = {"boolean": bool, "integer": int, "number": int | float}.get(kind)
    fits = known is not None and isinstance(value, known) and (kind == "boolean" or not isinstance(value, bool))
    return value if fits and json.dumps(value) == text else None
