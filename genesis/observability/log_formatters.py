"""Log lines: one JSON object for machines, one line of text for people. Both leave secrets out, and neither raises."""

from __future__ import annotations

import json
import logging
import re
import socket
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from genesis.observability.log_values import as_text, clean, cut, safe, size_of, within
from genesis.security.redact import redact
from genesis.text import escape_json, escape_log

__all__ = [
    "IDS",
    "MOST_LINE",
    "MOST_MESSAGE",
    "SCHEMA",
    "ContextSource",
    "HumanLines",
    "JsonLines",
    "SecretSource",
    "level_of",
    "redact_record",
]

ContextSource = Callable[[], Mapping[str, str | int]]
"""Gives what is known of the run that the present code belongs to, by the names in `IDS`."""
SecretSource = Callable[[], Iterable[str]]
"""Gives the values that are struck out."""

SCHEMA = 1
"""Version of the lines' shape. A new field does not change it; another meaning of a field does."""
IDS = (
    "correlation_id", "run_id", "task", "agent", "attempt", "trace_id", "span_id", "flow_run_id", "task_run_id",
)  # fmt: skip
"""What ties a line to a run. They come from the line's own `extra`, else from the trail."""
_OF_PEOPLE = frozenset({"correlation_id", "task", "agent"})
MOST_MESSAGE = 8_000
"""Bytes of a message."""
MOST_LINE = 32_000
"""Bytes of a line."""
_MOST_ID = 300
"""Most characters of an id in a log line."""
_MOST_FRAMES = 50
"""Last frames of a traceback that are logged."""
_OF_RECORDS = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "send_to_api"})
_LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"))
_COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "31;1"}
_PLAIN_VALUE = re.compile(r"[\w.:/@+-]+")


def _nothing() -> Mapping[str, str | int]:
    return {}


class JsonLines(logging.Formatter):
    """Makes one JSON object of a record; docs/guide/logs.md has its fields.

    Args:
        role: What this process is.
        trail: What is known of the current run.
        secrets: Values to strike out.
    """

    def __init__(self, role: str, trail: ContextSource | None = None, secrets: SecretSource = tuple):
        super().__init__()
        self._role = role
        self._trail = trail or _nothing
        self._secrets = secrets
        self._host = socket.gethostname()

    def format(self, record: logging.LogRecord) -> str:
        """Make the line, without its end."""
        try:
            return self._line(self._shape(record))
        except Exception as error:  # noqa: BLE001  # the boundary of a log line: it must not end what it tells about
            said = f"this line cannot be shown: {type(error).__name__}"
            return json.dumps({**self._head(record, said), "event": "log.broken"})

    def _head(self, record: logging.LogRecord, message: str) -> dict[str, Any]:
        return {
            "v": SCHEMA,
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": level_of(record),
            "logger": str(record.name),
            "message": message,
        }

    def _shape(self, record: logging.LogRecord) -> dict[str, Any]:
        secrets = tuple(self._secrets())
        shape = self._head(record, within(clean(_get_message(record), secrets, MOST_MESSAGE), MOST_MESSAGE))
        extra = _extra(record)
        if (event := extra.pop("event", None)) is not None:
            shape["event"] = cut(as_text(event), _MOST_ID)
        shape |= _ids(extra, self._trail, secrets)
        shape |= {"process": record.process, "host": self._host, "role": self._role}
        if (error := _error(record, extra)) is not None:
            shape["error"] = safe(error, secrets)
        if extra:
            shape["data"] = safe(extra, secrets)
        return shape

    def _line(self, shape: dict[str, Any]) -> str:
        line = _dump_line(shape)
        if len(line) * 4 <= MOST_LINE or (size := size_of(line)) <= MOST_LINE:
            return line
        shape["data"] = {"cut": f"a line of {size:,} bytes is too long"}
        if isinstance(shape.get("error"), dict):
            shape["error"] = {name: cut(value, 500) for name, value in shape["error"].items() if isinstance(value, str)}
        line = _dump_line(shape)
        if size_of(line) > MOST_LINE:
            shape["message"] = cut(shape["message"], 1_000)
            line = _dump_line(shape)
        return line


