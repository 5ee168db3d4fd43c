"""What a task waits for: an event, the end of another run, or a moment."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from genesis.model.base import Model, Name, Text, empty_map

__all__ = ["LONGEST_WAIT_S", "WaitFor", "parse_time"]

LONGEST_WAIT_S = 366 * 86_400.0
"""A longer wait for a moment is refused."""
_Seconds = Annotated[float, Field(strict=True, ge=0, le=LONGEST_WAIT_S, allow_inf_nan=False)]
_WANTED = "a number of seconds, or a time with its zone such as 2026-12-01T06:00:00+01:00"


class WaitFor(Model):
    """An event, the end of another run, or a moment; in all texts references are resolved."""

    event: Text | None = None
    """Name of a Prefect event, such as `prefect.flow-run.Completed`."""
    resource: dict[Name, Text] = empty_map()
    """Labels that the event's resource must have; `prefect.resource.id` is its id."""
    run: Text | None = None
    """Id of a run of Genesis, or of a Prefect flow run."""
    ends: Literal["completed", "any"] = "completed"
    """How that run must end: `completed`, or in any way."""
    time: Annotated[_Seconds | Text | None, Field(union_mode="left_to_right")] = None
    """Seconds after all before the task has ended, or a time in ISO 8601 with its zone."""

    @model_validator(mode="after")
    def _has_one_thing(self) -> Self:
        named = [name for name in ("event", "run", "time") if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"it has {' and '.join(named) or 'none'} of `event`, `run` and `time`; name one of them")
        if self.resource and self.event is None:
            raise ValueError("`resource` is about an `event`, and there is none")
        if self.run is None and self.ends != "completed":
            raise ValueError("`ends` is about a `run`, and there is none")
        return self


def parse_time(value: object) -> float | datetime:
    """Parse the value of `time`.

    Returns:
        Seconds to wait, or the moment that is waited for.

    Raises:
        ValueError: It is neither, has no zone, or is too long.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return _parse_moment(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{str(value)[:60]!r} is not {_WANTED}")
    if not 0 <= value <= LONGEST_WAIT_S:
        raise ValueError(f"{value:g} is not from 0 to {LONGEST_WAIT_S:,.0f} seconds")
    return float(value)


def _parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not {_WANTED}") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text[:60]!r} has no zone: add Z for UTC, or an offset such as +01:00")
    return moment
