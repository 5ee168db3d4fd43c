"""The base of all models: frozen, no unknown keys; shared field types."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    PlainSerializer,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from genesis.model.scalars import canonical, is_map_of_plain_texts, plain_value, restore_text

__all__ = [
    "AgentName",
    "Fraction",
    "JsonMap",
    "Model",
    "Name",
    "Seconds",
    "TaskId",
    "Text",
    "TextMap",
    "Usd",
    "empty_map",
]


class Model(BaseModel):
    """A frozen model that refuses unknown keys."""

    # The schema is built when a model is first used: a command needs few of all models.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)


def empty_map() -> Any:
    """Return a field a new empty mapping by default; pydantic would copy a default of `{}` deeply, and in Python."""
    return Field(default_factory=dict, json_schema_extra={"default": {}})


class _LenientText:
    """Takes text as it is, and calls Python only for what is not text: a plan has several texts a task."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = handler(source)
        scalar = core_schema.no_info_before_validator_function(restore_text, text)
        choices: list[CoreSchema | tuple[CoreSchema, str]] = [core_schema.str_schema(strict=True), scalar]
        return core_schema.union_schema(choices, mode="left_to_right", custom_error_type="string_type")

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema.str_schema())


Text = Annotated[str, _LenientText(), Tag("text")]
"""Text; a number or a truth value in a document is taken as the text it was written as."""

TextMap = dict[str, Text]


class _Name:
    """Takes a name in its canonical form (NFC); an ASCII one is in it, and is taken without calling Python."""

    def __init__(self, pattern: str | None = None, longest: int | None = None, wanted: str = "a text") -> None:
        plain = r"^[A-Za-z0-9_.\-/]+$" if pattern is None else r"^[A-Za-z0-9_.\-]+$"
        self._any = core_schema.str_schema(pattern=pattern, max_length=longest)
        self._ascii = core_schema.str_schema(pattern=plain, max_length=longest, strict=True)
        self._wanted = wanted

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        slow = core_schema.no_info_before_validator_function(_as_name, self._any)
        choices: list[CoreSchema | tuple[CoreSchema, str]] = [self._ascii, slow]
        return core_schema.union_schema(
            choices,
            mode="left_to_right",
            custom_error_type="name",
            custom_error_message=f"it must be {self._wanted}",
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self._any)


def _as_name(value: object) -> object:
    text = restore_text(value)
    return canonical(text) if isinstance(text, str) else text


Name = Annotated[str, _Name(), Tag("text")]
"""The name of a variable, an output or a task, in its canonical form."""

TaskId = Annotated[str, _Name(r"^[\w.\-]+$", 200, "letters, digits, `_`, `-` and `.`, at most 200"), Tag("text")]
"""Letters, digits, `_`, `-` and `.`; unique among siblings."""

AgentName = Annotated[str, _Name(r"^[\w.\-]+$", 100, "letters, digits, `_`, `-` and `.`, at most 100"), Tag("text")]
"""The name of an agent, in its canonical form."""


def _read_json_map(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Read JSON values by name; nearly all inputs are plain texts, of which each type need not be asked for."""
    return dict(value) if is_map_of_plain_texts(value) else validate(plain_value(value))


JsonMap = Annotated[dict[str, JsonValue], WrapValidator(_read_json_map)]
"""JSON values by name, as deep as JSON's readers go, with numbers that JSON can hold."""

Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False), PlainSerializer(float, return_type=float, when_used="json")]
"""Money in US dollars: exact inside, a JSON number outside."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A duration in seconds."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A share between 0 and 1."""
