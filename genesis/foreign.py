"""Read untrusted values safely: exceptions and objects of foreign code, and texts that are not valid Unicode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["encodable", "errno_of", "read_safely"]

_T = TypeVar("_T")


def encodable(value: Any) -> Any:
    """Escape what UTF-8 cannot encode in a text, or in the texts of plain values (backslashreplace).

    Python uses such texts for bytes that are not UTF-8: file names, arguments, environment variables.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {encodable(key): encodable(item) for key, item in value.items()}
    return [encodable(item) for item in value] if isinstance(value, list | tuple) else value


def read_safely(read: Callable[[], _T], otherwise: _T) -> _T:
    """Evaluate a function of a foreign object, whose attributes and `__str__` may run any code."""
    try:
        return read()
    except BaseException:  # noqa: BLE001  # a boundary: what cannot be read is not known, whatever it raises
        return otherwise


def errno_of(error: BaseException) -> int:
    """Return the errno of a system error; 0 where there is none."""
    number = error.errno if isinstance(error, OSError) else None
    return number if isinstance(number, int) else 0
