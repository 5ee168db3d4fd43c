"""Changes of circuit breakers as Prefect events, which automations can act on.

A breaker reports a change in the middle of a call, on the caller's thread; `event_emitter` does the rest on a
thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from genesis.engine.observers.event_emitter import (
    SETTLE_S,
    EventEmitter,
    describe_related_pool,
    get_process_emitter,
    pool_label,
)
from genesis.engine.run_context import RunContext
from genesis.resilience.breaker import BreakerEvent
from genesis.resilience.breakers import Breakers

__all__ = ["EVENTS", "BreakerEventEmitter", "emit_breaker_events", "event_of"]

EVENTS = {
    "open": "genesis.breaker.opened",
    "half_open": "genesis.breaker.half_open",
    "closed": "genesis.breaker.closed",
}
"""Names of the events by the new state."""


class BreakerEventEmitter:
    """Emits an event for each change of a breaker. Any thread may call it; it never blocks or fails.

    Args:
        pools: Work pools by agent; it may be added to.
        emitter: Emits the events; one of its own if omitted.
    """

    def __init__(self, pools: Mapping[str, str] | None = None, emitter: EventEmitter | None = None):
        self.pools = dict(pools or {})
        self._emitter = emitter or EventEmitter()

    def __call__(self, change: BreakerEvent) -> None:
        """Take a change; what is about the store of breakers is none."""
        if change.degraded:
            return
        kind, _, name = change.name.partition(" ")
        pool = self.pools.get(name) if kind == "agent" else None
        self._emitter.emit(lambda pool_id: event_of(change, pool, pool_id), pool=pool)

    def settle(self, seconds: float) -> bool:
        """Wait until all events are emitted, and say whether they are."""
        return self._emitter.settle(seconds)

    @property
    def settled(self) -> bool:
        """Whether all events are emitted."""
        return self._emitter.settled


def event_of(change: BreakerEvent, pool: str | None = None, pool_id: str | None = None) -> dict[str, Any]:
    """Describe a change as an event.

    Args:
        change: The change.
        pool: Name of the agent's work pool.
        pool_id: Its id on the server; without it the event has no related pool.
    """
    kind, _, name = change.name.partition(" ")
    return {
        "event": EVENTS[change.after],
        "resource": {
            "prefect.resource.id": f"genesis.breaker.{kind}.{name}",
            "prefect.resource.name": change.name,
            "genesis.breaker.kind": kind,
            "genesis.pool": pool_label(pool, pool_id),
        },
        "related": describe_related_pool(pool, pool_id),
        "payload": {"before": change.before, "after": change.after, "reason": change.reason},
    }


@asynccontextmanager
async def emit_breaker_events(session: RunContext) -> AsyncIterator[None]:
    """Emit events for the breakers of a session, inside its flow run; several runs of a process share an announcer."""
    if session.breakers is None:
        yield
        return
    announcer = _announcer_of(session.breakers)
    announcer.pools.update({name: agent.pool_name for name, agent in session.program.agents.items()})
    session.breakers.listen(announcer)
    try:
        yield
    finally:
        if not announcer.settled:
            await asyncio.to_thread(announcer.settle, SETTLE_S)


@lru_cache(maxsize=16)
def _announcer_of(breakers: Breakers) -> BreakerEventEmitter:
    del breakers  # there is one announcer for each
    return BreakerEventEmitter(emitter=get_process_emitter())
