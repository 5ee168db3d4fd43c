"""Hear of children: one subscription to events for a whole run, and a poll for what it misses.

The server drops events for a subscriber that has 256 waiting, and the socket can die unnoticed. So the poll never
stops: it gets slower while the socket brings everything first, and quick as soon as it finds something itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import orjson
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import StateType
from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter
from websockets.exceptions import WebSocketException

from genesis.dispatch.child import ChildFlowRun
from genesis.dispatch.limits import FIRST_POLL_S, LONGEST_POLL_S
from genesis.prefect_api.client import ApiUnavailable, PrefectApi
from genesis.prefect_api.errors import API_ERRORS
from genesis.prefect_api.limits import EVENTS_CONNECT_S, PAGE
from genesis.prefect_api.names import FLOW_RUN, run_tag, tag_resource_id

__all__ = ["ChildListener", "Waiter", "read_children"]

_log = logging.getLogger(__name__)
_LEAF_ENDED = "genesis.leaf.ended"
_UNHEARD = [f"{FLOW_RUN}{name}" for name in ("Scheduled", "Late", "Pending", "heartbeat", "AwaitingConcurrencySlot")]
"""Events without news, which would crowd out others."""


class ChildListener(Protocol):
    """Receives changes of children. Called in the loop; it must not block."""

    def leaf_ended(self, child: UUID, path: str) -> None:
        """Hear that a leaf's record is written."""

    def child_changed(self, child: UUID, state: StateType, message: str) -> bool:
        """Hear of a child's state; says whether that was new and of weight."""

    def child_missing(self, child: UUID) -> None:
        """Hear that there is no such flow run."""


class Waiter:
    """Listens and polls for the children of one run.

    Args:
        api: The client of the Prefect API.
        run_id: The run.
        listener: Receives the changes.
        living: Gives the children that have not ended.
    """

    def __init__(
        self, api: PrefectApi, run_id: str, listener: ChildListener, living: Callable[[], Sequence[ChildFlowRun]]
    ):
        self._api = api
        self._listener = listener
        self._living = living
        self._wake = asyncio.Event()
        self.connected = False
        """Whether the subscription is known to be up."""
        self._filter = {
            "event": EventNameFilter(prefix=[_LEAF_ENDED, FLOW_RUN], exclude_prefix=_UNHEARD),
            "related": EventRelatedFilter(id=[tag_resource_id(run_tag(run_id))]),
        }

    def wake(self) -> None:
        """Report that there is something to wait for."""
        self._wake.set()

    async def listen(self) -> None:
        """Listen forever, connecting again whenever the connection is lost."""
        pause = FIRST_POLL_S
        while True:
            try:
                subscriber = get_events_subscriber(EventFilter(**self._filter), 0, reconnect_on_clean_close=False)
                async with asyncio.timeout(EVENTS_CONNECT_S):
                    await subscriber.__aenter__()
                try:
                    self.connected = True
                    async for event in subscriber:
                        pause = FIRST_POLL_S
                        self._receive(event)
                finally:
                    await subscriber.__aexit__(None, None, None)
            except (*API_ERRORS, WebSocketException, orjson.JSONDecodeError) as error:
                _log.debug("the event subscription ended", extra={"reason": repr(error)})
            finally:
                self.connected = False
            await asyncio.sleep(pause)
            pause = min(LONGEST_POLL_S, pause * 2)

    async def poll(self) -> None:
        """Poll forever while children live."""
        pause = FIRST_POLL_S
        while True:
            while not self._living():
                self._wake.clear()
                await self._wake.wait()
                pause = FIRST_POLL_S
            await asyncio.sleep(pause)
            try:
                news = await self._look()
            except ApiUnavailable:
                pause = FIRST_POLL_S
                await asyncio.sleep(pause)
                continue
            pause = min(LONGEST_POLL_S, pause * 1.6) if self.connected and not news else FIRST_POLL_S

    async def _look(self) -> bool:
        """Read the states of all living children at once; says whether something was new."""
        news = False
        living = list(self._living())
        for start in range(0, len(living), PAGE):
            asked = living[start : start + PAGE]
            found = await read_children(self._api, [child.id for child in asked])
            for child in asked:
                if child.id not in found:
                    self._listener.child_missing(child.id)
                    continue
                news |= self._listener.child_changed(child.id, *found[child.id])
        return news

    def _receive(self, event: Event) -> None:
        if event.event == _LEAF_ENDED:
            child, path = _uuid(event.payload.get("flow_run_id")), event.payload.get("path")
            if child is not None and isinstance(path, str):
                self._listener.leaf_ended(child, path)
            return
        child = _uuid(event.resource.id.rpartition(".")[2])
        state: Any = event.payload.get("validated_state") or {}
        kind = state.get("type")
        if child is not None and kind in StateType.__members__:
            self._listener.child_changed(child, StateType(kind), state.get("message") or "")


async def read_children(api: PrefectApi, ids: list[UUID]) -> dict[UUID, tuple[StateType, str]]:
    """Read the states of flow runs, at most a page of them.

    Raises:
        ApiUnavailable: The API does not answer now.
    """
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=ids))
    flow_runs = await api.once(lambda client: client.read_flow_runs(flow_run_filter=wanted, limit=len(ids)))
    return {
        run.id: (run.state.type, run.state.message or "") if run.state else (StateType.SCHEDULED, "")
        for run in flow_runs
    }


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
