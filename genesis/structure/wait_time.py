"""What the `time` of a `wait_for` stands for, as far as that is known before the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from genesis.model import WaitFor
from genesis.model.wait_for import parse_time
from genesis.structure.references import fill, references

__all__ = ["read_wait_time"]


def read_wait_time(wait: WaitFor | None, values: Mapping[str, JsonValue]) -> float | datetime | None:
    """Return the seconds or the moment that a task waits for; None where it waits for none, or a result gives it.

    Args:
        wait: What the task waits for.
        values: The plan's variables and parameters, and the names of the copy that the task is in.

    Raises:
        ValueError: It is neither seconds nor a time with its zone.
    """
    if wait is None or wait.time is None:
        return None
    value = fill(wait.time, values.__contains__, values.__getitem__)
    return None if references(value) else parse_time(value)
