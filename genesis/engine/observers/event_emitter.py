"""Emit Prefect events off the caller's thread: a caller never waits, and never gets an error.

Events are emitted in the middle of other work: of somebody's call, in the loop that runs the leaves. So nothing is done
there but to put the event into a queue; a thread asks the server for the work pool that the event is related to, which
is what automations act on, and hands the event to Prefect's client. A server that does not answer costs the event its
pool, and nobody any time.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from prefect.events import emit_event

from genesis.model.run import utc_now
from genesis.prefect_api.client import get_client
from genesis.prefect_api.errors import API_ERRORS
from genesis.prefect_api.names import WORK_POOL

__all__ = ["SETTLE_S", "Describe", "EventEmitter", "describe_related_pool", "get_process_emitter", "pool_label"]

_log = logging.getLogger(__name__)
SETTLE_S = 3.0
"""How long the end of a run waits for events that are not emitted yet."""

Describe = Callable[[str | None], dict[str, Any]]
"""Makes the event, as the arguments of Prefect's `emit_event`, given the id of its work pool where that is known."""


@dataclass(frozen=True, slots=True)
class _QueuedEvent:
    describe: Describe
    pool: str | None
    at: datetime
    context: Context
    """Of the caller: Prefect relates the event to the flow run that this is in."""


class EventEmitter:
    """Emits events in their order. Any thread may emit, and none of them is blocked or gets an error."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_QueuedEvent] = queue.SimpleQueue()
        self._left = 0
        self._settled = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None

    def emit(self, describe: Describe, *, pool: str | None = None) -> None:
        """Queue an event.

        Args:
            describe: Makes it, on the other thread.
            pool: Name of the work pool that it is related to.
        """
        event = _QueuedEvent(describe, pool, utc_now(), copy_context())
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # a fork leaves threads behind
                self._thread = threading.Thread(target=self._emit_all, name="genesis-events", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:  # the process may have no more threads
                    self._thread = None
                    _log.debug("an event was not emitted", extra={"reason": repr(error)})
                    return
            self._left += 1
        self._queue.put(event)

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
            event = self._queue.get()
            try:
                event.context.run(self._send, event)
            except Exception:  # noqa: BLE001  # the named boundary of this thread: an event is not worth a run
                _log.debug("an event was not emitted", exc_info=True)
            finally:
                del event  # keeps what the context holds alive until the next event otherwise
                with self._settled:
                    self._left -= 1
                    self._settled.notify_all()

    def _send(self, event: _QueuedEvent) -> None:
        emit_event(**event.describe(self._id(event.pool)), occurred=event.at)

    def _id(self, pool: str | None) -> str | None:
        """Ask for the id of a pool, once; there is none for agents that run without pools."""
        if pool is None or pool in self._ids:
            return self._ids.get(pool or "")
        try:
            with get_client(sync_client=True) as client:
                self._ids[pool] = str(client.read_work_pool(pool).id)
        except API_ERRORS as error:
            _log.debug("the work pool of an event is not known", extra={"pool": pool, "reason": repr(error)})
        return self._ids.get(pool)


@lru_cache(maxsize=1)
def get_process_emitter() -> EventEmitter:
    """Return the emitter that all runs of this process share: one thread, however many they are."""
    return EventEmitter()


def describe_related_pool(pool: str | None, pool_id: str | None) -> list[dict[str, str]]:
    """Describe an event's work pool as what is related to it; nothing where its id is not known."""
    if pool_id is None:
        return []
    return [
        {
            "prefect.resource.id": f"{WORK_POOL}{pool_id}",
            "prefect.resource.name": pool or "",
            "prefect.resource.role": "work-pool",
        }
    ]


def pool_label(pool: str | None, pool_id: str | None) -> str:
    """Return the pool that is related, or `none`.

    Prefect relates an event to the pool of the flow run that it comes from, too. What acts on an agent's pool has to
    distinguish the two, or it pauses that of the orchestrators where the agent's is not known.
    """
    return pool if pool is not None and pool_id is not None else "none"
