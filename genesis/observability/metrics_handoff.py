"""What processes leave that do not stay long enough to be asked: one document for each home, added to under a lock.

A command line ends with its run. What it counted is added to `metrics.json` in the home; one process that stays on this
machine shows it as if it were its own: the one that holds the lock on `metrics.shown`. So nothing is counted twice.
"""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from genesis.document import write_atomic
from genesis.errors import ResourceError
from genesis.observability.metrics import Metrics

__all__ = ["MetricsHandoff", "store_metrics"]

_log = logging.getLogger(__name__)
_LARGEST = 20_000_000
"""Bytes of a stored file that are still read; a larger one is damaged."""


def store_metrics(document: Mapping[str, Any], home: Path) -> None:
    """Add what this process has counted to what is kept in a home. One that cannot be written costs the figures only.

    None is made for that: where there is no home, nothing has run, and nobody asks.

    Args:
        document: What `Metrics.drain_changes` gave; gauges are left out, since their process ends.
        home: `Settings.home`.
    """
    if not (document.get("counts") or document.get("histograms")):
        return
    try:
        if not home.is_dir():
            return
        with _lock(home / "metrics.lock"):
            kept = _read(home / "metrics.json")
            kept.take_in({name: rows for name, rows in document.items() if name != "gauges"})
            write_atomic(home / "metrics.json", json.dumps(kept.drain_changes()))
    except (OSError, ResourceError) as error:
        _log.debug("the metrics of this process are not kept", extra={"reason": repr(error)})


class MetricsHandoff:
    """Shows what is kept in a home, in one process of the machine at a time."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._shown: IO[str] | None = None

    def combine_with(self, metrics: Metrics) -> Metrics:
        """Return metrics with what is kept on top, where it is this process that shows it."""
        if not self._is_ours():
            return metrics
        together = Metrics(metrics.most_series)
        try:
            with _lock(self._home / "metrics.lock"):
                together = _read(self._home / "metrics.json", metrics.most_series)
        except OSError as error:
            _log.debug("what is kept of metrics cannot be read", extra={"reason": repr(error)})
        metrics.copy_into(together)
        return together

    def close(self) -> None:
        """Let another process show it."""
        if self._shown is not None:
            self._shown.close()
            self._shown = None

    def _is_ours(self) -> bool:
        if self._shown is not None:
            return True
        try:
            shown = (self._home / "metrics.shown").open("a")
        except OSError:
            return False
        try:
            fcntl.flock(shown, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            shown.close()
            return False
        self._shown = shown
        return True


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path, most_series: int = 500) -> Metrics:
    """Read what is kept; what is damaged is begun anew, as any counter after a restart."""
    metrics = Metrics(most_series)
    try:
        if path.stat().st_size <= _LARGEST:
            metrics.take_in(json.loads(path.read_text()))
    except FileNotFoundError:
        return metrics
    except (ValueError, TypeError, AttributeError) as error:
        _log.warning("%s is damaged and begun anew", path, extra={"reason": repr(error)})
        return Metrics(most_series)
    return metrics
