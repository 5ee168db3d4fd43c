"""Check every second whether a child has no worker, has run out of time, or has lost its worker."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress

from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import OrchestrationResult
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Completed, Crashed

from genesis.dispatch.child import ChildFlowRun, allowance_s
from genesis.dispatch.children import Children
from genesis.dispatch.heartbeat_monitor import HeartbeatMonitor
from genesis.dispatch.limits import LEDGER_POLL_S, POOL_POLL_S, WATCHDOG_TICK_S
from genesis.dispatch.pools import AgentPools
from genesis.dispatch.retry_decision import ChildEnd
from genesis.engine.run_context import RunContext
from genesis.model import ErrorInfo
from genesis.prefect_api.claims import format_lost_message
from genesis.prefect_api.client import ApiUnavailable, PrefectApi, PrefectClient

__all__ = ["Watchdog", "close_child", "stop_child"]

_log = logging.getLogger(__name__)
_UNTAKEN_S = 3.0
"""A child that no worker took for this long makes its pool suspect; reported within five seconds."""
_POOL_BUSY_S = 20.0
"""Longest pause between two looks at a pool with which nothing is wrong: its workers are only busy, and it doubles."""
_PENDING_S = 600.0
"""How long a child that was taken may need to begin: pulling an image, waiting for a node."""
_AWAY_EXTRA_S = 120.0
"""How long past its time a child is left alone while the API is away."""
_STOP_S = 10.0
"""Time limit for setting a state on a child that is given up."""


class Watchdog:
    """Oversees the living children of a run.

    Args:
        api: The client of the Prefect API.
        pools: The agents' pools.
        children: The living children.
        session: The run.
    """

    def __init__(self, api: PrefectApi, pools: AgentPools, children: Children, session: RunContext):
        how = session.settings.pools
        self._api = api
        self._pools = pools
        self._children = children
        self._session = session
        self._heartbeats = HeartbeatMonitor(
            api, lost_after_s=how.lost_after_s, longest_gap_s=how.heartbeat_s + 3 * WATCHDOG_TICK_S
        )
        self._quiet_s = min(how.heartbeat_s, how.lost_after_s / 2)
        self._next: dict[str, float] = {}
        self._pools_seen: dict[str, float] = {}
        """When the pools of children that no worker takes were looked at."""
        self._busy_pools: dict[str, float] = {}
        """Pools with which nothing was wrong, and the pause until the next look at each."""
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Report that there is something to oversee."""
        self._wake.set()

    async def watch(self) -> None:
        """Watch forever while children live."""
        while True:
            while not self._children.living:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(WATCHDOG_TICK_S)
            try:
                await self.tick()
            except ApiUnavailable:
                continue

    async def tick(self) -> None:
        """Look once.

        Raises:
            ApiUnavailable: The API does not answer now.
        """
        if self._api.away_since is not None:
            await self._look_into_ledger()
        await self._overdue()
        if self._api.away_since is None:
            await self._check_untaken_pools()
            await self._check_lost_workers()

    def _now(self) -> float:
        return self._api.clock()

    def _living(self, *states: StateType) -> list[ChildFlowRun]:
        return [child for child in self._children.living.values() if child.state in states]

    def _due(self, what: str, pause_s: float) -> bool:
        """Whether something is to be done again by now."""
        if self._now() < self._next.get(what, 0.0):
            return False
        self._next[what] = self._now() + pause_s
        return True

    async def _look_into_ledger(self) -> None:
        """Read records while the API cannot report them: workers continue without it."""
        if self._due("ledger", LEDGER_POLL_S):
            for child in self._living(StateType.PENDING, StateType.RUNNING):
                await self._children.collect(child)

    async def _overdue(self) -> None:
        now = self._now()
        grace_s = _AWAY_EXTRA_S if self._api.away_since is not None else 0.0
        for child in self._living(StateType.PENDING, StateType.RUNNING, StateType.SCHEDULED):
            limit = self._limit(child)
            if limit is not None and now - child.state_at > limit[0] + grace_s:
                await self._give_up(
                    child, ChildEnd(child.state, error=limit[1], all_fail=child.state is not StateType.RUNNING)
                )

    def _limit(self, child: ChildFlowRun) -> tuple[float, ErrorInfo] | None:
        """Return how long a child may stay as it is, and what it means when it stays longer."""
        if child.state is StateType.RUNNING:
            if child.current is None:
                return None
            limit_s = allowance_s(child.current, self._session.settings)
            message = f"flow run {str(child.id)!r} on pool {child.pool!r} did not end it within {limit_s:g} s"
            hint = "its own time limit did not end it: look at the worker, or give it more with `timeout_s`"
            return limit_s, ErrorInfo(code="GEN-TASK-TIMEOUT", message=message, hint=hint)
        timeout_s = self._session.settings.pools.dispatch_timeout_s
        if child.state is StateType.PENDING:
            limit_s = max(_PENDING_S, timeout_s or 0.0)
            message = f"flow run {str(child.id)!r} was taken by a worker of pool {child.pool!r} and never began"
            hint = "look at the worker and at what it runs flow runs on; then resume"
            return limit_s, ErrorInfo(code="GEN-DISPATCH-NOT-BEGUN", message=message, hint=hint)
        if timeout_s is None:
            return None
        message = f"no worker of pool {child.pool!r} took flow run {str(child.id)!r} within {timeout_s:g} s"
        hint = "start workers, or raise GENESIS_POOLS__DISPATCH_TIMEOUT_S; then resume"
        return timeout_s, ErrorInfo(code="GEN-DISPATCH-NO-WORKER", message=message, hint=hint)

    async def _check_untaken_pools(self) -> None:
        """Check the pools of children that no worker takes."""
        waiting = self._living(StateType.SCHEDULED)
        suspects = [child for child in waiting if self._now() - child.state_at >= _UNTAKEN_S]
        pools = dict.fromkeys(child.pool for child in suspects)
        self._busy_pools = {pool: pause_s for pool, pause_s in self._busy_pools.items() if pool in pools}
        for pool in pools:
            pause_s = self._busy_pools.get(pool, POOL_POLL_S)
            if self._now() - self._pools_seen.get(pool, -math.inf) < pause_s:
                continue
            self._pools_seen[pool] = self._now()
            trouble = await self._pools.trouble(pool)
            if trouble is not None:
                self._busy_pools.pop(pool, None)
            else:
                self._busy_pools[pool] = min(_POOL_BUSY_S, 2 * pause_s)
                for child in suspects:
                    if child.pool == pool and child.queue != self._pools.queue(pool):
                        await self._withdraw(child)
            if trouble is None or self._session.settings.pools.no_worker == "wait":
                continue
            reason, _, hint = trouble.partition("; ")
            error = ErrorInfo(code="GEN-DISPATCH-NO-WORKER", message=reason, hint=hint)
            for child in suspects:
                if child.pool == pool:
                    await self._give_up(child, ChildEnd(child.state, error=error, all_fail=True))

    async def _withdraw(self, child: ChildFlowRun) -> None:
        """Have the leaves of a child dispatched anew whose pool was deleted, and made again: no worker can take it."""
        try:
            flow_run = await self._api.once(lambda client: client.read_flow_run(child.id))
        except ObjectNotFound:
            self._children.child_missing(child.id)
            return
        if flow_run.work_queue_id is None and flow_run.state_type is StateType.SCHEDULED:
            why = f"pool {child.pool!r} was deleted and made again"
            await self._give_up(child, ChildEnd(StateType.CANCELLED, why, stale=True))

    async def _check_lost_workers(self) -> None:
        """Look after the workers of children that have said nothing for a while."""
        now = self._now()
        quiet = [
            child
            for child in self._living(StateType.PENDING, StateType.RUNNING)
            if now - child.heard_at >= self._quiet_s
        ]
        if not quiet or not self._due("workers", self._session.settings.pools.heartbeat_s):
            return
        lost = await self._heartbeats.look(quiet)
        ends = await asyncio.gather(
            *(self._crash(child, format_lost_message(worker)) for child, worker in lost), return_exceptions=True
        )
        for error in ends:
            if error is not None:
                raise error

    async def _crash(self, child: ChildFlowRun, why: str) -> None:
        """Fence a child whose worker is lost, and deal with its leaves; one that has ended after all is left alone."""
        _log.warning("a worker was lost", extra={"flow_run": str(child.id), "reason": why})

        async def set_state(client: PrefectClient) -> bool:
            result: OrchestrationResult[None] = await client.set_flow_run_state(child.id, Crashed(message=why))
            return result.state is not None and result.state.type is StateType.CRASHED

        try:
            fenced = await self._api.once(set_state)
        except ObjectNotFound:
            self._children.child_missing(child.id)
            return
        if fenced:
            await self._children.finish(child, ChildEnd(StateType.CRASHED, why, lost=True))

    async def _give_up(self, child: ChildFlowRun, end: ChildEnd) -> None:
        """End a child from here: its leaves first, so that what it still does is not taken."""
        await self._children.finish(child, end)
        if child.ended:
            await stop_child(self._api, child)


async def close_child(api: PrefectApi, child: ChildFlowRun) -> None:
    """End a child whose work is in the ledger, and that does not say so itself; one that has ended is left alone."""

    async def set_state(client: PrefectClient) -> None:
        state: State[None] = Completed(message="its tasks are done; its worker did not say so")
        with suppress(ObjectNotFound):
            await client.set_flow_run_state(child.id, state)

    with suppress(TimeoutError, ApiUnavailable):
        async with asyncio.timeout(_STOP_S):
            await api.call(set_state)


async def stop_child(api: PrefectApi, child: ChildFlowRun) -> bool:
    """Ask a child to stop; return whether it was asked. One that no worker took ends at once."""

    async def set_state(client: PrefectClient) -> bool:
        try:
            result: OrchestrationResult[None] = await client.set_flow_run_state(child.id, Cancelling())
        except ObjectNotFound:
            return False
        return result.state is not None and result.state.type in {StateType.CANCELLING, StateType.CANCELLED}

    try:
        async with asyncio.timeout(_STOP_S):
            return await api.call(set_state)
    except (TimeoutError, ApiUnavailable):
        return False
