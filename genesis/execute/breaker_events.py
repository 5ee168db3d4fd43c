"""Changes of circuit breakers as Prefect events, which automations can act on.

A breaker tells of a change in the middle of somebody's call, on whatever thread that has. So nothing is done there but
to put the change into a queue; a thread of this module's own asks the server for the agent's work pool, which is what
an automation pauses, and emits the event. A server that does not answer costs the event its pool, and nobody any time.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from functools import lru_cache
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.exceptions import PrefectException

from genesis.execute.session import Session
from genesis.resilience.breaker import BreakerEvent
from genesis.resilience.breakers import Breakers

__all__ = ["EVENTS", "Announcer", "announced", "event_of"]

_log = logging.getLogger(__name__)
_SETTLE_S = 3.0
"""How long the end of a run waits for events that are not emitted yet."""

EVENTS = {
    "open": "genesis.breaker.opened",
    "half_open": "genesis.breaker.half_open",
    "closed": "genesis.breaker.closed",
}
"""Names of the events by the new state."""


class Announcer:
    """Emits an event for each change of a breaker. It can be told from any thread, and never blocks or fails.

    Args:
        pools: Work pools by agent; it may be added to.
    """

    def __init__(self, pools: Mapping[str, str] | None = None):
        self.pools = dict(pools or {})
        self._ids: dict[str, str] = {}
        self._lock = threading.Lock()
        self._changes: queue.SimpleQueue[tuple[BreakerEvent, Context]] = queue.SimpleQueue()
        self._left = 0
        self._settled = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None

    def __call__(self, change: BreakerEvent) -> None:
        """Take a change; what is about the store of breakers is none."""
        if change.degraded:
            return
        with self._lock:
            self._left += 1
            if self._thread is None or not self._thread.is_alive():  # a fork leaves threads behind
                self._thread = threading.Thread(target=self._emit_all, name="genesis-breaker-events", daemon=True)
                self._thread.start()
        self._changes.put((change, copy_context()))

    def settle(self, seconds: float) -> bool:
        """Wait until all events are emitted, and say whether they are."""
        with self._settled:
            return self._settled.wait_for(lambda: self._left == 0, seconds)

    @property
    def settled(self) -> bool:
        """Whether all events are emitted."""
        return self._left == 0

    def _emit_all(self) -> None:
        while True:
            change, context = self._changes.get()
            try:
                context.run(self._emit, change)
            except Exception:  # noqa: BLE001  # the named boundary of this thread: an event is not worth a run
                _log.debug("a breaker's event was not emitted", exc_info=True)
            finally:
                with self._settled:
                    self._left -= 1
                    self._settled.notify_all()

    def _emit(self, change: BreakerEvent) -> None:
        kind, _, name = change.name.partition(" ")
        pool = self.pools.get(name) if kind == "agent" else None
        emit_event(**event_of(change, pool, self._id(pool)))

    def _id(self, pool: str | None) -> str | None:
        """Ask for the id of a pool, once; there is none for agents that run without pools."""
        if pool is None or pool in self._ids:
            return self._ids.get(pool or "")
        try:
            with get_client(sync_client=True) as client:
                self._ids[pool] = str(client.read_work_pool(pool).id)
        except (httpx.HTTPError, PrefectException, OSError) as error:
            _log.debug("the work pool of a breaker's event is not known", extra={"pool": pool, "reason": repr(error)})
        return self._ids.get(pool)


def event_of(change: BreakerEvent, pool: str | None = None, pool_id: str | None = None) -> dict[str, Any]:
    """Describe a change as an event.

    Args:
        change: The change.
        pool: Name of the agent's work pool.
        pool_id: Its id on the server; without it the event has no related pool.
    """
    kind, _, name = change.name.partition(" ")
    related = {
        "prefect.resource.id": f"prefect.work-pool.{pool_id}",
        "prefect.resource.name": pool or "",
        "prefect.resource.role": "work-pool",
    }
    return {
        "event": EVENTS[change.after],
        "resource": {
            "prefect.resource.id": f"genesis.breaker.{kind}.{name}",
            "prefect.resource.name": change.name,
            "genesis.breaker.kind": kind,
        },
        "related": [related] if pool_id else [],
        "payload": {"before": change.before, "after": change.after, "reason": change.reason},
    }


@asynccontextmanager
async def announced(session: Session) -> AsyncIterator[None]:
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
            await asyncio.to_thread(announcer.settle, _SETTLE_S)


@lru_cache(maxsize=16)
def _announcer_of(breakers: Breakers) -> Announcer:
    del breakers  # there is one announcer for each
    return Announcer()