class HumanLines(logging.Formatter):
    """Makes a line for people: time, level, message, what comes with it; a traceback below.

    Args:
        trail: What is known of the current run.
        secrets: Values to strike out.
        colour: Whether the terminal shows colours.
        with_head: Whether the line begins with time and level.
    """

    def __init__(
        self,
        trail: ContextSource | None = None,
        secrets: SecretSource = tuple,
        *,
        colour: bool = False,
        with_head: bool = True,
    ):
        super().__init__()
        self._trail = trail or _nothing
        self._secrets = secrets
        self._colour = colour
        self._with_head = with_head

    def format(self, record: logging.LogRecord) -> str:
        """Make the line, without its end."""
        try:
            return self._line(record)
        except Exception as error:  # noqa: BLE001  # the boundary of a log line: it must not end what it tells about
            return f"a line of {record.name} cannot be shown: {type(error).__name__}"

    def _line(self, record: logging.LogRecord) -> str:
        secrets = tuple(self._secrets())
        extra = _extra(record)
        extra.pop("event", None)
        ids = _ids(extra, self._trail, secrets)
        facts = {**ids, **safe(extra, secrets)} if self._with_head else safe(extra, secrets)
        if isinstance(error := facts.get("error"), dict):
            facts["error"] = error.get("code") or error.get("type") or "yes"
        pairs = escape_log(" ".join(f"{name}={_format_value(value)}" for name, value in facts.items()))
        message = escape_log(clean(_get_message(record), secrets, MOST_MESSAGE))
        text = f"{message}  {self._paint(pairs, '2')}" if pairs else message
        if record.exc_info and record.exc_info[1] is not None:
            trace = clean("".join(traceback.format_exception(record.exc_info[1])).rstrip(), secrets, MOST_LINE)
            text += "".join(f"\n  {escape_log(line)}" for line in trace.splitlines())
        if self._with_head:
            level = level_of(record)
            when = datetime.fromtimestamp(record.created).astimezone()
            text = f"{when:%H:%M:%S} {self._paint(f'{level:7}', _COLOURS.get(level, ''))} {text}"
        return text

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code and text else text


def level_of(record: logging.LogRecord) -> str:
    """Return a record's level as one of five; levels of others' own count as the next lower one."""
    return next((name for least, name in _LEVELS if record.levelno >= least), "debug")


def redact_record(record: logging.LogRecord, secrets: Iterable[str]) -> None:
    """Strike secrets out of a record itself, for handlers that make their own text of it."""
    known = tuple(secrets)
    said = _get_message(record)
    if (cleaned := redact(said, known)) != said:
        record.msg, record.args = cleaned, None
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = redact("".join(traceback.format_exception(record.exc_info[1])).rstrip(), known)


def _get_message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # the boundary of what a caller gave: its arguments may not fit its text
        return f"{as_text(record.msg)} (its arguments do not fit: {as_text(record.args)})"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _OF_RECORDS}


def _ids(extra: dict[str, Any], trail: ContextSource, secrets: tuple[str, ...]) -> dict[str, str | int]:
    """Take the ids out of what comes with a record; those that are not there come from the trail."""
    try:
        known = trail()
    except Exception:  # noqa: BLE001  # the boundary of what is passed in: a line without ids is better than none
        known = {}
    found: dict[str, str | int] = {}
    for name in IDS:
        value = extra.pop(name, None)
        value = known.get(name) if value is None else value
        if value is not None:
            is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
            found[name] = value if is_number else _id(name, as_text(value), secrets)
    return found


def _id(name: str, value: str, secrets: tuple[str, ...]) -> str:
    """Return an id as it is shown: those that are made of people's words can have a secret in them."""
    return clean(value, secrets, _MOST_ID) if name in _OF_PEOPLE else cut(value, _MOST_ID)


def _error(record: logging.LogRecord, extra: dict[str, Any]) -> dict[str, Any] | None:
    """Describe an error: the one that the record has, or that comes with it as data."""
    raised = record.exc_info[1] if record.exc_info else None
    given = extra.pop("error", None)
    if raised is None:
        if given is None or isinstance(given, Mapping):
            return dict(given) if given else None
        if not isinstance(given, BaseException):
            return {"message": given}
        raised = given
    kind = type(raised)
    found: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")}
    if isinstance(code := getattr(raised, "code", None), str | int):
        found["code"] = code
    found["message"] = as_text(getattr(raised, "message", None) or raised)
    frames = traceback.extract_tb(raised.__traceback__)[-_MOST_FRAMES:]
    if frames:
        found["stack"] = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return found


def _dump_line(shape: dict[str, Any]) -> str:
    return escape_json(json.dumps(shape, ensure_ascii=False, allow_nan=False))


def _format_value(value: object) -> str:
    if isinstance(value, str):
        return value if _PLAIN_VALUE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
