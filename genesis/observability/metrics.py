"""Counts, gauges and histograms of this process, and those that other processes hand over.

A store of our own, since ours have to travel: a warm child lives for some flow runs and a command line for one, and
neither is there when Prometheus asks. What they counted goes to a process that stays: as a small document, in which
nothing is counted twice. Prometheus' client library has files for that, one for each process that ever was.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from genesis.observability.instruments import INSTRUMENTS, SERIES_DROPPED, Instrument

__all__ = ["Exemplar", "Metrics", "Series", "metrics_of_process"]

_OTHER = "other"
"""The label of what is beyond the bound on series."""
_MOST_SERIES = 500
"""Sets of labels of one metric; further ones are counted as `other`."""

_Key = tuple[str, tuple[str, ...]]
_BY_NAME = {each.name: each for each in INSTRUMENTS}


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One observation as an example: how to find its run."""

    labels: Mapping[str, str]
    value: float
    at: float
    """Unix time in seconds."""


@dataclass(slots=True)
class _Histogram:
    counts: list[float]
    """Observations by bucket, not added up; the last one has no bound."""
    total: float = 0.0
    exemplars: dict[int, Exemplar] = field(default_factory=dict)
    """The last one of each bucket."""


@dataclass(frozen=True, slots=True)
class Series:
    """What is known of one metric with one set of labels."""

    instrument: Instrument
    labels: tuple[str, ...]
    value: float = 0.0
    """Of a counter or gauge; the sum of a histogram's observations."""
    counts: tuple[float, ...] = ()
    exemplars: Mapping[int, Exemplar] = field(default_factory=dict)


