"""What Prometheus reads: the text of the metrics, in its own format or as OpenMetrics with exemplars."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

from genesis.observability.instruments import Instrument
from genesis.observability.metrics import Metrics, Series

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["render_metrics"]


def render_metrics(metrics: Metrics, accept: str = "") -> tuple[str, bytes]:
    """Write all metrics for a scrape.

    Args:
        metrics: What is known.
        accept: The request's header of this name: OpenMetrics, which has exemplars, where it asks for that.

    Returns:
        The content type, and the text.
    """
    from prometheus_client import CollectorRegistry  # noqa: PLC0415  # only where somebody asks
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415
    from prometheus_client.process_collector import ProcessCollector  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    ProcessCollector(pid=os.getpid, registry=registry)
    encode, content_type = choose_encoder(accept)
    return content_type, encode(registry)


class _Collector:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        for instrument, group in groupby(self._metrics.series(), lambda each: each.instrument):
            yield _family(instrument, group)


def _family(instrument: Instrument, group: Iterable[Series]) -> Metric:
    from prometheus_client.core import Metric  # noqa: PLC0415

    name = instrument.name.removesuffix("_total")
    family = Metric(name, instrument.help, instrument.kind)
    for each in group:
        labels = dict(zip(instrument.labels, each.labels, strict=True))
        if instrument.kind == "histogram":
            _add_histogram(family, each, labels)
        else:
            family.add_sample(instrument.name, labels, each.value)
    return family


def _add_histogram(family: Metric, each: Series, labels: dict[str, str]) -> None:
    from prometheus_client.samples import Exemplar  # noqa: PLC0415

    bounds = [*map(str, each.instrument.buckets), "+Inf"]
    for place, (bound, count) in enumerate(zip(bounds, accumulate(each.counts), strict=True)):
        shown = each.exemplars.get(place)
        exemplar = Exemplar(dict(shown.labels), shown.value, shown.at) if shown is not None else None
        family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, count, exemplar=exemplar)
    family.add_sample(f"{family.name}_count", labels, sum(each.counts))
    family.add_sample(f"{family.name}_sum", labels, each.value)
