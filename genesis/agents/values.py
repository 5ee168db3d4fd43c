"""What executors return, made into plain JSON values."""

from __future__ import annotations

import codecs
import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from genesis.errors import TaskError
from genesis.foreign import encodable
from genesis.model.scalars import DEEPEST, is_deeper

__all__ = ["CollisionError", "decode_utf8", "plain", "read_json", "wrap_bare_value"]

_BAD = (PydanticSerializationError, ValueError, TypeError, RecursionError, AttributeError, OverflowError)


class CollisionError(ValueError):
    """Two keys of a mapping are the same in JSON, so that one of them would be lost."""


def plain(value: object, *, source: str) -> JsonValue:
    """Turn a returned value into plain JSON values, by writing it as JSON and reading it back.

    Pydantic models, dataclasses, dates, decimals, paths and sets become what JSON has for them; NaN and the infinities,
    which JSON lacks, become null, and keys become text: where two keys would be the same text, the one that is no text
    gets its type behind it, as in `1 (int)`. A bare iterator is refused: an open file or an endless
    generator is one as well. What UTF-8 cannot encode, such as a file's name in bytes of its own, becomes escapes.

    Args:
        value: What was returned.
        source: What returned it, for the message.

    Raises:
        TaskError: The value, or something in it, has no JSON form: an open file, a cycle, bytes that are not UTF-8,
            two keys that are the same text, more levels than JSON's readers take.
    """
    if isinstance(value, Iterator):
        raise TaskError(f"{source!r} returned a {type(value).__name__!r}", hint="return list(…) of it")
    try:
        try:
            return _round_trip(value)
        except CollisionError:
            return _round_trip(_with_distinct_keys(value))
    except CollisionError as error:
        raise TaskError(
            f"{source!r} returned a mapping in which {error}",
            hint="JSON's keys are text: give each entry a text of its own as its key",
        ) from error
    except _BAD as error:
        raise TaskError(
            f"{source!r} returned {type(value).__name__!r}, which cannot be kept as JSON: {error}",
            hint="return numbers, text, lists and mappings, a dataclass or a pydantic model",
        ) from error


def _round_trip(value: object) -> JsonValue:
    try:
        raw = to_json(value, inf_nan_mode="null")
    except PydanticSerializationError:
        raw = to_json(encodable(to_jsonable_python(encodable(value))), inf_nan_mode="null")
    made: JsonValue = from_json(raw)
    if is_deeper(made, DEEPEST):
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    if to_json(made) != raw:  # what was lost is a key that stands twice
        json.loads(raw, object_pairs_hook=_without_collision)
    return made


def _with_distinct_keys(value: object) -> object:
    """Add its type to each key that is no text and would be the same as another key in JSON."""
    if isinstance(value, dict):
        texts = Counter(map(_key_text, value))
        kept = {_distinct(key, texts): _with_distinct_keys(item) for key, item in value.items()}
        return kept if len(kept) == len(value) else value
    return [_with_distinct_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _distinct(key: object, texts: Counter[str]) -> object:
    text = _key_text(key)
    return key if isinstance(key, str) or texts[text] == 1 else f"{text} ({type(key).__name__})"


def _key_text(key: object) -> str:
    """Write a mapping's key as JSON does."""
    return key if isinstance(key, str) else next(iter(json.loads(to_json({key: None}))))


def _without_collision(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise CollisionError(f"two keys are both {twice!r} in JSON")
    return found


def decode_utf8(raw: bytes) -> str:
    """Read what a program wrote as text: without a byte order mark, and with escapes for bytes that are not UTF-8."""
    return raw.removeprefix(codecs.BOM_UTF8).decode("utf-8", "backslashreplace")


def read_json(text: str) -> JsonValue:
    """Read JSON that came from elsewhere; NaN and the infinities, which Python and JavaScript write, become null.

    Raises:
        CollisionError: A mapping has one key twice.
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_without_collision,
            parse_constant=lambda _: None,
            parse_float=lambda digits: number if math.isfinite(number := float(digits)) else None,
        )
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels") from error
    if is_deeper(value, DEEPEST):
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    made: JsonValue = encodable(value) if "\\u" in text else value
    return made


def wrap_bare_value(value: JsonValue, outputs: tuple[str, ...]) -> JsonValue:
    """Name a bare value when the task promises exactly one output.

    A function that counts may return `3` instead of `{"count": 3}`; what already is a mapping is taken as it is.
    """
    if len(outputs) == 1 and value is not None and not isinstance(value, dict):
        return {outputs[0]: value}
    return value