class Metrics:
    """Holds values by metric and labels. It can be used from many threads at once, and its size is bounded.

    Args:
        most_series: Most sets of labels of one metric. What comes beyond them is put under `other`.
    """

    def __init__(self, most_series: int = _MOST_SERIES) -> None:
        self.most_series = most_series
        self._lock = threading.Lock()
        self._counts: dict[_Key, float] = {}
        self._histograms: dict[_Key, _Histogram] = {}
        self._gauges: dict[_Key, dict[str, float]] = {}
        self._known: dict[str, int] = {}
        self._told: dict[_Key, float] = {}
        """Gauges as they were handed over last."""

    def count(self, what: Instrument, *labels: str, amount: float = 1.0) -> None:
        """Add to a counter.

        Args:
            what: The counter.
            labels: Values of its labels, in their order.
            amount: How much, in its unit; never negative.
        """
        with self._lock:
            key = self._key(what, labels, self._counts)
            self._counts[key] = self._counts.get(key, 0.0) + amount

    def set(self, what: Instrument, *labels: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._gauges.setdefault(self._key(what, labels, self._gauges), {})[""] = value

    def add(self, what: Instrument, *labels: str, amount: float) -> None:
        """Raise or lower a gauge."""
        with self._lock:
            values = self._gauges.setdefault(self._key(what, labels, self._gauges), {})
            values[""] = values.get("", 0.0) + amount

    def observe(self, what: Instrument, *labels: str, value: float, example: Mapping[str, str] | None = None) -> None:
        """Take an observation into a histogram.

        Args:
            what: The histogram.
            labels: Values of its labels, in their order.
            value: In its unit.
            example: Labels by which its run is found: trace_id, correlation_id. Together at most 128 characters.
        """
        bucket = bisect_left(what.buckets, value)
        with self._lock:
            key = self._key(what, labels, self._histograms)
            histogram = self._histograms.get(key)
            if histogram is None:
                histogram = self._histograms[key] = _Histogram([0.0] * (len(what.buckets) + 1))
            histogram.counts[bucket] += 1
            histogram.total += value
            if example:
                histogram.exemplars[bucket] = Exemplar(example, value, time.time())

    def value(self, what: Instrument, *labels: str) -> float:
        """Return a counter's or a gauge's value, or how often a histogram was observed; 0 for what has not happened."""
        key = what.name, labels
        with self._lock:
            if what.kind == "counter":
                return self._counts.get(key, 0.0)
            if what.kind == "gauge":
                return _together(what, self._gauges.get(key, {}))
            return sum(self._histograms[key].counts) if key in self._histograms else 0.0

    def values(self, what: Instrument) -> dict[tuple[str, ...], float]:
        """Return all values of a counter or gauge, by labels."""
        return {each.labels: each.value for each in self.series() if each.instrument is what}

    def series(self) -> Iterator[Series]:
        """Return everything that is known, metric by metric as they are listed."""
        with self._lock:
            found = [Series(_BY_NAME[name], labels, value) for (name, labels), value in self._counts.items()]
            found += [
                Series(_BY_NAME[name], labels, _together(_BY_NAME[name], by_source))
                for (name, labels), by_source in self._gauges.items()
            ]
            found += [
                Series(_BY_NAME[name], labels, each.total, tuple(each.counts), dict(each.exemplars))
                for (name, labels), each in self._histograms.items()
            ]
        order = {each.name: place for place, each in enumerate(INSTRUMENTS)}
        yield from sorted(found, key=lambda each: (order[each.instrument.name], each.labels))

    # ── between processes ──

    def drain_changes(self) -> dict[str, Any]:
        """Return and reset what was counted since the last call, with the gauges that have changed.

        Returns:
            A JSON-able document for `take_in`; empty where nothing is new.
        """
        with self._lock:
            counts, self._counts = self._counts, {}
            histograms, self._histograms = self._histograms, {}
            now = {key: by_source[""] for key, by_source in self._gauges.items() if "" in by_source}
            gauges = [[*_row(key), value] for key, value in now.items() if self._told.get(key) != value]
            self._told = now
            self._known = {}
        made = {
            "counts": [[name, list(labels), amount] for (name, labels), amount in counts.items()],
            "histograms": [
                [
                    name,
                    list(labels),
                    each.counts,
                    each.total,
                    [_as_list(place, one) for place, one in each.exemplars.items()],
                ]
                for (name, labels), each in histograms.items()
            ],
            "gauges": gauges,
        }
        return {name: rows for name, rows in made.items() if rows}

    def take_in(self, document: Mapping[str, Any], *, source: str = "") -> None:
        """Add what another process has handed over. What is not known here, of another version, is left out.

        Args:
            document: What its `handed_over` gave.
            source: Which process it is, for its gauges.
        """
        for name, labels, amount in document.get("counts", ()):
            if (what := _find_instrument(name, labels, "counter")) is not None:
                self.count(what, *labels, amount=amount)
        for name, labels, value in document.get("gauges", ()):
            if (what := _find_instrument(name, labels, "gauge")) is not None:
                self._take_gauge(what, tuple(labels), source, value)
        for name, labels, counts, total, exemplars in document.get("histograms", ()):
            what = _find_instrument(name, labels, "histogram")
            if what is not None and len(counts) == len(what.buckets) + 1:
                self._take_histogram(what, tuple(labels), counts, total, exemplars)

    def forget(self, source: str) -> None:
        """Drop the gauges of a process that is gone; values of shared things stay."""
        with self._lock:
            for (name, _), by_source in self._gauges.items():
                if _BY_NAME[name].merge == "sum":
                    by_source.pop(source, None)

    def copy_into(self, other: Metrics) -> None:
        """Add all of this to other metrics, and keep it."""
        for each in self.series():
            name, labels = each.instrument.name, list(each.labels)
            if each.instrument.kind == "histogram":
                shown = [_as_list(place, one) for place, one in each.exemplars.items()]
                other.take_in({"histograms": [[name, labels, list(each.counts), each.value, shown]]})
            else:
                rows = "counts" if each.instrument.kind == "counter" else "gauges"
                other.take_in({rows: [[name, labels, each.value]]})

    def _take_gauge(self, what: Instrument, labels: tuple[str, ...], source: str, value: float) -> None:
        with self._lock:
            by_source = self._gauges.setdefault(self._key(what, labels, self._gauges), {})
            by_source["" if what.merge == "last" else source] = value

    def _take_histogram(
        self,
        what: Instrument,
        labels: tuple[str, ...],
        counts: Sequence[float],
        total: float,
        exemplars: Sequence[Sequence[Any]],
    ) -> None:
        with self._lock:
            key = self._key(what, labels, self._histograms)
            mine = self._histograms.setdefault(key, _Histogram([0.0] * len(counts)))
            mine.counts = [one + other for one, other in zip(mine.counts, counts, strict=True)]
            mine.total += total
            mine.exemplars |= {place: Exemplar(shown, value, at) for place, shown, value, at in exemplars}

    def _key(self, what: Instrument, labels: tuple[str, ...], series: Mapping[_Key, Any]) -> _Key:
        """Return the key of a set of labels, or that of `other` where there are too many. Called with the lock held."""
        key = what.name, labels
        if key in series or not labels:
            return key
        known = self._known.get(what.name)
        if known is None:
            known = sum(name == what.name for name, _ in series)
        if known >= self.most_series:
            dropped = SERIES_DROPPED.name, ()
            self._counts[dropped] = self._counts.get(dropped, 0.0) + 1
            return what.name, (_OTHER,) * len(labels)
        self._known[what.name] = known + 1
        return key


def _together(what: Instrument, by_source: Mapping[str, float]) -> float:
    return by_source.get("", 0.0) if what.merge == "last" else sum(by_source.values())


def _row(key: _Key) -> list[Any]:
    return [key[0], list(key[1])]


def _as_list(place: int, one: Exemplar) -> list[Any]:
    return [place, dict(one.labels), one.value, one.at]


def _find_instrument(name: str, labels: Sequence[str], kind: str) -> Instrument | None:
    what = _BY_NAME.get(name)
    fits = what is not None and what.kind == kind and len(what.labels) == len(labels)
    return what if fits else None


@lru_cache(maxsize=1)
def metrics_of_process() -> Metrics:
    """Return the values of this process."""
    return Metrics()
