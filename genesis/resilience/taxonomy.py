"""What an error means: its category, how bad it is, whether trying again can help, and what to do about it.

Errors of Genesis are known by their code, or else by their class. Those of libraries are known by the names of their
classes, so that no library is imported to look at an error; of several rules the one for the nearest base class holds.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal

from genesis import errors
from genesis.foreign import errno_of, read_safely
from genesis.resilience.breaker_machine import CallVerdict

__all__ = [
    "BY_CLASS",
    "BY_CODE",
    "ErrorCategory",
    "ErrorSeverity",
    "Meaning",
    "Recovery",
    "classify",
    "health_of",
    "meaning_of",
    "meaning_of_status",
    "pause_asked_for",
    "retry_after_s",
]

ErrorCategory = Literal["decomposition", "routing", "validation", "llm", "network", "resource", "security"]
"""`network` is whatever answers from elsewhere: agents, services, the Prefect API."""
ErrorSeverity = Literal["low", "medium", "high", "fatal"]
Recovery = Literal["retry", "fall_back", "reroute", "replan", "wait", "ask", "fail"]
"""What to do: the same again, a simpler way, another agent, another plan, later, a person's decision, nothing."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error means."""

    category: ErrorCategory
    severity: ErrorSeverity
    retryable: bool
    """Whether the same call can succeed a moment later."""
    recovery: Recovery
    """What to do once repeats are used up, or do not help."""
    blames: bool = True
    """Whether it says that the other side is not well: circuit breakers count it."""
    code: str = ""
    retry_after_s: float | None = None
    """When the other side wants to be asked again, where it says so."""


def _means(
    category: ErrorCategory,
    severity: ErrorSeverity,
    recovery: Recovery,
    *,
    again: bool = False,
    blames: bool | None = None,
) -> Meaning:
    return Meaning(category, severity, again, recovery, again if blames is None else blames)


_INPUT = _means("validation", "low", "ask")
_BUG = _means("validation", "high", "reroute", blames=False)
_AGENT = _means("network", "high", "reroute", again=True)
_GONE = _means("network", "high", "wait", again=True)
_BUSY = _means("network", "medium", "wait", again=True, blames=False)
_REFUSED = _means("network", "high", "reroute")
_MODEL_GONE = _means("llm", "medium", "fall_back", again=True)
_MODEL_REFUSED = _means("llm", "medium", "fall_back")
_MACHINE = _means("resource", "fatal", "ask")
_SHORT = _means("resource", "high", "wait", again=True, blames=False)
_LEDGER = _means("resource", "high", "ask")
_PERSON = _means("resource", "low", "fail", blames=False)

BY_CLASS: Mapping[type[errors.GenesisError], Meaning] = {
    errors.GenesisError: _means("resource", "high", "fail"),
    errors.UsageError: _INPUT,
    errors.DocumentError: _means("validation", "medium", "ask"),
    errors.PlanningError: _means("decomposition", "medium", "fall_back"),
    errors.RoutingError: _means("routing", "medium", "fall_back"),
    errors.PlanInvalidError: _means("validation", "high", "replan"),
    errors.SecurityError: _means("security", "fatal", "fail"),
    errors.ServiceError: _GONE,
    errors.ModelError: _MODEL_GONE,
    errors.BreakerOpenError: _means("network", "medium", "reroute", blames=False),
    errors.ResourceError: _MACHINE,
    errors.TaskError: _AGENT,
    errors.TaskTimeoutError: _AGENT,
    errors.RunError: _LEDGER,
    errors.ForeignError: _AGENT,
}
"""By class, for codes that are not listed."""

