"""Have flow runs continue, or let their slots go, whose worker or orchestrator was lost.

Workers look after each other: the flow runs of one whose heartbeats stand still hold slots of their pools, and nobody
else would end them where nobody orchestrates them.

On SQLite under load the server's event queue may drop an event. A run then stays in the state `Lost`, which the first
automation gave it, and nobody takes it over. So the workers that serve the orchestrators' pool look for such runs, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, Worker
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import AwaitingRetry

from genesis.prefect_api.claims import claimant, last_claimant
from genesis.prefect_api.client import PrefectApi, repeat_forever
from genesis.prefect_api.heartbeats import Heartbeats, read_heartbeats
from genesis.prefect_api.limits import LOOK_SLACK_S, PAGE
from genesis.workers.claims import HELD
from genesis.workers.pools import ServedPool
from genesis.workers.runs import Runs

__all__ = ["LOST", "LostRuns", "LostWorkers"]

LOST = "Lost"
"""Name of the state, as `genesis.fleet.automations` has it."""
_PAGE = 50
"""Lost flow runs that one look releases."""
_MOST_HELD = 200
"""Flow runs of silent workers that one look reads."""
_AT_ONCE = 10
"""Concurrent calls: a burst would load a server that has just come back."""


class LostRuns:
    """Looks for runs of a pool that stay lost, and schedules them again.

    Args:
        api: The API.
        pool: Name of the pool.
        every_s: Pause between two looks. Who is found lost twice is scheduled again: the automation is quicker.
        notify: Is given a sentence for each.
    """

    def __init__(self, api: PrefectApi, pool: str, *, every_s: float, notify: Callable[[str], None]):
        self._api = api
        self._every_s = every_s
        self._notify = notify
        self._seen: set[UUID] = set()
        self._named = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
        self._lost = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=[LOST])))

    async def watch(self) -> None:
        """Look forever. An API that is away is asked again the next time."""
        await repeat_forever(self.look, lambda: self._every_s)

    async def look(self) -> None:
        """Look once."""
        found = await self._api.once(
            lambda client: client.read_flow_runs(flow_run_filter=self._lost, work_pool_filter=self._named, limit=_PAGE)
        )
        for flow_run in found:
            if flow_run.id in self._seen:
                await self._schedule(flow_run)
        self._seen = {flow_run.id for flow_run in found}

    async def _schedule(self, flow_run: FlowRun) -> None:
        again: State[Any] = AwaitingRetry(message="its orchestrator was lost; it continues in another process")
        await self._api.once(lambda client: client.set_flow_run_state(flow_run.id, again))
        self._notify(f"flow run {flow_run.name!r} was lost, and is scheduled again")


class LostWorkers:
    """Looks for flow runs that other workers of the served pools hold, and lets go of those whose worker is lost.

    Args:
        api: The API.
        pools: The pools that are served, by name.
        runs: The own flow runs.
        worker: The own name.
        every_s: Pause between two looks.
        lost_after_s: How long a worker's heartbeat may stay the same.
    """

    def __init__(
        self,
        api: PrefectApi,
        pools: Mapping[str, ServedPool],
        runs: Runs,
        *,
        worker: str,
        every_s: float,
        lost_after_s: float,
    ):
        self._api = api
        self._pools = pools
        self._runs = runs
        self._worker = worker
        self._every_s = every_s
        self._beats = Heartbeats[tuple[str, str]](lost_after_s=lost_after_s, longest_gap_s=every_s + LOOK_SLACK_S)
        self._seen: set[UUID] = set()
        self._claimants: dict[tuple[UUID, int], str] = {}
        self._here = WorkPoolFilter(name=WorkPoolFilterName(any_=list(pools)))
        api.when_back(self._beats.forget)

    async def watch(self) -> None:
        """Look forever. An API that is away is asked again the next time."""
        await repeat_forever(self.look, lambda: self._every_s)

    async def look(self) -> None:
        """Look once.

        A running one that was not there the last time is short as a rule, and looked after the next time, because whose
        it is has to be asked for.
        """
        held = await self._read_held_by_others()
        known = [run for run in held if run.id in self._seen or claimant(run.state)]
        self._seen = {run.id for run in held}
        named = {run.id: await self._claimant(run) for run in known}
        watched = [
            run for run in known if named[run.id] not in {"", self._worker} and run.work_pool_name in self._pools
        ]
        self._claimants = {key: name for key, name in self._claimants.items() if key[0] in self._seen}
        said = await read_heartbeats((run.work_pool_name or "" for run in watched), self._page)
        keys = {run.id: (run.work_pool_name or "", named[run.id]) for run in watched}
        now = time.monotonic()
        self._beats.compare(now, {key: said.get(key) for key in keys.values()})
        lost = [run for run in watched if self._beats.is_lost(keys[run.id], now)]
        for start in range(0, len(lost), _AT_ONCE):
            await asyncio.gather(*(self._let_go(run, named[run.id]) for run in lost[start : start + _AT_ONCE]))

    async def _let_go(self, run: FlowRun, worker: str) -> None:
        record = self._pools[run.work_pool_name or ""].record
        if record is not None:
            await self._runs.let_go(run, record, worker)

    async def _read_held_by_others(self) -> list[FlowRun]:
        """Read the flow runs that other workers hold; only their number where they are all the own ones."""
        count = await self._api.once(
            lambda client: client.count_flow_runs(flow_run_filter=HELD, work_pool_filter=self._here)
        )
        if count <= len(self._runs):
            return []
        found = await self._api.once(
            lambda client: client.read_flow_runs(
                flow_run_filter=HELD,
                work_pool_filter=self._here,
                limit=_MOST_HELD,
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            )
        )
        return [run for run in found if not self._runs.has(run.id)]

    async def _claimant(self, flow_run: FlowRun) -> str:
        """Name who took a flow run; empty where it does not say, as with workers of other types."""
        if flow_run.state is not None and flow_run.state.is_pending():
            return claimant(flow_run.state)
        key = (flow_run.id, flow_run.run_count)
        if key not in self._claimants:
            states = await self._api.once(lambda client: client.read_flow_run_states(flow_run.id))
            self._claimants[key] = last_claimant(states)
        return self._claimants[key]

    async def _page(self, pool: str, offset: int) -> list[Worker]:
        return await self._api.once(lambda client: client.read_workers_for_work_pool(pool, offset=offset, limit=PAGE))
