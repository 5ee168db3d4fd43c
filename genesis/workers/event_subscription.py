"""One subscription to Prefect's events: new flow runs in the pools, and flow runs that are to be cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from uuid import UUID

from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter

from genesis.prefect_api.limits import EVENTS_CONNECT_S
from genesis.prefect_api.names import FLOW_RUN, WORK_POOL

__all__ = ["EventSubscription"]

_log = logging.getLogger(__name__)
_SCHEDULED = ("Scheduled", "AwaitingRetry", "Resuming", "Late", "AwaitingConcurrencySlot")
_CANCELLING = "Cancelling"
_NAMES = [f"{FLOW_RUN}{name}" for name in (*_SCHEDULED, _CANCELLING)]
_LONGEST_PAUSE_S = 5.0
"""Longest pause between two attempts to subscribe; polling replaces events meanwhile."""


class EventSubscription:
    """Hears of new and of cancelled flow runs as they are.

    Args:
        new: Is given the id of a pool that has a new flow run.
        cancelling: Is given the id of a flow run that somebody wants cancelled.
    """

    def __init__(self, new: Callable[[UUID], None], cancelling: Callable[[UUID], None]):
        self._new = new
        self._cancelling = cancelling
        self._pools: frozenset[UUID] = frozenset()
        self._changed = asyncio.Event()
        self.healthy = False
        """Whether it is connected."""

    def listen_to(self, pools: Iterable[UUID]) -> None:
        """Subscribe to events of these pools."""
        chosen = frozenset(pools)
        if chosen != self._pools:
            self._pools = chosen
            self._changed.set()

    async def run(self) -> None:
        """Listen forever, connecting again whenever the connection is lost."""
        pause_s = 0.5
        while True:
            self._changed.clear()
            listening = asyncio.create_task(self._listen()) if self._pools else None
            changing = asyncio.create_task(self._changed.wait())
            tasks = {changing} if listening is None else {changing, listening}
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                was_healthy, self.healthy = self.healthy, False
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if not self._changed.is_set():
                pause_s = 0.5 if was_healthy else min(_LONGEST_PAUSE_S, pause_s * 2)
                await asyncio.sleep(pause_s)

    async def _listen(self) -> None:
        """Listen over one connection. This is the boundary for all that a connection raises."""
        wanted = EventFilter(
            event=EventNameFilter(name=_NAMES),
            any_resource=EventAnyResourceFilter(id=[f"{WORK_POOL}{identity}" for identity in sorted(self._pools)]),
        )
        try:
            subscriber = get_events_subscriber(filter=wanted, reconnection_attempts=0)
            async with asyncio.timeout(EVENTS_CONNECT_S) as limit, subscriber:
                limit.reschedule(None)
                self.healthy = True
                for identity in self._pools:  # what came before the subscription
                    self._new(identity)
                async for event in subscriber:
                    self._receive(event)
        except Exception as error:  # noqa: BLE001  # websockets, HTTP, DNS, authentication: all mean "not connected"
            _log.debug("the event subscription ended", extra={"reason": repr(error)})

    def _receive(self, event: Event) -> None:
        run = event.resource.id
        if event.event.endswith(f".{_CANCELLING}"):
            if run.startswith(FLOW_RUN):
                self._cancelling(UUID(run.removeprefix(FLOW_RUN)))
            return
        for related in event.related:
            if related.id.startswith(WORK_POOL):
                self._new(UUID(related.id.removeprefix(WORK_POOL)))
