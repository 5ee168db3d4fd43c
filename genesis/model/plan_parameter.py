"""A typed parameter of a plan: a subset of JSON Schema, and the value of this run."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from genesis.model.base import Model
from genesis.model.scalars import plain_value, restore_text

__all__ = ["ParameterType", "PlanParameter"]

ParameterType = Literal["string", "integer", "number", "boolean", "array", "object"]

_Bound = Annotated[float, Field(allow_inf_nan=False)] | None
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
_SHOWN = 80


class PlanParameter(Model):
    """A parameter of a plan. It is required when it has no default."""

    type: ParameterType = "string"
    """Type of its values, as in JSON Schema."""
    description: str = ""
    """What it is for."""
    default: JsonValue = None
    """Value where a run gives none."""
    enum: tuple[JsonValue, ...] = ()
    """The values that it may have."""
    minimum: _Bound = None
    """Smallest value of a number."""
    maximum: _Bound = None
    """Largest value of a number."""
    value: JsonValue = None
    """Value of this run; written by `--param`."""

    @model_validator(mode="before")
    @classmethod
    def _read_values(cls, data: Any) -> Any:
        """Take values as the type reads them: the text `3.10` of a document is no number where text is wanted."""
        if not isinstance(data, dict):
            return data
        read = restore_text if data.get("type", "string") == "string" else plain_value
        values = {name: read(data[name]) for name in ("default", "value") if name in data}
        if isinstance(data.get("enum"), list | tuple):
            values["enum"] = [read(each) for each in data["enum"]]
        return data | values

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        if self.type not in ("integer", "number") and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"`minimum` and `maximum` are for numbers, and its type is {self.type!r}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"its minimum {self.minimum:g} is above its maximum {self.maximum:g}")
        for each in self.enum:
            if not self._has_type(each):
                raise ValueError(f"{_show(each)} in its enum is not of type {self.type!r}")
        for name in ("default", "value"):
            given = getattr(self, name)
            if given is not None and not self.accepts(given):
                raise ValueError(f"its {name} is {_show(given)}; expected: {self.expected()}")
        return self

    def accepts(self, value: JsonValue) -> bool:
        """Whether a value has the type and is within the bounds."""
        if not self._has_type(value) or (self.enum and not any(_is_same(value, each) for each in self.enum)):
            return False
        if not isinstance(value, int | float):
            return True
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    def expected(self) -> str:
        """Describe the values that it accepts, for people."""
        if self.enum:
            return f"one of {', '.join(map(_show, self.enum))}"
        bounds = [
            f"{word} {bound:g}" for word, bound in (("from", self.minimum), ("to", self.maximum)) if bound is not None
        ]
        return " ".join([f"{'an' if self.type[0] in 'aio' else 'a'} {self.type}", *bounds])

    def _has_type(self, value: JsonValue) -> bool:
        is_number = self.type in ("integer", "number")
        return isinstance(value, _PYTHON_TYPES[self.type]) and not (is_number and isinstance(value, bool))


def _is_same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are equal in JSON, where `true` is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _show(value: JsonValue) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
