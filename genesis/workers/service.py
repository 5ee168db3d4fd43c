"""The worker service: serves many work pools from one process until it is stopped."""

from __future__ import annotations

import asyncio
import math
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any
from uuid import UUID

from genesis.errors import GenesisError
from genesis.model.agent import is_orchestrator_pool
from genesis.observability.exposition import render_metrics
from genesis.observability.instruments import (
    BUILD,
    WORKER_API_AWAY,
    WORKER_CHILDREN,
    WORKER_POLL_AGE,
    WORKER_RUNNING,
    WORKER_UP,
)
from genesis.observability.metrics import Metrics, metrics_of_process
from genesis.observability.metrics_handoff import MetricsHandoff
from genesis.observability.zero_counters import show_zeros
from genesis.prefect_api.client import PrefectApi, PrefectClient, get_client, repeat_forever, without_client_retries
from genesis.resilience.breakers import refresh_breakers
from genesis.workers.admission import Admission
from genesis.workers.child_pool import ChildPool
from genesis.workers.code_policy import CodePolicy
from genesis.workers.due_runs import DueRuns
from genesis.workers.environment import get_worker_environment
from genesis.workers.event_subscription import EventSubscription
from genesis.workers.health import HealthPage
from genesis.workers.limits import DEAF_POLL_S, SERVER_POLL_S, SERVER_RETRY_S
from genesis.workers.options import ServiceOptions
from genesis.workers.polling import Poller, PollInterval
from genesis.workers.pools import ServedPool, ServedPools
from genesis.workers.recovery import LostRuns, LostWorkers
from genesis.workers.runs import Runs
from genesis.workers.slots import Slots

__all__ = ["Service", "serve"]

