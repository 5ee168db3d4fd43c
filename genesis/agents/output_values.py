"""Promised outputs against their JSON Schemas, and values to rehearse with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic_core import SchemaValidator

from genesis.model.output_schema import compile_pattern
from genesis.model.scalars import canonical
from genesis.structure import WHOLE_RESULT

__all__ = ["Mismatch", "example_outputs", "example_value", "find_mismatch"]

_SHOWN = 120
_MOST_ITEMS = 100

_pattern = lru_cache(maxsize=256)(compile_pattern)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A promised output that does not fit its schema."""

    output: str
    pointer: str
    """JSON Pointer (RFC 6901) of the value in the output; empty for the output itself."""
    expected: str
    """The keyword of the schema with its value, for example `type: "integer"`."""
    got: str
    """The value as JSON, shortened."""

    def __str__(self) -> str:
        place = f" at {self.pointer}" if self.pointer else ""
        return f"output {self.output!r}{place}: expected {self.expected}, got {self.got}"


def find_mismatch(schemas: Mapping[str, Mapping[str, JsonValue]], value: JsonValue) -> Mismatch | None:
    """Find the first promised output of a result that does not fit its schema. Takes time by the size of the result.

    Args:
        schemas: Schema by output; one of `result` is about the whole result, unless that has a key of this name.
        value: The result, which has all promised outputs.
    """
    given = {canonical(name): item for name, item in value.items()} if isinstance(value, dict) else {}
    for output, schema in schemas.items():
        item = value if output == WHOLE_RESULT and output not in given else given.get(output)
        for error in _errors(schema, item):
            pointer = "".join(f"/{_escape(part)}" for part in error.absolute_path)
            expected = f"{error.validator}: {_show(error.validator_value)}"
            return Mismatch(output, pointer, expected, _show(error.instance))
    return None


def _errors(schema: Mapping[str, JsonValue], value: JsonValue) -> Iterator[Any]:
    """Return jsonschema's errors one by one; it is imported only for a task whose outputs have schemas."""
    from jsonschema import (  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types, and takes 0.14 s
        Draft202012Validator,
        validators,
    )

    checks = {"pattern": _check_pattern, "multipleOf": _check_multiple}
    return iter(validators.extend(Draft202012Validator, checks)(schema).iter_errors(value))


def _check_pattern(_validator: object, pattern: str, instance: object, _schema: object) -> Iterator[Exception]:
    """Search a text for a pattern in linear time; jsonschema's own search can take exponential time."""
    from jsonschema import ValidationError as SchemaMismatch  # noqa: PLC0415  # see above

    if isinstance(instance, str) and not _matches(_pattern(pattern), instance):
        yield SchemaMismatch("it does not match")


def _check_multiple(_validator: object, divisor: float, instance: object, _schema: object) -> Iterator[Exception]:
    """Divide as decimal numbers: 0.3 is a multiple of 0.1, and no number is too large."""
    from jsonschema import ValidationError as SchemaMismatch  # noqa: PLC0415  # see above

    if isinstance(instance, int | float) and not isinstance(instance, bool) and _exact(instance) % _exact(divisor):
        yield SchemaMismatch("it is no multiple")


def _exact(number: float) -> Fraction:
    return Fraction(number if isinstance(number, int) else repr(number))


def _matches(pattern: SchemaValidator, text: str) -> bool:
    try:
        pattern.validate_python(text)
    except ValidationError:
        return False
    return True


def _escape(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _show(value: Any) -> str:
    """Write a value as JSON, and no more of it than is shown: it may be large."""
    text = ""
    for chunk in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += chunk
        if len(text) > _SHOWN:
            return f"{text[: _SHOWN - 1]}…"
    return text


def example_outputs(
    names: Iterable[str], schemas: Mapping[str, Mapping[str, JsonValue]], path: str
) -> dict[str, JsonValue]:
    """Invent the outputs that a task promises: a text that says it was rehearsed, or a value of the schema's type."""
    return {name: example_value(schemas.get(name, {}), f"(rehearsed {name} of {path})") for name in names}


def example_value(schema: Mapping[str, Any], text: str) -> JsonValue:
    """Invent a value of a schema's type, for a rehearsal: bounds of texts, patterns and `not` are not looked at.

    Args:
        schema: The schema.
        text: What stands for texts, and for values of any type.
    """
    for choice in ("const", "default"):
        if choice in schema:
            return _json(schema[choice])
    for choices in ("enum", "examples"):
        if schema.get(choices):
            return _json(schema[choices][0])
    for choices in ("anyOf", "oneOf", "allOf"):
        if choices in schema and "type" not in schema:
            return example_value(schema[choices][0], text)
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    return _example_of_type(kind, schema, text)


def _example_of_type(kind: str, schema: Mapping[str, Any], text: str) -> JsonValue:
    match kind:
        case "integer" | "number":
            return _example_number(schema)
        case "boolean":
            return False
        case "null":
            return None
        case "array":
            count = min(max(schema.get("minItems", 0), len(schema.get("prefixItems", ()))), _MOST_ITEMS)
            first = [example_value(each, text) for each in schema.get("prefixItems", ())]
            rest = [example_value(schema.get("items", {}), text) for _ in range(count - len(first))]
            return [*first, *rest]
        case "object":
            wanted: dict[str, Mapping[str, Any]] = {name: {} for name in schema.get("required", ())}
            wanted |= schema.get("properties", {})
            return {name: example_value(each, text) for name, each in wanted.items()}
        case _:
            return text


def _example_number(schema: Mapping[str, Any]) -> JsonValue:
    low = max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
    number = min(low, schema.get("maximum", low), schema.get("exclusiveMaximum", low + 1) - 1)
    return _json(number)


def _json(value: Any) -> JsonValue:
    found: JsonValue = value
    return found