BY_CODE: Mapping[str, Meaning] = {
    "GEN-MODEL-ANSWER": _means("llm", "medium", "fall_back", again=True, blames=False),
    "GEN-MODEL-AUTH": _MODEL_REFUSED,
    "GEN-MODEL-CONTEXT": _MODEL_REFUSED,
    "GEN-MODEL-LENGTH": _MODEL_REFUSED,
    "GEN-MODEL-MISSING": _MODEL_REFUSED,
    "GEN-MODEL-NOT-API": _means("llm", "medium", "fall_back", blames=True),
    "GEN-MODEL-NOT-FOUND": _MODEL_REFUSED,
    "GEN-MODEL-QUOTA": _MODEL_REFUSED,
    "GEN-MODEL-RATE-LIMIT": _means("llm", "low", "wait", again=True, blames=False),
    "GEN-MODEL-REJECTED": _MODEL_REFUSED,
    "GEN-MODEL-SERVER": _MODEL_GONE,
    "GEN-MODEL-SERVICE": _MODEL_GONE,
    "GEN-MODEL-TIMEOUT": _MODEL_GONE,
    "GEN-MODEL-UNREACHABLE": _MODEL_GONE,
    "GEN-DEADLINE": _PERSON,
    "GEN-MUTEX-LIMIT": _means("resource", "high", "ask", blames=False),
    "GEN-MUTEX-LOST": _means("resource", "high", "fail", blames=False),
    "GEN-SERVICE-BUSY": _BUSY,
    "GEN-TASK-REFUSED": _REFUSED,
    "GEN-TASK-EXIT": _means("network", "high", "fail", again=True, blames=False),
    "GEN-TASK-CONDITION": _means("validation", "medium", "ask", blames=False),
    "GEN-TASK-INPUT": _means("validation", "medium", "ask"),
    "GEN-TASK-OUTPUTS": _means("validation", "high", "reroute", again=True, blames=False),
    "GEN-TASK-OUTPUT-SCHEMA": _means("validation", "high", "reroute", again=True, blames=False),
    "GEN-TASK-SUBTASK": _means("decomposition", "high", "fail", blames=False),
    "GEN-TASK-COPIES": _means("decomposition", "high", "fail", blames=False),
    "GEN-TASK-FOR-EACH": _means("validation", "high", "fail", blames=False),
    "GEN-TASK-VENV": _means("network", "high", "fail", again=True, blames=False),
    "GEN-WAIT-API": _means("network", "high", "ask", blames=False),
    "GEN-WAIT-RUN": _means("validation", "high", "ask", blames=False),
    "GEN-WAIT-TIME": _means("validation", "medium", "ask", blames=False),
    "GEN-WAIT-TIMEOUT": _means("network", "medium", "ask", blames=False),
    "GEN-TASK-RESULT-SIZE": _means("resource", "high", "replan"),
    "GEN-DISPATCH-NO-WORKER": _means("network", "high", "reroute"),
    "GEN-DISPATCH-NOT-BEGUN": _AGENT,
    "GEN-DISPATCH-IMAGE": _means("resource", "high", "ask", blames=False),
    "GEN-DISPATCH-REFUSED": _REFUSED,
    "GEN-DISPATCH-NO-RECORD": _AGENT,
    "GEN-DISPATCH-CRASHED": _AGENT,
    "GEN-DISPATCH-MAYBE-DONE": _means("network", "high", "ask"),
    "GEN-RESOURCE-SHORT": _SHORT,
    "GEN-RUN-FOLDER": _means("resource", "high", "ask"),
    "GEN-RUN-VERSION": _means("resource", "high", "ask"),
    "GEN-RUN-STORAGE": _means("resource", "high", "ask"),
    "GEN-INTERRUPTED": _PERSON,
    "GEN-STORE": _means("resource", "medium", "fall_back", again=True, blames=False),
    "GEN-QUOTA": _means("network", "medium", "wait"),
}
"""By code, where it means something else than its class."""

_FOREIGN: Mapping[str, Meaning] = {
    "builtins.Exception": _AGENT,
    "builtins.ArithmeticError": _BUG,
    "builtins.AssertionError": _BUG,
    "builtins.AttributeError": _BUG,
    "builtins.ImportError": _BUG,
    "builtins.LookupError": _BUG,
    "builtins.NameError": _BUG,
    "builtins.NotImplementedError": _BUG,
    "builtins.RecursionError": _BUG,
    "builtins.SyntaxError": _BUG,
    "builtins.TypeError": _BUG,
    "builtins.UnicodeError": _BUG,
    "builtins.ConnectionError": _GONE,
    "builtins.TimeoutError": _GONE,
    "builtins.MemoryError": _SHORT,
    "builtins.OSError": _means("resource", "high", "ask"),
    "builtins.BaseException": _PERSON,
    "asyncio.exceptions.CancelledError": _PERSON,
    "concurrent.futures._base.CancelledError": _PERSON,
    "pydantic_core._pydantic_core.ValidationError": _BUG,
    "json.decoder.JSONDecodeError": _means("network", "medium", "reroute", again=True),
    "sqlite3.OperationalError": _SHORT,
    "sqlite3.Error": _means("resource", "high", "ask"),
    "socket.gaierror": _GONE,
    "ssl.SSLError": _GONE,
    "ssl.SSLCertVerificationError": _REFUSED,
    "httpx.TransportError": _GONE,
    "httpx.UnsupportedProtocol": _BUG,
    "httpx.InvalidURL": _BUG,
    "httpx.TooManyRedirects": _REFUSED,
    "httpx.DecodingError": _means("network", "medium", "reroute", again=True),
    "pydantic_ai.exceptions.AgentRunError": _MODEL_GONE,
    "pydantic_ai.exceptions.UnexpectedModelBehavior": _means("llm", "medium", "fall_back", again=True, blames=False),
    "pydantic_ai.exceptions.UsageLimitExceeded": _MODEL_REFUSED,
    "pydantic_ai.exceptions.UserError": _means("llm", "high", "ask"),
    "prefect.exceptions.PrefectException": _REFUSED,
    "prefect.exceptions.Abort": _means("network", "medium", "fail", blames=False),
    "prefect.exceptions.CancelledRun": _PERSON,
    "prefect.exceptions.CrashedRun": _AGENT,
    "prefect.exceptions.FailedRun": _AGENT,
    "prefect.exceptions.ObjectNotFound": _means("network", "high", "ask"),
    "prefect.exceptions.PrefectSignal": _PERSON,
    "redis.exceptions.RedisError": _means("network", "high", "ask"),
    "redis.exceptions.ConnectionError": _GONE,
    "redis.exceptions.TimeoutError": _GONE,
    "redis.exceptions.BusyLoadingError": _BUSY,
    "redis.exceptions.TryAgainError": _BUSY,
    "redis.exceptions.ReadOnlyError": _GONE,
    "redis.exceptions.AuthenticationError": _means("network", "high", "ask"),
    "websockets.exceptions.WebSocketException": _GONE,
    "asyncpg.exceptions._base.PostgresError": _REFUSED,
    "asyncpg.exceptions.PostgresConnectionError": _GONE,
}
"""By module and name of the class."""

