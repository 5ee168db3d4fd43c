"""The JSON Schema of a promised output: a subset without references, whose check takes bounded time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, JsonValue
from pydantic_core import SchemaError, SchemaValidator, core_schema

from genesis.model.scalars import is_deeper, plain_value

__all__ = ["OutputSchema", "compile_pattern"]

_DEEPEST = 20
"""Levels of lists and mappings in a schema."""
_MOST_SCHEMAS = 1000
_LARGEST = 65_536
"""Characters of a schema as JSON."""
_LONGEST_PATTERN = 1000
_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")


def compile_pattern(pattern: str) -> SchemaValidator:
    """Compile a regular expression with an engine whose search takes linear time; look-around and backreferences fail.

    Raises:
        ValueError: It is not a regular expression of that engine, or too large.
    """
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"a pattern may have {_LONGEST_PATTERN:,} characters, this one has {len(pattern):,}")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip().removeprefix("error: ").removeprefix("SchemaError: ")
        raise ValueError(f"the pattern {pattern[:80]!r} cannot be used: {reason}") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_types(value: Any) -> bool:
    given = value if isinstance(value, list) else [value]
    return bool(given) and all(isinstance(each, str) and each in _TYPES for each in given)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_filled_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict)


def _is_anything(_value: Any) -> bool:
    return True


_KEYWORDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("title", "description", "pattern"), (_is_text, "a text")),
    **dict.fromkeys(("default", "const"), (_is_anything, "")),
    "examples": (lambda value: isinstance(value, list), "a list"),
    "type": (_is_types, f"one of {', '.join(_TYPES)}, or a list of them"),
    "enum": (_is_filled_list, "a list of values"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), (_is_number, "a number")),
    "multipleOf": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        (_is_count, "a whole number from 0"),
    ),
    "required": (_is_texts, "a list of names"),
    "properties": (
        lambda value: isinstance(value, dict) and all(map(_is_schema, value.values())),
        "a map of schemas",
    ),
    "additionalProperties": (lambda value: isinstance(value, bool | dict), "true, false or a schema"),
    **dict.fromkeys(("items", "not"), (_is_schema, "a schema")),
    **dict.fromkeys(
        ("prefixItems", "anyOf", "oneOf", "allOf"),
        (lambda value: _is_filled_list(value) and all(map(_is_schema, value)), "a list of schemas"),
    ),
}
"""The keywords of JSON Schema (2020-12) that a schema may have: what their values are, and how to say so."""


def _check_schema(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Check a schema: known keywords only, within the bounds.

    Raises:
        ValueError: With the location in the schema, what is wrong there, and what is possible.
    """
    if is_deeper(schema, _DEEPEST):
        raise ValueError(f"the schema is nested deeper than {_DEEPEST} levels")
    if len(json.dumps(schema)) > _LARGEST:
        raise ValueError(f"the schema has more than {_LARGEST:,} characters as JSON")
    waiting: list[tuple[str, dict[str, Any]]] = [("", schema)]
    for count, (place, each) in enumerate(waiting, 1):
        if count > _MOST_SCHEMAS:
            raise ValueError(f"the schema has more than {_MOST_SCHEMAS:,} schemas in it")
        for keyword, value in each.items():
            _check_keyword(f"{place}/{keyword}", keyword, value)
            waiting.extend(_inner_schemas(f"{place}/{keyword}", keyword, value))
    return schema


def _check_keyword(place: str, keyword: str, value: Any) -> None:
    if keyword not in _KEYWORDS:
        raise ValueError(f"{place}: {keyword!r} is not supported; a schema may have {', '.join(_KEYWORDS)}")
    fits, expected = _KEYWORDS[keyword]
    if not fits(value):
        raise ValueError(f"{place}: it must be {expected}")
    if keyword == "pattern":
        try:
            compile_pattern(value)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error


def _inner_schemas(place: str, keyword: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if keyword == "properties":
        yield from ((f"{place}/{name}", inner) for name, inner in value.items())
    elif keyword in ("prefixItems", "anyOf", "oneOf", "allOf"):
        yield from ((f"{place}/{number}", inner) for number, inner in enumerate(value))
    elif keyword in ("items", "not", "additionalProperties") and isinstance(value, dict):
        yield place, value


OutputSchema = Annotated[dict[str, JsonValue], BeforeValidator(plain_value), AfterValidator(_check_schema)]
"""A JSON Schema (a subset of 2020-12): no references, no formats, and patterns of a linear engine."""