_PRELOADED = (
    "genesis.flows.deployed",
    "genesis.agents",
    "genesis.server",
    "prefect.flow_engine",
    "prefect.workers.base",
    # what Prefect imports for a first flow run with parameters, and for a first task
    "fastapi.encoders",
    "prefect.utilities.visualization",
    # what the picture of a plan and the artifacts of a run need
    "networkx",
    "jinja2",
)
"""By name: flows are a higher layer than workers. Modules imported by a child are not shared with others."""
_STALE_S = 60.0
"""How long a pool may go without a poll before the health page says that something is wrong."""
_CALL_S = 30.0
"""Timeout of one call. A worker has time, and a busy server answers late."""
_SERVER_AWAY_S = 3.0
"""How long the API may not answer before the embedded server is looked at; one that lives is left alone."""
_LONGEST = 400
"""Most characters of a message."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def serve(options: ServiceOptions, *, notify: Callable[[str], None] = print) -> None:
    """Serve work pools until SIGTERM or Ctrl-C: the first lets flow runs end, the second ends them.

    Args:
        options: What to serve, and how.
        notify: Called with messages for the operator.

    Raises:
        UsageError: There is no pool to serve, or this system cannot fork.
        ServiceError: The address of the health page is taken.
        ResourceError: No process could be had.
    """
    await Service(options, notify=notify).run()


class Service:
    """A worker of type `genesis`.

    Args:
        options: What to serve, and how.
        notify: Called with messages for the operator.
    """

    def __init__(self, options: ServiceOptions, *, notify: Callable[[str], None] = print):
        self.options = options
        self.ready = asyncio.Event()
        """Set once it takes flow runs."""
        self.health_port: int | None = None
        """Where the health page is."""
        self._notify = notify
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._started = time.monotonic()
        self._pollers: dict[str, Poller] = {}
        self._api: PrefectApi
        self._pools: ServedPools
        self._runs: Runs
        self._slots: Slots
        self._child_pool: ChildPool
        self._wake: EventSubscription

    def stop(self) -> None:
        """Take nothing more; flow runs may end. Called again, they are ended."""
        if self._stop.is_set():
            self._stop_now.set()
        self._stop.set()

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether it polls as it should, and what it does."""
        now = time.monotonic()
        if not self.ready.is_set():
            starting = now - self._started
            document = {"name": self.options.name, "status": "starting", "last_poll_s": round(starting, 3)}
            return starting < self._stale_s, document
        pools = [
            {"name": pool.name, "running": pool.running, "last_poll_s": self._age_s(pool, now), "problem": pool.problem}
            for pool in self._pools.all.values()
        ]
        oldest = max(self._age_s(pool, now) for pool in self._pools.all.values())
        well = self._stop.is_set() or oldest < self._stale_s
        document = {
            "name": self.options.name,
            "status": "stale" if not well else "draining" if self._stop.is_set() else "ok",
            "last_poll_s": oldest,
            "running": len(self._runs),
            "children": len(self._child_pool.children),
            "events": self._wake.healthy,
            "api_away_s": round(self._api.away_s, 3),
            "pools": pools,
        }
        return well, document

    def _update_metrics(self) -> Metrics:
        """Set the gauges of the worker as they are now, and give all that it knows."""
        metrics = metrics_of_process()
        well, _ = self.health()
        metrics.set(BUILD, version("prefect-genesis"), value=1)
        metrics.set(WORKER_UP, value=well)
        if self.ready.is_set():
            now = time.monotonic()
            for pool in tuple(self._pools.all.values()):
                metrics.set(WORKER_RUNNING, pool.name, value=pool.running)
                metrics.set(WORKER_POLL_AGE, pool.name, value=self._age_s(pool, now))
            metrics.set(WORKER_CHILDREN, value=len(self._child_pool.children))
            metrics.set(WORKER_API_AWAY, value=self._api.away_s)
        refresh_breakers(self.options.resilience, self.options.home)
        return metrics

    async def run(self) -> None:
        """Serve until it is stopped, and leave nothing running."""
        self.options.check()
        environment = {**get_worker_environment(), **self.options.environment}
        with without_client_retries(), self._signals():
            async with get_client() as client:
                self._api = PrefectApi(
                    client, self._notify, timeout_s=_CALL_S, faulty_s=math.inf, concurrent_calls=None
                )
                self._child_pool = ChildPool(
                    [*_PRELOADED, *self.options.preload], environment, self._notify, blocked_s=self.options.blocked_s
                )
                await self._serve()

    async def _serve(self) -> None:
        options = self.options
        show_zeros(metrics_of_process())
        kept = MetricsHandoff(options.home)
        page = HealthPage(self.health, lambda accept: render_metrics(kept.combine_with(self._update_metrics()), accept))
        if options.health is not None:
            self.health_port = await page.open(*options.health)
        self._runs = Runs(
            self._api,
            self._child_pool,
            options.name,
            policy=CodePolicy(options.accepts),
            notify=self._notify,
            freed=self._poll_for_slot,
        )
        self._wake = EventSubscription(self._new_in, self._runs.cancel)
        self._slots = options.slots()
        self._pools = ServedPools(
            options.pools,
            self._api,
            self._slots,
            worker=options.name,
            heartbeat_s=options.settings.heartbeat_s,
            notify=self._notify,
            template=options.template,
        )
        background: list[asyncio.Task[None]] = []
        try:
            await self._unless_stopped(self._begin())
            if self.ready.is_set():
                self._notify(f"worker {options.name!r} serves {', '.join(self._pools.all)}")
                background = [asyncio.create_task(work) for work in self._parts()]
                await self._until_stopped(background)
                await self._drain()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._runs.end_all()
            if self.ready.is_set():
                await self._pools.leave()
            await self._child_pool.close()
            await page.close()
            kept.close()
        self._notify(f"worker {options.name!r} has stopped")

    async def _begin(self) -> None:
        """Start the children and learn what the pools are like; the API is waited for."""
        await self._child_pool.start()
        await self._api.call(self._pools.refresh)
        await self._api.call(self._pools.create_missing)
        self._listen()
        self._pollers = {name: self._poller(pool) for name, pool in self._pools.all.items()}
        self._api.when_back(self._poll_all)
        self._api.when_back(self._runs.compare_soon)
        self.ready.set()

    def _poller(self, pool: ServedPool) -> Poller:
        return Poller(
            pool,
            self.options.queues,
            self._api,
            self._pace,
            receives_events=self._receives_events,
            start=self._runs.take,
        )

    @property
    def _pace(self) -> PollInterval:
        settings = self.options.settings
        return PollInterval(busy_s=settings.busy_poll_s, look_s=settings.idle_poll_s)

    def _receives_events(self) -> bool:
        return self._wake.healthy

    def _parts(self) -> list[Coroutine[Any, Any, None]]:
        """Return what continues side by side while it serves."""
        if self.options.run_once:
            return [self._once()]
        pools = tuple(self._pools.all.values())
        due = DueRuns(self._pollers, self._api, self._pace, receives_events=self._receives_events)
        every_s = self.options.settings.idle_poll_s
        parts = [self._wake.run(), self._poll_states(), due.watch(), self._make_lost_workers().watch()]
        parts.append(repeat_forever(self._look_at_pools, lambda: every_s))
        orchestrators = filter(is_orchestrator_pool, self._pools.all)
        parts += [LostRuns(self._api, name, every_s=every_s, notify=self._notify).watch() for name in orchestrators]
        if self.options.restart_server is not None:
            parts.append(self._restart_server(self.options.restart_server))
        parts.append(Admission(self._slots.orchestrators, self._api, admitted=self._poll_all).watch())
        parts += [self._beat(pool, index / len(pools)) for index, pool in enumerate(pools)]
        return parts + [poller.run() for poller in self._pollers.values()]

    def _make_lost_workers(self) -> LostWorkers:
        how, name = self.options.settings, self.options.name
        return LostWorkers(
            self._api, self._pools.all, self._runs, worker=name, every_s=how.heartbeat_s, lost_after_s=how.lost_after_s
        )

    async def _once(self) -> None:
        for poller in self._pollers.values():
            await poller.poll()
        await self._runs.quiet()
        self.stop()

    async def _restart_server(self, restart_server: Callable[[], Awaitable[bool]]) -> None:
        """Have the embedded server started again when it has died: where only workers run, nobody else looks."""
        while True:
            await asyncio.sleep(SERVER_POLL_S)
            if self._api.away_s < _SERVER_AWAY_S:
                continue
            try:
                if await restart_server():
                    self._notify("the Prefect server had died, and was started again")
                    continue
            except GenesisError as error:
                self._notify(f"the Prefect server has died and does not start again: {error.message}"[:_LONGEST])
            await asyncio.sleep(SERVER_RETRY_S)

    async def _beat(self, pool: ServedPool, offset: float) -> None:
        """Send heartbeats to one pool; the first as soon as a flow run of it is taken."""
        await asyncio.sleep(offset * min(1.0, self.options.settings.heartbeat_s))
        while True:
            begun = time.monotonic()
            pool.started.clear()
            await self._pools.heartbeat(pool)
            left_s = max(0.0, begun + self._pools.interval_s(pool) - time.monotonic())
            if pool.running:
                await asyncio.sleep(left_s)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(pool.started.wait(), left_s)

    async def _look_at_pools(self) -> None:
        """Look at the pools: they are paused, changed, created and deleted while this continues."""

        async def look(client: PrefectClient) -> bool:
            changed = await self._pools.refresh(client)
            await self._pools.create_missing(client)
            return changed

        changed = await self._api.once(look)
        if changed:
            self._listen()
            self._poll_all()

    async def _poll_states(self) -> None:
        """Look at the states of the own flow runs now and then, since an event can be missed."""
        usual_s = self.options.settings.idle_poll_s
        while True:
            await asyncio.sleep(usual_s if self._wake.healthy else min(DEAF_POLL_S, usual_s))
            await self._runs.compare()

    def _listen(self) -> None:
        self._wake.listen_to(pool.record.id for pool in self._pools.all.values() if pool.record is not None)

    def _new_in(self, identity: UUID) -> None:
        for poller in self._pollers.values():
            if poller.pool.record is not None and poller.pool.record.id == identity:
                poller.wake(by_event=True)

    def _poll_all(self) -> None:
        for poller in self._pollers.values():
            poller.wake()

    def _poll_for_slot(self, pool: ServedPool) -> None:
        """Poll again where something may have waited for the slot that is free now."""
        for poller in self._pollers.values():
            same_bank = poller.pool.bank is pool.bank and pool.bank.free == 1
            at_limit = poller.pool is pool and pool.limit is not None and pool.running + 1 >= pool.limit
            if same_bank or at_limit:
                poller.wake()

    async def _until_stopped(self, background: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the signal to stop. A part of the worker that fails ends the worker."""
        stopping = asyncio.create_task(_set(self._stop))
        try:
            await asyncio.wait({stopping, *background}, return_when=asyncio.FIRST_COMPLETED)
            for task in background:
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise error
            await stopping
        finally:
            stopping.cancel()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something, unless the worker is stopped meanwhile."""
        doing, stopping = asyncio.create_task(work), asyncio.create_task(_set(self._stop))
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                await doing
        finally:
            doing.cancel()
            stopping.cancel()
            await asyncio.gather(doing, stopping, return_exceptions=True)

    async def _drain(self) -> None:
        """Let flow runs end for a while."""
        self._runs.close()
        if len(self._runs) == 0:
            return
        grace_s = self.options.grace_s
        self._notify(f"stopping: {len(self._runs)} flow runs may continue for {grace_s:g} s; once more ends them now")
        waits = {asyncio.create_task(self._runs.quiet()), asyncio.create_task(_set(self._stop_now))}
        await asyncio.wait(waits, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    @property
    def _stale_s(self) -> float:
        return max(_STALE_S, 3 * self.options.settings.idle_poll_s)

    def _age_s(self, pool: ServedPool, now: float) -> float:
        return round(now - (pool.polled if pool.polled is not None else self._started), 3)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Take SIGTERM and Ctrl-C, where this is the main thread, and give them back afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
                with suppress(TypeError, ValueError):
                    signal.signal(number, before[number])


async def _set(event: asyncio.Event) -> None:
    await event.wait()
