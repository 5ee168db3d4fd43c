"""What every model shares: frozen, no unknown keys, text and money as the documents want them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer, Tag
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

__all__ = ["Fraction", "Model", "Seconds", "Text", "TextMap", "Usd", "empty_map"]


class Model(BaseModel):
    """A frozen model that refuses unknown keys."""

    # The schema is built when a model is first used: a command needs few of all models.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)


def _as_text(value: object) -> object:
    """Turn a scalar that YAML read as a number or a truth value back into text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def empty_map() -> Any:
    """Give a field a new empty mapping by default; pydantic would copy a default of `{}` deeply, and in Python."""
    return Field(default_factory=dict, json_schema_extra={"default": {}})


class _LenientText:
    """Takes text as it is, and calls Python only for what is not text: a plan has several texts a task."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = handler(source)
        scalar = core_schema.no_info_before_validator_function(_as_text, text)
        choices: list[CoreSchema | tuple[CoreSchema, str]] = [core_schema.str_schema(strict=True), scalar]
        return core_schema.union_schema(choices, mode="left_to_right", custom_error_type="string_type")

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema.str_schema())


Text = Annotated[str, _LenientText(), Tag("text")]
"""Text; a number or a truth value in a document is taken as the text it was written as."""

TextMap = dict[str, Text]

Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False), PlainSerializer(float, return_type=float, when_used="json")]
"""Money in US dollars: exact inside, a JSON number outside."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A duration in seconds."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A share between 0 and 1."""
