"""One id for a run, from the request to the last log line: what it is, and how it travels.

It travels as `x-correlation-id` and, with where the trace is, as `traceparent` and `baggage` (W3C Trace Context and
Baggage), in headers, in the labels of flow runs, and in the environment of programs.
"""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

__all__ = [
    "LONGEST_ID",
    "TRACE_LABEL",
    "CorrelationContext",
    "RequestOrigin",
    "bind_context",
    "build_headers",
    "current",
    "environment",
    "facts",
    "here",
    "new_id",
    "origin_of",
    "traceparent_of",
]

LONGEST_ID = 128
"""Most characters of a correlation id that is taken from outside."""
TRACE_LABEL = "__OTEL_TRACEPARENT"
"""Label in which Prefect keeps where a flow run is in a trace, as W3C's `traceparent`."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_SAFE = " :/+=@,;"
_BAGGAGE_ID = "genesis.correlation_id"


@dataclass(frozen=True, slots=True)
class CorrelationContext:
    """Where the present code is at."""

    correlation_id: str | None = None
    run_id: str | None = None
    task: str | None = None
    """Path of the leaf."""
    agent: str | None = None
    attempt: int | None = None
    traceparent: str | None = None
    """Of the caller, where nothing here is traced."""


@dataclass(frozen=True, slots=True)
class RequestOrigin:
    """What came along with a request."""

    correlation_id: str | None = None
    traceparent: str | None = None


_trail: ContextVar[CorrelationContext | None] = ContextVar("genesis_trail", default=None)


def new_id() -> str:
    """Make a correlation id: 16 hex digits."""
    return secrets.token_hex(8)


def current() -> CorrelationContext:
    """Return where the present code is at; an empty one outside of any run."""
    return _trail.get() or CorrelationContext()


@contextmanager
def bind_context(
    *,
    correlation_id: str | None = None,
    run_id: str | None = None,
    task: str | None = None,
    agent: str | None = None,
    attempt: int | None = None,
    traceparent: str | None = None,
) -> Iterator[CorrelationContext]:
    """Bind the context of the code inside; what is not given stays as it is outside."""
    given = {
        "correlation_id": correlation_id,
        "run_id": run_id,
        "task": task,
        "agent": agent,
        "attempt": attempt,
        "traceparent": traceparent,
    }
    trail = replace(current(), **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # each has its field's type
    token = _trail.set(trail)
    try:
        yield trail
    finally:
        _trail.reset(token)


def facts() -> dict[str, str | int]:
    """Return the current context as flat fields of a log line: ids, and the trace's."""
    trail = _trail.get()
    found: dict[str, str | int] = {}
    if trail is not None:
        for name in ("correlation_id", "run_id", "task", "agent", "attempt"):
            if (value := getattr(trail, name)) is not None:
                found[name] = value
    if (traceparent := here()) is not None:
        _, found["trace_id"], found["span_id"], *_ = traceparent.split("-")
    return found


def build_headers() -> dict[str, str]:
    """Return the headers that a call from here carries along: the ids that are bound, and where it is in a trace."""
    trail = current()
    correlation_id, run_id = trail.correlation_id, trail.run_id
    headers: dict[str, str] = {}
    if correlation_id is not None:
        headers["x-correlation-id"] = quote(correlation_id, safe=_SAFE)
        headers["baggage"] = f"{_BAGGAGE_ID}={quote(correlation_id, safe='')}"
        if run_id is not None:
            headers["baggage"] += f",genesis.run_id={quote(run_id, safe='')}"
    if (traceparent := here()) is not None:
        headers["traceparent"] = traceparent
    return headers


def environment() -> dict[str, str]:
    """Return the environment variables that hand the trace to a child process, as OpenTelemetry names them."""
    names = {"traceparent": "TRACEPARENT", "baggage": "BAGGAGE", "x-correlation-id": "GENESIS_CORRELATION_ID"}
    return {names[name]: value for name, value in build_headers().items()}


def origin_of(carrier: Mapping[str, str]) -> RequestOrigin:
    """Read what came along with a request: headers, or variables of the environment. What is malformed counts as none.

    Args:
        carrier: Names in any case, with `-` or `_`.
    """
    given = {name.lower().replace("_", "-"): value for name, value in carrier.items()}
    said = given.get("x-correlation-id") or given.get("genesis-correlation-id")
    correlation_id = _id(unquote(said)) if said else None
    for entry in given.get("baggage", "").split(","):
        name, _, value = entry.partition("=")
        if correlation_id is None and name.strip() == _BAGGAGE_ID:
            correlation_id = _id(unquote(value.partition(";")[0].strip()))
    traceparent = given.get("traceparent", "").strip().lower()
    if not _TRACEPARENT.fullmatch(traceparent) or traceparent.startswith("ff"):
        return RequestOrigin(correlation_id)
    return RequestOrigin(correlation_id, traceparent)


def _id(text: str) -> str | None:
    """Take an id as it is, if it is one: short, and printable."""
    text = text.strip()
    return text if 0 < len(text) <= LONGEST_ID and text.isprintable() else None


def here() -> str | None:
    """Return where the present code is in a trace, in W3C's form: in a span, or else where the caller was."""
    return _span_here() or current().traceparent


def _span_here() -> str | None:
    """Return the span that the present code is in; nothing is imported for that."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    return traceparent_of(trace.get_current_span().get_span_context())


def traceparent_of(context: SpanContext) -> str | None:
    """Write a span's context in W3C's form; None for one that is of no span."""
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
