"""Scalars of a document that remember how they were written: a field that wants text takes `3.10` and not `3.1`."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from genesis.foreign import encodable

__all__ = [
    "DEEPEST",
    "WrittenFloat",
    "WrittenInt",
    "WrittenTruth",
    "canonical",
    "is_deeper",
    "is_map_of_plain_texts",
    "number",
    "plain_value",
    "restore_text",
]

DEEPEST = 100
"""Levels of lists and mappings in an input, a result or a model's answer. Readers of JSON give up at 200."""

_MOST_DIGITS = 400
"""More digits than a float has; Python's own limit is 4,300."""
_CONTAINERS = (list, dict, tuple)


class WrittenInt(int):
    """A whole number that is not written as Python writes it: `007`, `+1`, `-0`."""

    written: str


class WrittenFloat(float):
    """A number that is not written as Python writes it: `3.10`, `1e3`, `1e400`."""

    written: str


class WrittenTruth(str):
    """A truth value that is not written as JSON writes it: `True`, `FALSE`."""

    __slots__ = ()


def number(text: str) -> int | float:
    """Read a number of a document; one that Python writes in another way remembers its text."""
    digits = text.lstrip("+-")
    value: int | float
    if digits.isdecimal() and len(digits) <= _MOST_DIGITS:
        value = int(text)
        if str(value) == text:
            return value
        whole = WrittenInt(value)
        whole.written = text
        return whole
    value = float(text)
    if repr(value) == text:
        return value
    broken = WrittenFloat(value)
    broken.written = text
    return broken


def restore_text(value: object) -> object:
    """Turn a scalar that was read as a number or a truth value back into its text; other values stay as they are."""
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.written
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def plain_value(value: Any) -> Any:
    """Make a plain JSON value of what was read.

    Raises:
        ValueError: It holds a number that JSON does not have, or is nested too deeply.
    """
    if is_deeper(value, DEEPEST):
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    return _plain(value)


def is_deeper(value: Any, most: int) -> bool:
    """Whether lists and mappings are nested in more levels than these; what contains itself is."""
    row = [value]
    for _ in range(most + 1):
        holders = {id(item): item for item in row if isinstance(item, _CONTAINERS)}
        if not holders:
            return False
        row = [item for each in holders.values() for item in (each.values() if isinstance(each, dict) else each)]
    return True


def is_map_of_plain_texts(value: Any) -> bool:
    """Whether a value is a flat map of ASCII texts, which is a plain JSON value as it is."""
    return type(value) is dict and all(map(_is_plain, value)) and all(map(_is_plain, value.values()))


def _is_plain(value: Any) -> bool:
    return type(value) is str and value.isascii()


def _plain(value: Any) -> Any:
    if type(value) is str:
        return encodable(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {encodable(key): _plain(item) for key, item in value.items()}
    if isinstance(value, WrittenTruth):
        return value.lower() == "true"
    if isinstance(value, float):
        if not math.isfinite(value):
            text = restore_text(value)
            raise ValueError(f"{text} is not a number that JSON supports; quote it to use it as text")
        return float(value)
    return int(value) if isinstance(value, WrittenInt) else encodable(value) if isinstance(value, str) else value


def canonical(name: str) -> str:
    """Return the one form of a name (NFC): a letter with an accent can be written as one character or as two."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
