"""The work pools that a worker serves: what the API says of them, and heartbeats to them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from genesis.model.agent import is_orchestrator_pool
from genesis.prefect_api.client import ApiUnavailable, PrefectApi, PrefectClient
from genesis.prefect_api.errors import CLIENT_ERRORS
from genesis.prefect_api.limits import PAGE
from genesis.workers.slots import SlotPool, Slots

__all__ = ["TYPE", "ServedPool", "ServedPools"]

TYPE = "genesis"
"""The worker type, and that of the pools that it serves."""
_IDLE_HEARTBEAT_S = 30.0
"""Pause between two heartbeats to a pool of which nothing runs here: as Prefect's own workers have it."""
_LEAVE_S = 2.0
"""How long a worker that stops tries to say so."""


@dataclass(eq=False)
class ServedPool:
    """A pool that is served, or waited for."""

    name: str
    bank: SlotPool
    record: WorkPool | None = None
    problem: str | None = "it was not looked up yet"
    """Why nothing is taken from it at present."""
    running: int = 0
    """Flow runs of it here."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a flow run of it is taken."""
    polled: float | None = None
    """When it was last polled, or found not to need it, on the monotonic clock."""

    @property
    def shared(self) -> bool:
        """Whether its flow runs share a process, unless their deployment says otherwise."""
        return self.record is not None and _default_isolation(self.record) == "thread"

    @property
    def limit(self) -> int | None:
        """Flow runs at once, over all workers."""
        return self.record.concurrency_limit if self.record is not None else None

    @property
    def open(self) -> bool:
        """Whether flow runs may be taken from it."""
        return self.problem is None


class ServedPools:
    """Keeps what is known of the pools in step with the API.

    Args:
        names: Work pools to serve.
        api: The API.
        slots: What their flow runs take.
        worker: The worker's name.
        notify: Is given a sentence when a pool cannot be served, and when it can again.
        template: Base job template of pools to be created; None to wait for them instead.
    """

    def __init__(
        self,
        names: Sequence[str],
        api: PrefectApi,
        slots: Slots,
        *,
        worker: str,
        heartbeat_s: float,
        notify: Callable[[str], None],
        template: dict[str, Any] | None = None,
    ):
        self._api = api
        self._slots = slots
        self._worker = worker
        self._heartbeat_s = heartbeat_s
        self._notify = notify
        self._template = template
        self.all = {
            name: ServedPool(name, slots.of(orchestrates=is_orchestrator_pool(name), shared=False))
            for name in dict.fromkeys(names)
        }

    async def refresh(self, client: PrefectClient) -> bool:
        """Ask what the pools are like now. `PrefectApi` makes this call, and repeats it where it fails.

        Returns:
            Whether something has changed that subscriptions and polls depend on.
        """
        chosen = WorkPoolFilter(name=WorkPoolFilterName(any_=list(self.all)))
        found: dict[str, WorkPool] = {}
        for offset in range(0, len(self.all), PAGE):
            page = await client.read_work_pools(limit=PAGE, offset=offset, work_pool_filter=chosen)
            found |= {pool.name: pool for pool in page}
        changed = [self._learn(pool, found.get(pool.name)) for pool in self.all.values()]
        return any(changed)

    def interval_s(self, pool: ServedPool) -> float:
        """Return the pause between two heartbeats to a pool.

        Only those to a pool of which a flow run is here are compared with each other; each costs the server a write.
        """
        return self._heartbeat_s if pool.running else max(self._heartbeat_s, _IDLE_HEARTBEAT_S)

    async def heartbeat(self, pool: ServedPool) -> None:
        """Report that this worker is alive: until the API answers, or it is time for the next heartbeat.

        Prefect answers 503 when a database in a file is written by somebody else just then. Heartbeats that keep step
        with each other would get that answer each time.
        """
        if pool.record is None or pool.record.type != TYPE:
            return
        try:
            await self._api.call(lambda _: self._beat(pool, self.interval_s(pool)), give_up_s=self._heartbeat_s)
        except ObjectNotFound:
            self._learn(pool, None)
        except ApiUnavailable:
            pass  # the next heartbeat follows soon
        except CLIENT_ERRORS as error:
            self._notify(f"the heartbeat for work pool {pool.name!r} was refused: {error!r:.200}")

    async def leave(self) -> None:
        """Have the server take this worker to be offline soon, instead of after three heartbeats that it misses."""
        served = [pool for pool in self.all.values() if pool.record is not None and pool.record.type == TYPE]
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await asyncio.gather(*(self._beat(pool, 1) for pool in served), return_exceptions=True)

    async def _beat(self, pool: ServedPool, interval_s: float) -> None:
        whole_s = math.ceil(interval_s)  # the API refuses fractions
        await self._api.client.send_worker_heartbeat(pool.name, self._worker, heartbeat_interval_seconds=whole_s)

    async def create_missing(self, client: PrefectClient) -> None:
        """Create the pools that do not exist. It is made as `refresh` is."""
        for pool in self.all.values():
            if pool.record is None and self._template is not None:
                await self._create(client, pool, self._template)

    async def _create(self, client: PrefectClient, pool: ServedPool, template: dict[str, Any]) -> None:
        wanted = WorkPoolCreate(name=pool.name, type=TYPE, base_job_template=template)
        try:
            self._learn(pool, await client.create_work_pool(wanted))
            self._notify(f"created the work pool {pool.name!r}")
        except ObjectAlreadyExists:
            pass  # another worker was faster; the next refresh reads it

    def _learn(self, pool: ServedPool, record: WorkPool | None) -> bool:
        before = (pool.record.id if pool.record is not None else None, pool.problem)
        pool.record = record
        pool.bank = self._slots.of(orchestrates=is_orchestrator_pool(pool.name), shared=pool.shared)
        problem = _problem(pool.name, record)
        if problem != pool.problem:
            self._report(pool, problem)
        pool.problem = problem
        if problem is not None:
            pool.polled = time.monotonic()  # it is looked at: that there is nothing to poll is no fault of the worker's
        return before != (record.id if record is not None else None, problem)

    def _report(self, pool: ServedPool, problem: str | None) -> None:
        if problem is not None:
            self._notify(problem)
        elif pool.polled is not None:
            self._notify(f"work pool {pool.name!r} can be served now")


def _problem(name: str, record: WorkPool | None) -> str | None:
    if record is None:
        return f"work pool {name!r} does not exist; waiting for it. Create it: genesis pools sync"
    if record.type != TYPE:
        return (
            f"work pool {name!r} is of type {record.type!r}, which this worker does not serve; waiting. "
            f"Serve it: prefect worker start --pool {name!r}"
        )
    if record.is_paused:
        return f"work pool {name!r} is paused; waiting. Resume it: prefect work-pool resume {name!r}"
    if record.concurrency_limit == 0:
        return f"work pool {name!r} has a concurrency limit of 0; waiting. Raise it: genesis pools sync"
    return None


def _default_isolation(record: WorkPool) -> str:
    properties = (record.base_job_template or {}).get("variables", {}).get("properties", {})
    return str(properties.get("isolation", {}).get("default") or "process")
