"""What executors return, made into plain JSON values."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, from_json, to_json

from genesis.errors import TaskError

__all__ = ["plain", "promised"]


def plain(value: object, *, source: str) -> JsonValue:
    """Turn a returned value into plain JSON values, by writing it as JSON and reading it back.

    Pydantic models, dataclasses, dates, decimals, paths and sets become what JSON has for them; NaN and the infinities,
    which JSON lacks, become null. A bare iterator is refused: an open file or an endless generator is one as well.

    Args:
        value: What was returned.
        source: What returned it, for the message.

    Raises:
        TaskError: The value, or something in it, has no JSON form: an open file, a cycle, bytes that are not UTF-8.
    """
    if isinstance(value, Iterator):
        raise TaskError(f"{source!r} returned a {type(value).__name__!r}", hint="return list(…) of it")
    try:
        made: JsonValue = from_json(to_json(value, inf_nan_mode="null"))
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise TaskError(
            f"{source!r} returned {type(value).__name__!r}, which cannot be kept as JSON: {error}",
            hint="return numbers, text, lists and mappings, a dataclass or a pydantic model",
        ) from error
    return made


def promised(value: JsonValue, outputs: tuple[str, ...]) -> JsonValue:
    """Name a bare value when the task promises exactly one output.

    A function that counts may return `3` instead of `{"count": 3}`; what already is a mapping is taken as it is.
    """
    if len(outputs) == 1 and value is not None and not isinstance(value, dict):
        return {outputs[0]: value}
    return value
