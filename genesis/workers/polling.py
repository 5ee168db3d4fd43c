"""Poll one work pool: at once when something is new, fast while it is busy, seldom while it is quiet.

Between two polls of a quiet pool, `due` looks at all pools with one request. A poll always asks for what may run now,
so that limits of pools and queues, priorities and pauses are the server's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound

from genesis.prefect_api.client import ApiUnavailable, PrefectApi
from genesis.workers.limits import DEAF_AFTER_S
from genesis.workers.pools import ServedPool

__all__ = ["AHEAD", "PollInterval", "Poller"]

AHEAD = timedelta(seconds=60)
"""How far into the future is looked: a run that is due later is then started to the moment."""


@dataclass(frozen=True, slots=True)
class PollInterval:
    """Pauses between two polls, in seconds."""

    busy_s: float = 0.2
    """After something was found while no events arrive; after an event that came before its flow run can be read."""
    idle_s: float = 45.0
    """While nothing indicates a flow run; the server takes queues that were not polled for 60 s to be not ready."""
    deaf_s: float = 1.0
    """Between two looks at all pools while events do not arrive, or while something may wait without an event."""
    look_s: float = 10.0
    """Between two looks at all pools otherwise."""


class Poller:
    """Polls one pool and starts what is due.

    Args:
        pool: The pool.
        queues: Work queues to take from; all where there are none.
        api: The API.
        pace: Pauses between polls.
        hears: Whether events arrive at present.
        start: Claims and runs flow runs; it takes as many as there are slots for.
    """

    def __init__(
        self,
        pool: ServedPool,
        queues: Sequence[str],
        api: PrefectApi,
        pace: PollInterval,
        *,
        receives_events: Callable[[], bool],
        start: Callable[[ServedPool, list[FlowRun]], Awaitable[None]],
    ):
        self.pool = pool
        self._queues = list(queues)
        self._api = api
        self._pace = pace
        self._receives_events = receives_events
        self._start = start
        self._wake = asyncio.Event()
        self._found = False
        self._expected = False
        self._due: datetime | None = None
        self.deaf = False
        """Whether a flow run waited here without an event."""
        self._told = False

    def wake(self, *, by_event: bool = False) -> None:
        """Poll now."""
        if by_event:
            self._told, self.deaf = True, False
        self._wake.set()

    async def run(self) -> None:
        """Poll forever."""
        while True:
            await self._pause()
            await self.poll()

    async def poll(self) -> None:
        """Poll once, where there is something to poll for."""
        self._wake.clear()
        if not self.pool.open:
            self.pool.polled = time.monotonic()
            return
        if self.pool.bank.free == 0:
            self.pool.polled = time.monotonic()
            return
        told, self._told = self._told, False
        try:
            found = await self._ask()
        except ObjectNotFound:
            return  # it was deleted; the next refresh says so
        except ApiUnavailable:
            return
        self.pool.polled = time.monotonic()
        due = self._sort_out(found, told=told)
        self._found, self._expected = bool(due), told and not due
        if due:
            await self._start(self.pool, due)

    async def _ask(self) -> list[FlowRun]:
        until = datetime.now(UTC) + AHEAD
        answer = await self._api.once(
            lambda client: client.get_scheduled_flow_runs_for_work_pool(
                self.pool.name, work_queue_names=self._queues, scheduled_before=until
            )
        )
        return [entry.flow_run for entry in answer]

    def _sort_out(self, found: list[FlowRun], *, told: bool) -> list[FlowRun]:
        """Return what is due now, and remember when the next one is.

        A run that was to start no later than it was created is due whatever this machine's clock says.
        """
        now = datetime.now(UTC)
        due, self._due = [], None
        for flow_run in found:
            start = flow_run.next_scheduled_start_time or flow_run.expected_start_time
            created = flow_run.created
            if start is None or start <= now or (created is not None and start <= created):
                due.append(flow_run)
                waited = (now - max(start, created)).total_seconds() if start and created else 0.0
                self.deaf = self.deaf or (waited > DEAF_AFTER_S and not told and self.pool.running == 0)
            elif self._due is None or start < self._due:
                self._due = start
        return due

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._pause_s()):
                await self._wake.wait()
        except TimeoutError:
            return

    def _pause_s(self) -> float:
        receives_events = self._receives_events() and not self.deaf and not self._api.away_s
        pause = self._pace.busy_s if self._expected or (self._found and not receives_events) else self._pace.idle_s
        if self._due is not None:
            pause = min(pause, max(0.0, (self._due - datetime.now(UTC)).total_seconds()))
        return pause

    @property
    def may_hold_back(self) -> bool:
        """Whether runs may wait that a limit held back: nobody sends an event when another worker's run makes room."""
        return self._found or (self.pool.running > 0 and self.pool.limit is not None)
