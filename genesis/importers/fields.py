"""Read fields of foreign documents, which may have any type: what has another type than expected reads as empty."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from genesis.model.resources import Resources
from genesis.model.scalars import restore_text
from genesis.text import one_line

__all__ = ["excerpt", "items_of", "mapping_of", "resources_of", "seconds_of", "text_of", "texts_of"]

_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?\Z", re.IGNORECASE | re.ASCII)
_GO = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHOWN = 120
"""Characters of a value in a message."""
_LONGEST = 40
"""Characters of a duration."""


def text_of(value: Any) -> str:
    """Return a scalar as it is written; lists and mappings as JSON, nothing as an empty text."""
    if value is None:
        return ""
    plain = restore_text(value)
    return plain if isinstance(plain, str) else json.dumps(value, ensure_ascii=False)


def mapping_of(value: Any) -> dict[str, Any]:
    """Return a mapping, or an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def items_of(value: Any) -> list[Any]:
    """Return a list, or an empty one for any other value."""
    return value if isinstance(value, list) else []


def texts_of(value: Any) -> list[str]:
    """Return a list of texts; a single scalar is a list of one."""
    if isinstance(value, list):
        return [text_of(item) for item in value]
    return [] if value is None or isinstance(value, dict) else [text_of(value)]


def seconds_of(value: Any) -> float | None:
    """Return a duration in seconds: a number, `1h30m` or ISO 8601 (`PT5M`); None for anything else, and for 0."""
    text = text_of(value).strip()[:_LONGEST]
    found = 0.0
    if iso := _ISO.match(text):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        found = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    elif re.fullmatch(r"\d+(?:\.\d+)?", text, re.ASCII):
        found = float(text)
    elif _GO.sub("", text) == "":
        found = sum(float(number) * _UNITS[unit] for number, unit in _GO.findall(text))
    return found if found > 0 and math.isfinite(found) else None


def resources_of(*, cpu: Any, memory: Any) -> dict[str, Any]:
    """Return the amounts of processors and memory that a plan file can say, as its keys."""
    found: dict[str, Any] = {}
    for name, amount in (("cpu", cpu), ("memory", memory)):
        if amount is not None and not isinstance(amount, bool):
            with suppress(ValidationError):
                Resources.model_validate({name: amount})
                found[name] = amount
    return found


def excerpt(value: Any) -> str:
    """Return the beginning of a value in one line, for a message."""
    return one_line(text_of(value), _SHOWN)
