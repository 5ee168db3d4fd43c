"""Telemetry of a command: its root span, its metrics and its correlation id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from genesis.errors import UsageError
from genesis.settings import OriginSettings

if TYPE_CHECKING:
    from genesis.observability.span import Span
    from genesis.settings import Settings

__all__ = ["correlation_option", "finish", "run_with_metrics", "trace_command"]

_T = TypeVar("_T")

correlation_option = click.option(
    "--correlation-id",
    default=None,
    metavar="ID",
    help="Correlation id of the run (default: GENESIS_CORRELATION_ID, or a new one).",
)


@contextmanager
def trace_command(settings: Settings, command: str, *, correlation_id: str | None = None) -> Iterator[Span]:
    """Start the root span of a command, and bind the correlation id and the trace of its caller.

    Args:
        settings: What is exported.
        command: Its name.
        correlation_id: From the command line; else from the environment, else a new id.

    Raises:
        UsageError: The id cannot be used, or the `OTEL_*` variables ask for something unsupported.
    """
    from genesis.observability.correlation import LONGEST_ID, bind_context, new_id, origin_of
    from genesis.observability.metrics import metrics_of_process
    from genesis.observability.tracing import span, tracing_of_process

    if correlation_id is not None and origin_of({"x-correlation-id": correlation_id}).correlation_id is None:
        hint = f"use 1 to {LONGEST_ID} printable characters"
        raise UsageError(f"the correlation id {correlation_id[:200]!r} cannot be used", hint=hint)
    origin = origin_of(OriginSettings().carrier)
    metrics_of_process().most_series = settings.observability.most_series
    tracing_of_process().start(settings.observability, role="cli")
    name = correlation_id or origin.correlation_id or new_id()
    try:
        with (
            bind_context(correlation_id=name, traceparent=origin.traceparent),
            span(f"genesis {command}", {"genesis.correlation_id": name}) as made,
        ):
            yield made
    finally:
        finish(settings)


async def run_with_metrics(work: Callable[[], Awaitable[_T]], port: int | None) -> _T:
    """Run something while serving the metrics of this process, if a port is set.

    Metrics that were served are not handed to another process at the end, since Prometheus has them.

    Raises:
        ServiceError: The port is taken.
    """
    if port is None:
        return await work()
    from importlib.metadata import version

    from genesis.cli.output import notes
    from genesis.observability.exposition import render_metrics
    from genesis.observability.instruments import BUILD
    from genesis.observability.metrics import metrics_of_process
    from genesis.observability.zero_counters import show_zeros
    from genesis.workers.health import HealthPage

    metrics = metrics_of_process()
    show_zeros(metrics)
    metrics.set(BUILD, version("prefect-genesis"), value=1)
    page = HealthPage(lambda: (True, {"status": "ok"}), lambda accept: render_metrics(metrics, accept))
    listens_on = await page.open("127.0.0.1", port)
    notes().print(f"Metrics: http://127.0.0.1:{listens_on}/metrics", soft_wrap=True)
    try:
        return await work()
    finally:
        await page.close()
        if page.asked:
            metrics.drain_changes()


def finish(settings: Settings) -> None:
    """Send the remaining spans, and hand the metrics to a long-lived process."""
    from genesis.observability.metrics import metrics_of_process
    from genesis.observability.metrics_handoff import store_metrics
    from genesis.observability.tracing import tracing_of_process

    tracing_of_process().stop()
    store_metrics(metrics_of_process().drain_changes(), settings.home)
