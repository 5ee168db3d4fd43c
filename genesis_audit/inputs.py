"""What a leaf's inputs mean: they come from a request, so numbers and yes or no often arrive as text."""

from __future__ import annotations

from genesis.errors import TaskError

__all__ = ["whole_number", "yes_or_no"]

_REFUSED = "GEN-TASK-INPUT"
"""The same input is refused again, so such a task is not repeated."""
_YES = frozenset({"yes", "true", "1", "y", "on"})
_NO = frozenset({"no", "false", "0", "n", "off", "", "none"})


def yes_or_no(value: object, name: str) -> bool:
    """Read a yes or no, and refuse any other word rather than guess.

    Raises:
        TaskError: The value is neither.
    """
    word = str(value).strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise TaskError(
        f"{name} is {value!r}, which is neither yes nor no", hint=f"give {name}=yes or {name}=no", code=_REFUSED
    )


def whole_number(value: object, name: str, *, least: int = 0, most: int = 1_000_000) -> int:
    """Read a whole number from an int or its text.

    Raises:
        TaskError: The value is not a whole number, or is outside `least` to `most`.
    """
    try:
        number = int(str(value).strip())
    except ValueError:
        raise TaskError(
            f"{name} is {value!r}, which is not a whole number", hint=f"give {name} as digits", code=_REFUSED
        ) from None
    if not least <= number <= most:
        raise TaskError(f"{name} is {number}, which is out of range", hint=f"give {least} to {most}", code=_REFUSED)
    return number
