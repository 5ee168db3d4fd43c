"""Turn plain values into a model, with errors that name the path in the document and a close match."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from genesis.errors import DocumentError
from genesis.foreign import encodable, read_safely
from genesis.model.scalars import DEEPEST, is_deeper

__all__ = ["close_matches", "normalize_values", "validate_model"]

_M = TypeVar("_M", bound=BaseModel)
_SHOWN = 5
"""Problems that one error message lists."""
_LONGEST = 80
"""Most characters of a refused value in a message."""


def close_matches(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the known word that is closest, or an empty text."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else ""


def normalize_values(value: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """Check a document that was passed as plain values against the bounds of a file.

    Raises:
        DocumentError: It is nested too deeply, or contains itself.
    """
    if is_deeper(dict(value), DEEPEST):
        raise DocumentError(f"{source} is nested deeper than {DEEPEST} levels", data={"source": source})
    found: dict[str, Any] = encodable(dict(value))
    return found


def validate_model(model: type[_M], value: Any, *, source: str, noun: str) -> _M:
    """Validate plain values as a model.

    Args:
        model: The model class.
        value: The result of `read` or `parse`.
        source: File name or the like, for the message.
        noun: The kind of document, for example `plan`.

    Raises:
        DocumentError: Each problem with its path in the document; `data["errors"]` has all of them.
    """
    if not isinstance(value, dict):
        raise DocumentError(
            f"{source}: the {noun} file must be a mapping with keys, this is {_kind(value)}",
            hint=f"run: genesis schema {noun}",
            data={"source": source},
        )
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [_problem(model, detail) for detail in error.errors(include_url=False)]
    shown = "; ".join(f"{where}: {what}" for where, what in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise DocumentError(
        f"{source} is not a valid {noun} file: {shown}{more}",
        hint=f"run: genesis schema {noun}",
        data={"source": source, "where": problems[0][0], "errors": [{"where": w, "what": t} for w, t in problems]},
    )


def _problem(model: type[BaseModel], detail: Any) -> tuple[str, str]:
    location = tuple(detail["loc"])
    where = _where(location)
    match detail["type"]:
        case "extra_forbidden":
            guess = close_matches(str(location[-1]), _find_allowed_keys(model, location[:-1]))
            return where, ", ".join(filter(None, (f"unknown key {str(location[-1])!r}", guess)))
        case "missing":
            return where, f"the key {str(location[-1])!r} is missing"
        case "value_error":
            return where, str(detail["msg"]).removeprefix("Value error, ")
        case _:
            given = read_safely(lambda: repr(detail.get("input")), "?")
            return (
                where,
                f"{detail['msg']} (given: {given if len(given) <= _LONGEST else given[: _LONGEST - 3] + '...'})",
            )


def _where(location: tuple[Any, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "the document"


def _find_allowed_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Find the keys that are allowed at a place, by walking the JSON Schema."""
    schema = _schema(model)
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for part in location:
        nodes = [step for node in nodes for step in _step(node, part, definitions)]
    choices = [choice for node in nodes for choice in _choices(node, definitions)]
    return sorted({key for choice in choices for key in choice.get("properties", {})})


@lru_cache(maxsize=16)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON Schema, cached: that of a registry takes 30 ms."""
    return model.model_json_schema()


def _choices(node: Any, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a schema and all that it may be instead, references resolved."""
    found = [_resolve(node, definitions)]
    for schema in found:
        found += [
            _resolve(choice, definitions) for key in ("anyOf", "oneOf", "allOf") for choice in schema.get(key, ())
        ]
    return found


def _resolve(node: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    while isinstance(node, dict) and "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[1]]
    return node if isinstance(node, dict) else {}


def _step(node: Any, part: Any, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schemas one step further down a path."""
    found: list[dict[str, Any]] = []
    for choice in _choices(node, definitions):
        if isinstance(part, int):
            found.extend([choice["items"]] if "items" in choice else [])
        elif part in choice.get("properties", {}):
            found.append(choice["properties"][part])
        elif isinstance(choice.get("additionalProperties"), dict):
            found.append(choice["additionalProperties"])
        elif choice.get("properties", {}).get("kind", {}).get("const") == part:
            found.append(choice)
    return found


def _kind(value: Any) -> str:
    names = {
        type(None): "empty",
        list: "a list",
        str: "text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), type(value).__name__)
