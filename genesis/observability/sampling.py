"""Sampling that keeps failures: what was not drawn is held back for a while, and sent when something in it fails.

Whether a trace is drawn depends on its id alone, so every process decides alike. A process holds back the spans of
traces that were not drawn. Once a span of one fails, or is marked as worth keeping, the whole of what is held back of
that trace goes out, and so does what follows. Spans of other processes that saw nothing go wrong stay out.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from genesis.observability.instruments import SPANS_DROPPED
from genesis.observability.metrics import metrics_of_process

__all__ = ["KeepingProcessor", "KeepingSampler"]

_log = logging.getLogger(__name__)
_ID_BITS = (1 << 64) - 1
"""The part of a trace id that is drawn by, as OpenTelemetry's own samplers do."""
_HELD = 5_000
"""Most spans that are held back; the oldest trace is given up for new ones."""
_KEPT = 1_000
"""Most traces that are remembered as worth keeping."""


class KeepingSampler(Sampler):
    """Draws traces by their ids, and records the others all the same.

    Args:
        share: Of traces that begin here, 0 to 1; with a parent its decision holds.
    """

    def __init__(self, share: float) -> None:
        self._below = round(share * (_ID_BITS + 1))

    def should_sample(  # noqa: PLR0917  # the SDK gives them by position
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Draw, and record what was not drawn."""
        del name, kind, links, trace_state
        parent = get_current_span(parent_context).get_span_context()
        drawn = parent.trace_flags.sampled if parent.is_valid else (trace_id & _ID_BITS) < self._below
        decision = Decision.RECORD_AND_SAMPLE if drawn else Decision.RECORD_ONLY
        return SamplingResult(decision, attributes, parent.trace_state)

    def get_description(self) -> str:
        """Name it."""
        return "KeepFailures"


class _Counting(SpanExporter):
    """Counts what cannot be sent, and says so once until it can be sent again."""

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


class KeepingProcessor(BatchSpanProcessor):
    """Sends spans in batches: those that were drawn, and those of traces in which something failed.

    Args:
        exporter: Sends them.
    """

    def __init__(self, exporter: SpanExporter, **options: Any) -> None:
        super().__init__(_Counting(exporter), **options)
        self._guard = threading.Lock()
        self._held: OrderedDict[int, list[ReadableSpan]] = OrderedDict()
        self._holding = 0
        self._kept: OrderedDict[int, None] = OrderedDict()

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Do nothing: all is decided at the end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Send a span, or hold it back."""
        if span.context is None or span.context.trace_flags.sampled:
            super().on_end(span)
            return
        for each in self._release_spans(span, span.context.trace_id):
            super().on_end(_mark_sampled(each))

    def _release_spans(self, span: ReadableSpan, trace_id: int) -> list[ReadableSpan]:
        with self._guard:
            if trace_id in self._kept:
                return [span]
            held = self._held.setdefault(trace_id, [])
            held.append(span)
            self._holding += 1
            if span.status.status_code is StatusCode.ERROR or (span.attributes or {}).get("genesis.keep"):
                del self._held[trace_id]
                self._holding -= len(held)
                self._kept[trace_id] = None
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
                return held
            while self._holding > _HELD:
                _, oldest = self._held.popitem(last=False)
                self._holding -= len(oldest)
            return []


def _mark_sampled(span: ReadableSpan) -> ReadableSpan:
    """Return a span as if it had been drawn: only such ones are sent."""
    context = span.context
    assert context is not None  # noqa: S101  # for the type checker: its caller has looked
    drawn = SpanContext(
        context.trace_id, context.span_id, context.is_remote, TraceFlags(TraceFlags.SAMPLED), context.trace_state
    )
    return ReadableSpan(
        name=span.name,
        context=drawn,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
