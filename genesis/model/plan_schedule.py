"""When a deployed plan is run, and who is notified of how it ends: the keys `schedules` and `notify` of a plan."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from genesis.model.base import JsonMap, Model, TaskId, Text, empty_map

__all__ = ["ANCHOR", "Notification", "NotifiedState", "PlanSchedule"]

ANCHOR = datetime(2020, 1, 1, tzinfo=UTC)
"""From where an interval without an anchor, and a rule without a start, are counted."""
NotifiedState = Literal["completed", "failed", "cancelled", "briefed", "late"]

_LONGEST_INTERVAL_S = 10 * 366 * 86_400
_LONGEST_RRULE = 6_400
"""Characters of a rule; Prefect refuses 6,500 with its start."""
_BOUNDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_PRESETS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_RULE = re.compile(
    r"^(?:RRULE:)?(?:[A-Z]+=[^;\s]*;)*FREQ=(?:YEARLY|MONTHLY|WEEKLY|DAILY|HOURLY)(?:;|\s|$)", re.MULTILINE
)
_BLOCK = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*\Z")


def _check_cron(value: str) -> str:
    """Check the number of fields and the bounds of numbers; Prefect checks the rest when the plan is deployed."""
    fields = value.split()
    if value.strip() in _PRESETS:
        return value.strip()
    if len(fields) != len(_BOUNDS):
        raise ValueError(
            f"it has {len(fields)} fields; cron has 5: minute, hour, day of the month, month, day of the week, as in "
            f"'0 6 * * 1-5', or is one of {', '.join(_PRESETS)}"
        )
    for field, (name, least, most) in zip(fields, _BOUNDS, strict=True):
        for number in re.findall(r"(?<![/#\w])\d+", re.sub(r"/\d+", "", field)):
            if not least <= int(number) <= most:
                raise ValueError(f"its {name} is {field!r}; expected: {least} to {most}")
        if re.search(r"/0+(?!\d)", field):
            raise ValueError(f"its {name} is {field!r}, with a step of 0")
    return " ".join(fields)


def _check_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {value!r}; use a name such as Europe/Berlin, or UTC") from error
    return value


def _check_rule(value: str) -> str:
    if len(value) > _LONGEST_RRULE:
        raise ValueError(f"it has {len(value):,} characters; the limit is {_LONGEST_RRULE:,}")
    if not _RULE.search(value):
        raise ValueError(
            "it has no FREQ from YEARLY to HOURLY; expected a rule of RFC 5545 such as 'FREQ=MONTHLY;BYMONTHDAY=-1'; "
            "for shorter intervals use `interval_s`"
        )
    return value


def _check_block(value: str) -> str:
    if not _BLOCK.match(value):
        raise ValueError("it is no block; expected TYPE/NAME, such as slack-webhook/team: addresses stay on the server")
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class PlanSchedule(Model):
    """When a deployed plan is run: one of `cron`, `interval_s` and `rrule`."""

    name: TaskId
    """Unique within the plan."""
    cron: Annotated[Text, AfterValidator(_check_cron)] | None = None
    """Five fields, or `@daily` and the like."""
    interval_s: Annotated[float, Field(ge=1, le=_LONGEST_INTERVAL_S, allow_inf_nan=False)] | None = None
    """Seconds between two runs."""
    rrule: Annotated[Text, AfterValidator(_check_rule)] | None = None
    """A recurrence rule of RFC 5545."""
    anchor: datetime | None = None
    """A moment from which the interval is counted; 2020-01-01 if omitted. Without an offset it is in `timezone`."""
    timezone: Annotated[str, AfterValidator(_check_timezone)] = "UTC"
    """In which the times are meant; those of a zone with summer time follow it."""
    active: bool = True
    """Whether it starts runs."""
    params: JsonMap = empty_map()
    """Values for the plan's parameters."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        given = [name for name in ("cron", "interval_s", "rrule") if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"it has {' and '.join(given)}" if given else "it has none"
            raise ValueError(f"schedule {self.name!r} needs one of `cron`, `interval_s` and `rrule`; {found}")
        if self.anchor is not None and self.interval_s is None:
            raise ValueError(f"schedule {self.name!r} has an `anchor`, which is for `interval_s`")
        return self


class Notification(Model):
    """Who is notified of the ends of a deployed plan's runs."""

    on: Annotated[tuple[NotifiedState, ...], BeforeValidator(_as_list), Field(min_length=1)]
    """What is reported: how a run ends, where `briefed` is one with work orders for people, or that it starts late."""
    through: Annotated[str, AfterValidator(_check_block)]
    """Prefect block that sends it: `TYPE/NAME` of a notification block, or `webhook/NAME`."""
