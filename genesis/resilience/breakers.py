"""The breakers of a process: one for each agent, each model's endpoint and each remote host."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal

from genesis.errors import UsageError
from genesis.llm import Model, open_model
from genesis.resilience.breaker import Breaker, BreakerEvent
from genesis.resilience.machine import BreakerRules
from genesis.resilience.redis_store import RedisStore
from genesis.resilience.sqlite_store import SqliteStore
from genesis.resilience.store import Store
from genesis.settings import ResilienceSettings, Settings

__all__ = ["Breakers", "Kind", "breakers_of", "guarded_model"]

Kind = Literal["agent", "model", "host"]
_log = logging.getLogger(__name__)


class Breakers:
    """Breakers by name, made when they are first asked for.

    Args:
        rules: Of all of them.
        store: Shares their state with other processes.
        listen: Is told of changes of state; log lines are written in any case.
    """

    def __init__(
        self,
        rules: BreakerRules | None = None,
        *,
        store: Store | None = None,
        listen: Callable[[BreakerEvent], None] | None = None,
    ):
        self._rules = rules or BreakerRules()
        self._store = store
        self._listen = listen
        self._lock = threading.Lock()
        self._made: dict[str, Breaker] = {}

    def of(self, kind: Kind, name: str) -> Breaker:
        """Give the breaker of an agent, a model's endpoint or a host."""
        full = f"{kind} {name}"
        with self._lock:
            if full not in self._made:
                self._made[full] = Breaker(full, self._rules, store=self._store, listen=self._heard)
            return self._made[full]

    def _heard(self, event: BreakerEvent) -> None:
        if event.degraded:
            _log.warning("circuit breaker of %s: %s", event.name, event.reason)
        else:
            level = logging.WARNING if event.after == "open" else logging.INFO
            _log.log(
                level, "circuit breaker of %s: %s, was %s: %s", event.name, event.after, event.before, event.reason
            )
        if self._listen is not None:
            self._listen(event)


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
    return Breakers(rules, store=_store(settings, home))


def guarded_model(settings: Settings, name: str | None = None) -> Model:
    """Make the model that the settings name, behind the breaker of its endpoint: while that is open it is not called.

    Args:
        settings: Model, address, key and bounds; how breakers work.
        name: `provider:model` instead of the settings' own.

    Raises:
        UsageError: No model is named, or its name, the base URL or Redis' address cannot be used.
    """
    breakers = breakers_of(settings.resilience, settings.home)
    return open_model(settings.llm, name, guard=lambda where: breakers.of("model", where).guarding())


def _store(settings: ResilienceSettings, home: Path) -> Store | None:
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
