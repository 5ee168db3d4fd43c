"""What every model shares: frozen, no unknown keys, text and money as the documents want them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

__all__ = ["Fraction", "Model", "Seconds", "Text", "TextMap", "Usd"]


class Model(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _as_text(value: object) -> object:
    """Turn a scalar that YAML read as a number or a truth value back into text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text)]
"""Text; a number or a truth value in a document is taken as the text it was written as."""

TextMap = dict[str, Text]

Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False), PlainSerializer(float, return_type=float, when_used="json")]
"""Money in US dollars: exact inside, a JSON number outside."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A duration in seconds."""

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A share between 0 and 1."""
