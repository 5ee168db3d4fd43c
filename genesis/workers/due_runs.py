"""Ask once for all pools which of them have flow runs that are due, so that a quiet pool needs no poll of its own.

A poll writes to the server's database: it marks the pool's queues and deployments as ready. To read the flow runs that
are due, over all pools, writes nothing, and costs a fraction of one poll.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
    WorkQueueFilter,
    WorkQueueFilterId,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from genesis.prefect_api.client import PrefectApi, PrefectClient, repeat_forever
from genesis.prefect_api.limits import PAGE
from genesis.workers.polling import AHEAD, Poller, PollInterval

__all__ = ["DueRuns", "read_flow_runs", "waiting_beside"]

_MOST_WAITING = 1_000
"""Due flow runs that are read at most: bounds one look."""


class DueRuns:
    """Wakes the pollers of pools that have something due.

    Args:
        pollers: By name of their pool.
        api: The API.
        pace: How often to look.
        hears: Whether events arrive at present.
    """

    def __init__(
        self, pollers: Mapping[str, Poller], api: PrefectApi, pace: PollInterval, *, receives_events: Callable[[], bool]
    ):
        self._pollers = pollers
        self._api = api
        self._pace = pace
        self._receives_events = receives_events

    async def watch(self) -> None:
        """Look forever; often while no event would report a flow run that can be taken."""
        await repeat_forever(self.look, self._pause_s)

    def _pause_s(self) -> float:
        often = any(
            poller.deaf or (poller.may_hold_back and poller.pool.bank.free) for poller in self._pollers.values()
        )
        return self._pace.deaf_s if often or self._api.away_s or not self._receives_events() else self._pace.look_s

    async def look(self) -> None:
        """Look once."""
        now = time.monotonic()
        for poller in self._pollers.values():
            if poller.pool.open and not poller.pool.bank.free:
                poller.pool.polled = now  # what waits there cannot be taken now, whatever it is
        pollers = {name: poller for name, poller in self._pollers.items() if poller.pool.open and poller.pool.bank.free}
        if not pollers:
            return
        due = _due_before(datetime.now(UTC) + AHEAD)
        served = WorkPoolFilter(name=WorkPoolFilterName(any_=list(pollers)))
        found = await self._api.once(
            lambda client: client.read_flow_runs(flow_run_filter=due, work_pool_filter=served, limit=PAGE)
        )
        seen = set(pollers) if len(found) == PAGE else {flow_run.work_pool_name for flow_run in found}
        for name, poller in pollers.items():
            poller.pool.polled = time.monotonic()
            if name in seen:
                poller.wake()


async def waiting_beside(api: PrefectApi, pool: str, offered: Sequence[FlowRun]) -> list[FlowRun]:
    """Read what is due in the work queue of flow runs that the server offers, who waits longest first.

    Args:
        api: The API.
        pool: Name of the pool.
        offered: Flow runs of one work queue of it; they are in the answer in any case.
    """
    due = _due_before(datetime.now(UTC))
    named = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    queue = offered[0].work_queue_id
    queues = WorkQueueFilter(id=WorkQueueFilterId(any_=[queue])) if queue is not None else None
    found: dict[UUID, FlowRun] = {}
    for offset in range(0, _MOST_WAITING, PAGE):
        read = partial(
            read_flow_runs,
            flow_run_filter=due,
            work_pool_filter=named,
            work_queue_filter=queues,
            sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
            limit=PAGE,
            offset=offset,
        )
        page = await api.once(read)
        found |= {flow_run.id: flow_run for flow_run in page}
        if len(page) < PAGE:
            break
    return list(found.values()) + [flow_run for flow_run in offered if flow_run.id not in found]


def _due_before(moment: datetime) -> FlowRunFilter:
    return FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=moment),
    )


async def read_flow_runs(client: PrefectClient, **chosen: Any) -> list[FlowRun]:
    """Read one page of flow runs, with the arguments of Prefect's client."""
    return await client.read_flow_runs(**chosen)
