"""Have runs go on whose orchestrator was lost, where the automation that should do so has missed its event.

On SQLite under load the server's event queue may drop an event. A run then stays in the state `Lost`, which the first
automation gave it, and nobody takes it over. So the workers that serve the orchestrators' pool look for such runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry

from genesis.workers.api import Api, is_passing

__all__ = ["LOST", "LostRuns"]

LOST = "Lost"
"""Name of the state, as `genesis.execute.fleet.automations` has it."""
_PAGE = 50


class LostRuns:
    """Looks for runs of a pool that stay lost, and schedules them again.

    Args:
        api: The API.
        pool: Name of the pool.
        every_s: Pause between two looks. Who is found lost twice is scheduled again: the automation is quicker.
        say: Is given a sentence for each.
    """

    def __init__(self, api: Api, pool: str, *, every_s: float, say: Callable[[str], None]):
        self.pool = pool
        self._api = api
        self._every_s = every_s
        self._say = say
        self._seen: set[UUID] = set()
        self._named = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
        self._lost = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=[LOST])))

    async def watch(self) -> None:
        """Look for ever. An API that is away is asked again the next time."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.look()
            except (httpx.HTTPError, OSError) as error:
                if not is_passing(error):
                    raise

    async def look(self) -> None:
        """Look once."""
        found = await self._api.once(
            lambda: self._api.client.read_flow_runs(
                flow_run_filter=self._lost, work_pool_filter=self._named, limit=_PAGE
            )
        )
        for flow_run in found:
            if flow_run.id in self._seen:
                await self._schedule(flow_run)
        self._seen = {flow_run.id for flow_run in found}

    async def _schedule(self, flow_run: FlowRun) -> None:
        again: State[Any] = AwaitingRetry(message="its orchestrator was lost; it goes on in another process")
        await self._api.once(lambda: self._api.client.set_flow_run_state(flow_run.id, again))
        self._say(f"flow run {flow_run.name!r} was lost, and is scheduled again")
