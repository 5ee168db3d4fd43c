"""The schedules of Airflow's DAGs, as schedules of the plan."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from genesis.importers.literals import UNKNOWN, Duration, call_name, evaluate, keywords_of

__all__ = ["read_schedule"]

_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")


def read_schedule(value: Any, given: Mapping[str, ast.expr], names: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the keys of a schedule; None for datasets, timetables, presets without a time, and what is not known.

    A cron expression is in the time zone of the start date, UTC if that has none. An interval is counted from the start
    date.

    Args:
        value: The DAG's `schedule`, evaluated.
        given: The arguments of the DAG.
        names: Values of names.
    """
    start = given.get("start_date") or _read_default(given.get("default_args"))
    zone = _read_zone(start, names)
    if zone is None:
        return None
    if isinstance(value, Duration):
        anchor = _read_moment(start, names)
        return None if anchor is None else {"interval_s": value.seconds, "anchor": anchor, "timezone": zone}
    cron = _PRESETS.get(value, value) if isinstance(value, str) else None
    return None if cron is None or cron.startswith("@") else {"cron": cron, "timezone": zone}


def _read_default(arguments: ast.expr | None) -> ast.expr | None:
    """Return the start date that is among the default arguments of a DAG's tasks."""
    pairs = zip(arguments.keys, arguments.values, strict=True) if isinstance(arguments, ast.Dict) else ()
    return next((each for key, each in pairs if isinstance(key, ast.Constant) and key.value == "start_date"), None)


def _read_zone(start: ast.expr | None, names: Mapping[str, Any]) -> str | None:
    """Return the name of the time zone of a start date; None if it has one that is not known."""
    zone = keywords_of(start).keys() & {"tz", "tzinfo"} if isinstance(start, ast.Call) else set()
    if not zone or not isinstance(start, ast.Call):
        return "UTC"
    node = keywords_of(start)[zone.pop()]
    if isinstance(node, ast.Call) and call_name(node) in ("timezone", "ZoneInfo", "Timezone") and node.args:
        node = node.args[0]
    elif call_name(node) in ("utc", "UTC"):
        return "UTC"
    name = evaluate(node, names)
    return name if isinstance(name, str) else None


def _read_moment(start: ast.expr | None, names: Mapping[str, Any]) -> str | None:
    """Return a start date of constants in ISO 8601, without its time zone; None for another."""
    if not isinstance(start, ast.Call) or call_name(start) != "datetime":
        return None
    parts = dict(zip(_DATE_PARTS, start.args, strict=False)) | keywords_of(start)
    values = {name: evaluate(node, names) for name, node in parts.items() if name in _DATE_PARTS}
    if UNKNOWN in values.values() or not all(isinstance(each, int) for each in values.values()):
        return None
    try:
        return datetime(**values).isoformat()  # noqa: DTZ001  # the schedule has the time zone
    except (TypeError, ValueError):
        return None
