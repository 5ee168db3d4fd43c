"""Spans: off until `start` finds that traces are wanted, and then cheap. This is what the rest of Genesis calls.

Names and attributes follow OpenTelemetry's semantic conventions where there are any: `gen_ai.*` for agents and models,
`error.type` for failures. What people and models wrote is left out unless the settings ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING

from genesis.observability.span import Span, SpanKind, Value
from genesis.settings import ObservabilitySettings, OtelSettings

if TYPE_CHECKING:
    from genesis.observability.otel_exporter import Exporting

__all__ = ["Tracing", "span", "tracing_of_process"]


class _NullSpan:
    """A span of nothing."""

    traceparent: str | None = None
    records = False

    def set(self, name: str, value: Value | None) -> None:
        """Set nothing."""

    def set_text(self, name: str, text: str) -> None:
        """Say nothing."""

    def mark_failed(self, code: str, message: str = "") -> None:
        """Mark nothing."""


_NOTHING = _NullSpan()


class Tracing:
    """The traces of this process."""

    def __init__(self) -> None:
        self._exporting: Exporting | None = None

    @property
    def on(self) -> bool:
        """Whether spans are recorded."""
        return self._exporting is not None

    def start(self, settings: ObservabilitySettings, *, role: str, otel: OtelSettings | None = None) -> bool:
        """Record spans from now on, if the standard `OTEL_*` variables ask for that; again does nothing.

        Args:
            settings: Whether texts are exported.
            role: What this process is: cli, orchestrator, worker, agent.
            otel: The standard variables; read where missing.

        Returns:
            Whether spans are recorded.

        Raises:
            UsageError: They name an exporter or a protocol that Genesis does not have.
        """
        otel = otel or OtelSettings()
        if self._exporting is None and otel.wanted:
            from genesis.observability.otel_exporter import Exporting  # noqa: PLC0415  # 0.1 s, and only where it is wanted

            self._exporting = Exporting(settings, otel, role)
        return self.on

    def flush(self, seconds: float = 3.0) -> None:
        """Send what has ended so far, and wait no longer than this."""
        if self._exporting is not None:
            self._exporting.flush(seconds)

    def stop(self, seconds: float = 3.0) -> None:
        """Send what is left, and record no more."""
        exporting, self._exporting = self._exporting, None
        if exporting is not None:
            exporting.stop(seconds)

    def span(
        self,
        name: str,
        attributes: Mapping[str, Value | None] | None = None,
        *,
        kind: SpanKind = "internal",
        parent: str | None = None,
        links: Sequence[str] = (),
    ) -> AbstractContextManager[Span]:
        """Make a span around the code inside; what is raised there marks it as failed, and continues.

        Args:
            name: From a closed set.
            attributes: What is known of it to begin with; None leaves one out.
            kind: How it is related to others, in OpenTelemetry's terms.
            parent: `traceparent` of what it is a part of; the present span if omitted.
            links: `traceparent` of what it comes back to: an earlier attempt, an earlier execution.
        """
        if self._exporting is None:
            return nullcontext(_NOTHING)
        return self._exporting.span(name, attributes or {}, kind, parent, links)


@lru_cache(maxsize=1)
def tracing_of_process() -> Tracing:
    """Return the traces of this process."""
    return Tracing()


def span(
    name: str,
    attributes: Mapping[str, Value | None] | None = None,
    *,
    kind: SpanKind = "internal",
    parent: str | None = None,
    links: Sequence[str] = (),
) -> AbstractContextManager[Span]:
    """Make a span of this process's traces; see `Tracing.span`."""
    return tracing_of_process().span(name, attributes, kind=kind, parent=parent, links=links)