_BY_ERRNO: Mapping[int, Meaning] = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO), _MACHINE
    ),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN), _SHORT),
    **dict.fromkeys(
        (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET,
         errno.ECONNABORTED, errno.EPIPE, errno.EADDRNOTAVAIL),
        _GONE,
    ),
}  # fmt: skip

_STATUS_AGAIN = frozenset({408, 425, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529, 530})
"""Statuses after which the same request can succeed. 501 and 505 are about the request."""
_LOWEST_STATUS, _HIGHEST_STATUS = 100, 999
_LONGEST_PAUSE_S = 24 * 3600.0
"""A longer `Retry-After` counts as a day."""


def classify(error: BaseException, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Meaning:
    """Describe what an error means.

    Args:
        error: Any exception.
        now: The time, for a `Retry-After` that is a date.
    """
    if isinstance(error, errors.GenesisError):
        return _own(error)
    status = read_safely(lambda: _status(error), None)
    if status is not None:
        meaning = meaning_of_status(status)
        if type(error).__module__.startswith("pydantic_ai"):
            meaning = replace(meaning, category="llm", recovery="fall_back")
        return replace(meaning, code=f"HTTP-{status}", retry_after_s=retry_after_s(error, now=now))
    number = errno_of(error)
    if number in _BY_ERRNO:
        return replace(_BY_ERRNO[number], code=errno.errorcode[number])
    for kind in type(error).__mro__:
        name = f"{kind.__module__}.{kind.__qualname__}"
        for known in (name, f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"):
            if known in _FOREIGN:
                return replace(_FOREIGN[known], code=type(error).__name__)
    raise AssertionError("every exception is a BaseException")


def meaning_of(code: str) -> Meaning:
    """Describe what an error means of which only the code is left, as in a ledger's record."""
    if code in BY_CODE:
        return replace(BY_CODE[code], code=code)
    known = [(kind.code, meaning) for kind, meaning in BY_CLASS.items() if code.startswith(kind.code)]
    longest = max(known, key=lambda each: len(each[0]), default=("", BY_CLASS[errors.GenesisError]))
    return replace(longest[1], code=code)


def meaning_of_status(status: int) -> Meaning:
    """Describe what the status of an answer over HTTP means that is no success."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _BUSY
    if status in _STATUS_AGAIN:
        return _GONE
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PAYMENT_REQUIRED}:
        return _means("network", "high", "ask")
    return _REFUSED


def health_of(error: BaseException) -> CallVerdict:
    """Describe what an error of a call says about the health of the other side, for its circuit breaker.

    Too many requests (429) is no failure: the other side is well enough to say so, and a quota is the answer to it.
    """
    return "failure" if classify(error).blames else "neutral"


def retry_after_s(error: BaseException, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Read when the other side wants to be asked again: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3)."""
    if isinstance(error, errors.GenesisError):
        return _seconds(error.data.get("retry_after_s"))
    said = read_safely(lambda: _retry_after(error), None)
    return pause_asked_for(said, now=now) if isinstance(said, str) else None


def _retry_after(error: BaseException) -> object:
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        headers = getattr(error, "headers", None)
    return headers.get("retry-after") if isinstance(headers, Mapping) else None


def pause_asked_for(said: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Read a `Retry-After` header: the seconds from now, at most a day; None where it cannot be read."""
    if (seconds := _seconds(said)) is not None:
        return seconds
    try:
        until = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return _seconds((until - now()).total_seconds()) or 0.0


def _own(error: errors.GenesisError) -> Meaning:
    by_class = next(meaning for kind in type(error).__mro__ if (meaning := BY_CLASS.get(kind)) is not None)
    meaning = BY_CODE.get(error.code, by_class)
    if isinstance(again := error.data.get("retry"), bool):
        meaning = replace(meaning, retryable=again)
    return replace(meaning, code=error.code, retry_after_s=retry_after_s(error))


def _status(error: BaseException) -> int | None:
    """Read the status of an answer over HTTP, as httpx, pydantic-ai and urllib have it."""
    for found in (getattr(getattr(error, "response", None), "status_code", None), getattr(error, "status_code", None)):
        if isinstance(found, int) and _LOWEST_STATUS <= found <= _HIGHEST_STATUS:
            return int(found)
    is_urllib = type(error).__module__ == "urllib.error"
    return int(code) if is_urllib and isinstance(code := getattr(error, "code", None), int) else None


def _seconds(value: Any) -> float | None:
    """Read a number of seconds that can be waited for."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, _LONGEST_PAUSE_S) if seconds >= 0 else None
