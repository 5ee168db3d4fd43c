"""The value of `for_each`: a list, a map of lists, or a reference to a list."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, JsonValue, WithJsonSchema

from genesis.model.scalars import plain_value

__all__ = ["ForEach"]

_REFERENCE = re.compile(r"\{[^{}]+\}")
_WANTED = "a list, one reference to a list such as {task.key} or {variable}, or a map of these"


def _check(value: Any) -> Any:
    """Check the shape of a `for_each`; that its references are known is found by validation.

    Raises:
        ValueError: It has another shape.
    """
    if value is None:
        return None
    value = plain_value(value)
    lists = value if isinstance(value, dict) else {"": value}
    if isinstance(value, dict) and (not value or "" in value):
        raise ValueError(f"the map has {'a list without a name' if value else 'no list'}; for_each is {_WANTED}")
    for name, each in lists.items():
        if not (isinstance(each, list) or (isinstance(each, str) and _REFERENCE.fullmatch(each))):
            where = f"{name!r} is" if name else "it is"
            raise ValueError(f"{where} {_kind(each)}; for_each is {_WANTED}")
    return value


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return "a map" if isinstance(value, dict) else f"the value {value!r}"


_LIST_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "array"}, {"type": "string", "pattern": r"^\{[^{}]+\}$"}]}
_SCHEMA: dict[str, Any] = {
    "anyOf": [
        *_LIST_SCHEMA["anyOf"],
        {"type": "object", "additionalProperties": _LIST_SCHEMA, "minProperties": 1},
    ]
}

ForEach = Annotated[JsonValue, BeforeValidator(_check), WithJsonSchema(_SCHEMA)]
"""A list of values; a map of lists, of which every combination is a value; or a reference to a list."""
