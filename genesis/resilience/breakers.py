"""The breakers of a process: one for each agent, each model's endpoint and each remote host."""

from __future__ import annotations

import logging
import re
import shlex
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from genesis.errors import UsageError
from genesis.observability.instruments import BREAKER_CHANGES, BREAKER_STATE
from genesis.observability.metrics import Metrics, metrics_of_process
from genesis.resilience.breaker import Breaker, BreakerEvent
from genesis.resilience.breaker_machine import BreakerRules, Machine
from genesis.resilience.redis_store import RedisStore
from genesis.resilience.scope import add_scope
from genesis.resilience.sqlite_store import SqliteStore
from genesis.resilience.store import StateStore, StoreError
from genesis.settings import ResilienceSettings

__all__ = [
    "STATE_VALUES",
    "BreakerKind",
    "BreakerListener",
    "Breakers",
    "SharedBreaker",
    "breakers_of",
    "list_shared_breakers",
    "refresh_breakers",
    "reset_breakers",
    "reset_command",
    "rules_of",
    "state_file",
    "store_of",
]

BreakerKind = Literal["agent", "model", "host"]
BreakerListener = Callable[[BreakerEvent], None]
_log = logging.getLogger(__name__)
_SCOPE = re.compile(r"@[0-9a-f]{12}$")

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
        store: StateStore | None = None,
        listen: BreakerListener | None = None,
        metrics: Metrics | None = None,
    ):
        self._rules = rules or BreakerRules()
        self._store = store
        self._listeners: tuple[BreakerListener, ...] = () if listen is None else (listen,)
        self._metrics = metrics or metrics_of_process()
        self._lock = threading.Lock()
        self._made: dict[str, Breaker] = {}

    def of(self, kind: BreakerKind, name: str, scope: str = "") -> Breaker:
        """Return the breaker of an agent, a model's endpoint or a host.

        Args:
            kind: Which of them.
            name: Its name.
            scope: Tells an agent from other projects' agents of that name.
        """
        full = f"{kind} {name}"
        key = add_scope(full, scope)
        with self._lock:
            if key not in self._made:
                hint = reset_command(name)
                self._made[key] = Breaker(
                    full, self._rules, store=self._store, listen=self._report_change, key=key, hint=hint
                )
            return self._made[key]

    def listen(self, listener: BreakerListener) -> None:
        """Add a listener for changes of state, called in the thread that makes them; the same one is added once."""
        with self._lock:
            if listener not in self._listeners:
                self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: BreakerListener) -> None:
        """Tell one no more; it is no error when it was not told."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def _report_change(self, event: BreakerEvent) -> None:
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
    """Return the breakers that all callers of this process with these settings share.

    Raises:
        UsageError: They are to be shared by Redis, and its address is missing.
    """
    return Breakers(rules_of(settings), store=store_of(settings, home))


def rules_of(settings: ResilienceSettings) -> BreakerRules:
    """Return the rules of all breakers."""
    return BreakerRules(
        failures=settings.failures,
        failure_rate=settings.failure_rate,
        minimum_calls=settings.minimum_calls,
        window_s=settings.window_s,
        cooling_s=settings.cooling_s,
        longest_cooling_s=settings.longest_cooling_s,
        successes=settings.successes,
    )


def refresh_breakers(settings: ResilienceSettings, home: Path, metrics: Metrics | None = None) -> None:
    """Look at the breakers that the metrics have as not closed: another process may have closed one since.

    Args:
        settings: Where shared state is kept; the other arguments concern this process.
        home: `Settings.home`.
        metrics: Where the states are shown; those of this process where missing.
    """
    metrics = metrics or metrics_of_process()
    if settings.share == "memory":
        return
    store = store_of(settings, home)
    for (kind, name), value in metrics.values(BREAKER_STATE).items():
        if value and store is not None and kind in get_args(BreakerKind):
            with suppress(StoreError):
                found = list_shared_breakers(store, rules_of(settings), f"{kind} {name}")
                states = [STATE_VALUES[each.machine.state] for each in found]
                metrics.set(BREAKER_STATE, kind, name, value=max(states, default=0.0))


@dataclass(frozen=True, slots=True)
class SharedBreaker:
    """A breaker as a store has it."""

    key: str
    kind: str
    name: str
    machine: Machine
    retry_after_s: float


def list_shared_breakers(store: StateStore, rules: BreakerRules, full: str | None = None) -> list[SharedBreaker]:
    """Return the breakers that a store has: all of them, or those of one kind and name, of whichever project.

    Raises:
        StoreError: The store cannot be used.
    """
    found = []
    for key in [key for kind in get_args(BreakerKind) for key in store.names(f"{kind} ")]:
        known = _SCOPE.sub("", key)
        kept, now = store.read(key)
        if kept is None or full not in (None, known):
            continue
        kind, _, name = known.partition(" ")
        with suppress(ValueError):
            machine = Machine.loads(rules, kept)
            found.append(SharedBreaker(key, kind, name, machine, machine.retry_after_s(now)))
    return found


def reset_breakers(store: StateStore, rules: BreakerRules, breakers: Iterable[SharedBreaker]) -> None:
    """Close breakers for all who share them.

    Raises:
        StoreError: The store cannot be used.
    """

    def close_breaker(kept: str | None, _now: float) -> tuple[str | None, None]:
        if kept is None:
            return None, None
        machine = Machine.loads(rules, kept)
        machine.reset()
        return machine.dumps(), None

    for breaker in breakers:
        store.change(breaker.key, close_breaker)


def reset_command(name: str) -> str:
    """Return the command that closes the breakers of an agent, a model or a host."""
    return f"genesis agents reset {shlex.quote(name)}"


@lru_cache(maxsize=16)
def store_of(settings: ResilienceSettings, home: Path) -> StateStore | None:
    """Return the store that breakers, rate limits and retry budgets of this process share with others, if they do.

    Raises:
        UsageError: It is to be Redis, and its address is missing.
    """
    if settings.share == "memory":
        return None
    if settings.share == "machine":
        return SqliteStore(state_file(home))
    if settings.redis_url is None:
        raise UsageError(
            "the state of breakers is to be shared by Redis, and its address is missing",
            hint="set GENESIS_RESILIENCE__REDIS_URL=redis://HOST:PORT/DB",
        )
    return RedisStore(settings.redis_url.get_secret_value())


def state_file(home: Path) -> Path:
    """Name the file by which the processes of one machine share."""
    return home / "resilience.sqlite"
