"""Spans by OpenTelemetry's SDK, sent by OTLP. The one module that imports it.

Where the program around Genesis has set up an SDK of its own, its provider is used as it is. Otherwise there is one for
Genesis alone, which is not made the global one: Prefect would then trace its own engine too, with one more call to its
server for every flow run.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.util.types import AnyValue

from genesis.errors import GenesisError
from genesis.observability.correlation import current, traceparent_of
from genesis.observability.instruments import SPANS_DROPPED
from genesis.observability.metrics import metrics_of_process
from genesis.observability.span import SpanKind, Value
from genesis.settings import ObservabilitySettings, OtelSettings

__all__ = ["Exporting"]

_log = logging.getLogger(__name__)
_KINDS = {
    "internal": trace.SpanKind.INTERNAL,
    "client": trace.SpanKind.CLIENT,
    "server": trace.SpanKind.SERVER,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
}
_LONGEST = 2_000
"""Most characters of an attribute: collectors reject spans that are too large."""
_EXPORT_S = 5
"""How long one export may take, where `OTEL_EXPORTER_OTLP_TIMEOUT` does not say."""


class _Span:
    """A span of the SDK, as the rest of Genesis knows it; entered, it is the present one until it is left.

    What is set is kept here and handed to the SDK once, at the end: that is a third cheaper.
    """

    __slots__ = ("_attributes", "_content", "_made", "_token")

    def __init__(self, made: trace.Span, attributes: dict[str, Value], *, content: bool) -> None:
        self._made = made
        self._attributes = attributes
        self._content = content

    def __enter__(self) -> Self:
        self._token = attach(trace.set_span_in_context(self._made))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, back: TracebackType | None
    ) -> None:
        detach(self._token)
        if error is not None:
            code = error.code if isinstance(error, GenesisError) else type(error).__name__
            self.mark_failed(code, str(error) if self._content else "")
        self._made.set_attributes(self._attributes)
        self._made.end()

    @property
    def traceparent(self) -> str | None:
        return traceparent_of(self._made.get_span_context())

    @property
    def records(self) -> bool:
        return self._made.is_recording()

    def set(self, name: str, value: Value | None) -> None:
        if value is not None:
            self._attributes[name] = value

    def set_text(self, name: str, text: str) -> None:
        if self._content:
            self._attributes[name] = text[:_LONGEST]

    def mark_failed(self, code: str, message: str = "") -> None:
        self._attributes["error.type"] = code
        self._made.set_status(trace.StatusCode.ERROR, message[:_LONGEST] if self._content else code)


class Exporting:
    """Records spans and sends them.

    Args:
        settings: Whether texts are exported.
        otel: The standard variables.
        role: What this process is.
    """

    def __init__(self, settings: ObservabilitySettings, otel: OtelSettings, role: str) -> None:
        self._content = settings.content
        found = trace.get_tracer_provider()
        self._own: TracerProvider | None = None
        if not isinstance(found, TracerProvider):
            found = self._own = _provider(otel, role)
        self._tracer = found.get_tracer("genesis", version("prefect-genesis"))

    def flush(self, seconds: float) -> None:
        """Send what has ended so far."""
        if self._own is not None:
            _within(seconds, self._own.force_flush)

    def stop(self, seconds: float) -> None:
        """Send what is left. Somebody else's provider is left alone."""
        if self._own is not None:
            _within(seconds, self._own.shutdown)

    def span(
        self,
        name: str,
        attributes: Mapping[str, Value | None],
        kind: SpanKind,
        parent: str | None,
        links: Sequence[str],
    ) -> _Span:
        """Make a span; see `Tracing.span`."""
        parent = parent or _get_remote_parent()
        made = self._tracer.start_span(
            name,
            context=None if parent is None else _context(parent),
            kind=_KINDS[kind],
            links=[trace.Link(context) for each in links if (context := _remote(each)) is not None] if links else None,
        )
        given = {key: value for key, value in attributes.items() if value is not None}
        return _Span(made, given, content=self._content)


def _get_remote_parent() -> str | None:
    """Return the caller's trace context, if the present code is in no span."""
    asked = current().traceparent
    if asked is None or trace.get_current_span() is not trace.INVALID_SPAN:
        return None
    return asked


def _provider(otel: OtelSettings, role: str) -> TracerProvider:
    _quiet()
    about: dict[str, AnyValue] = {
        "service.name": otel.service_name or "genesis",
        "service.version": version("prefect-genesis"),
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        "genesis.role": role,
        "process.pid": os.getpid(),
        "host.name": socket.gethostname(),
    }
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_CountingExporter(_exporter(otel))))
    return provider


class _CountingExporter(SpanExporter):
    """Counts what cannot be sent, and warns once until it can be sent again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            metrics_of_process().count(SPANS_DROPPED, amount=len(spans))
            if not self._failing:
                _log.warning("spans cannot be sent, and are dropped", extra={"event": "spans.dropped"})
        self._failing = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _exporter(otel: OtelSettings) -> SpanExporter:
    """Make the exporter for the protocol that the standard variables name; it reads the rest of them itself."""
    if otel.protocol == "grpc":  # either exporter is imported only where it is used: gRPC alone takes 0.1 s
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc  # noqa: PLC0415

        return Grpc(timeout=otel.timeout_s or _EXPORT_S)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http  # noqa: PLC0415

    return Http(timeout=otel.timeout_s or _EXPORT_S)


def _quiet() -> None:
    """Keep the SDK's own complaints off standard error: one warning of ours says that spans cannot be sent."""
    for name in ("opentelemetry.sdk", "opentelemetry.exporter"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
            logger.propagate = False


def _within(seconds: float, work: Any) -> None:
    """Do something that can hang on a network for so long, and then leave it to a thread that ends with the process."""
    thread = threading.Thread(target=work, name="genesis spans", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _log.debug("not all spans could be sent", extra={"seconds": seconds})


def _remote(traceparent: str) -> trace.SpanContext | None:
    try:
        _, trace_id, span_id, flags, *_ = traceparent.split("-")
        context = trace.SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(flags, 16))
        )
    except ValueError:
        return None
    return context if context.is_valid else None


def _context(traceparent: str) -> Context:
    """Return the context of a span elsewhere; what is malformed is no parent, and a new trace begins."""
    remote = _remote(traceparent)
    return Context() if remote is None else trace.set_span_in_context(trace.NonRecordingSpan(remote), Context())
