"""The breakers of a process: one for each agent, each model's endpoint and each remote host."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast, get_args

from genesis.errors import UsageError
from genesis.observability.instruments import BREAKER_CHANGES, BREAKER_STATE
from genesis.observability.metrics import Metrics, metrics_of_process
from genesis.resilience.breaker import Breaker, BreakerEvent
from genesis.resilience.machine import BreakerRules
from genesis.resilience.redis_store import RedisStore
from genesis.resilience.sqlite_store import SqliteStore
from genesis.resilience.store import Store
from genesis.settings import ResilienceSettings

__all__ = ["STATE_VALUES", "Breakers", "Kind", "Listener", "breakers_of", "refresh_breakers", "store_of"]

Kind = Literal["agent", "model", "host"]
Listener = Callable[[BreakerEvent], None]
_log = logging.getLogger(__name__)

STATE_VALUES = {"closed": 0.0, "half_open": 1.0, "open": 2.0}
"""What the gauge of a breaker's state shows."""


class Breakers:
    """Breakers by name, made when they are first asked for.

    Args:
        rules: Of all of them.
        store: Shares their state with other processes.
        listen: Is told of changes of state; log lines are written in any case.
        metrics: Counts the changes.
    """

    def __init__(
        self,
        rules: BreakerRules | None = None,
        *,
        store: Store | None = None,
        listen: Listener | None = None,
        metrics: Metrics | None = None,
    ):
        self._rules = rules or BreakerRules()
        self._store = store
        self._listeners: tuple[Listener, ...] = () if listen is None else (listen,)
        self._metrics = metrics or metrics_of_process()
        self._lock = threading.Lock()
        self._made: dict[str, Breaker] = {}

    def of(self, kind: Kind, name: str) -> Breaker:
        """Give the breaker of an agent, a model's endpoint or a host."""
        full = f"{kind} {name}"
        with self._lock:
            if full not in self._made:
                self._made[full] = Breaker(full, self._rules, store=self._store, listen=self._heard)
            return self._made[full]

    def listen(self, listener: Listener) -> None:
        """Tell one more of changes of state, from whichever thread made them; the same one is told once."""
        with self._lock:
            if listener not in self._listeners:
                self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: Listener) -> None:
        """Tell one no more; it is no error when it was not told."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def _heard(self, event: BreakerEvent) -> None:
        more = {"event": f"breaker.{event.after}", "breaker": event.name, "before": event.before}
        if event.degraded:
            _log.warning("circuit breaker of %s: %s", event.name, event.reason, extra=more | {"event": "breaker.store"})
        else:
            level = logging.WARNING if event.after == "open" else logging.INFO
            said = "circuit breaker of %s: %s, was %s: %s"
            _log.log(level, said, event.name, event.after, event.before, event.reason, extra=more)
            kind, _, name = event.name.partition(" ")
            self._metrics.count(BREAKER_CHANGES, kind, event.after)
            self._metrics.set(BREAKER_STATE, kind, name, value=STATE_VALUES[event.after])
        for listener in self._listeners:
            listener(event)


@lru_cache(maxsize=16)
def breakers_of(settings: ResilienceSettings, home: Path) -> Breakers:
    """Give the breakers that all callers of this process with these settings share.

    Raises:
        UsageError: They are to be shared by Redis, and its address is missing.
    """
    rules = BreakerRules(
        failures=settings.failures,
        failure_rate=settings.failure_rate,
        slow_rate=settings.slow_rate,
        slow_s=settings.slow_s,
        minimum_calls=settings.minimum_calls,
        window_s=settings.window_s,
        cooling_s=settings.cooling_s,
        longest_cooling_s=settings.longest_cooling_s,
        successes=settings.successes,
    )
    return Breakers(rules, store=store_of(settings, home))


def refresh_breakers(settings: ResilienceSettings, home: Path, metrics: Metrics | None = None) -> None:
    """Look at the breakers that the metrics have as not closed: another process may have closed one since.

    Args:
        settings: Who shares them; what one process alone knows is as it was told.
        home: `Settings.home`.
        metrics: Where the states are shown; those of this process where missing.
    """
    metrics = metrics or metrics_of_process()
    if settings.share == "memory":
        return
    breakers = breakers_of(settings, home)
    for (kind, name), value in metrics.values(BREAKER_STATE).items():
        if value and kind in get_args(Kind):
            breaker = breakers.of(cast("Kind", kind), name)
            breaker.retry_after_s()
            metrics.set(BREAKER_STATE, kind, name, value=STATE_VALUES[breaker.state])


@lru_cache(maxsize=16)
def store_of(settings: ResilienceSettings, home: Path) -> Store | None:
    """Give the store that breakers, rate limits and retry budgets of this process share with others, if they do.

    Raises:
        UsageError: It is to be Redis, and its address is missing.
    """
    if settings.share == "memory":
        return None
    if settings.share == "machine":
        return SqliteStore(home / "resilience.sqlite")
    if settings.redis_url is None:
        raise UsageError(
            "the state of breakers is to be shared by Redis, and its address is missing",
            hint="set GENESIS_RESILIENCE__REDIS_URL=redis://HOST:PORT/DB",
        )
    return RedisStore(settings.redis_url.get_secret_value())
