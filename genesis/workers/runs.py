"""The flow runs that a worker has at present: claim them, run them, keep in step with what the API says of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, WorkPool
from pydantic import ValidationError

from genesis.errors import SecurityError
from genesis.observability.instruments import WORKER_RUNS
from genesis.observability.metrics import metrics_of_process
from genesis.prefect_api.claims import format_lost_message
from genesis.prefect_api.client import ApiUnavailable, PrefectApi
from genesis.workers.child_pool import ChildPool
from genesis.workers.claims import Claims
from genesis.workers.code_policy import CodePolicy
from genesis.workers.due_runs import read_flow_runs, waiting_beside
from genesis.workers.execution import Execution, StopReason
from genesis.workers.final_states import FinalStates
from genesis.workers.pools import ServedPool
from genesis.workers.tenant_rotation import TenantRotation, tenant_of

__all__ = ["Runs"]

_PAGE = 100
"""Ids in one filter: bounds the length of the query."""
_TELL_S = 10.0
"""How long a worker that stops tries to report to the API how its flow runs ended."""
_END_S = 8.0
"""How long flow runs that are ended may take before their processes are killed."""
_LOST_TWICE_S = 3.0
"""A flow run that is final is seen twice, this far apart, before it is taken to have been ended by somebody else."""


class Runs:
    """The flow runs of one worker.

    Args:
        api: The API.
        child_pool: Lends children.
        worker: The worker's name.
        policy: Decides which code this worker runs.
        notify: Is given a sentence when something is wrong that an operator should know.
        freed: Called with a pool in which a flow run has ended.
    """

    def __init__(
        self,
        api: PrefectApi,
        child_pool: ChildPool,
        worker: str,
        *,
        policy: CodePolicy,
        notify: Callable[[str], None],
        freed: Callable[[ServedPool], None],
    ):
        self._api = api
        self._child_pool = child_pool
        self._notify = notify
        self._freed = freed
        self._claims = Claims(api, worker, policy)
        self._final_states = FinalStates(api, notify)
        self._stopping = StopReason("worker stops", f"its worker {worker!r} was stopped before it ended")
        self._closed = False
        self._ending = False
        self._executions: dict[UUID, Execution] = {}
        self._claiming: set[UUID] = set()
        self._rotation = TenantRotation()
        self._held: dict[UUID, tuple[ServedPool, str]] = {}
        """Pool and tenant of each flow run that has a slot."""
        self._ended_elsewhere: dict[UUID, float] = {}
        self._threads_refused: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Count the flow runs that are claimed and not over."""
        return len(self._executions)

    async def take(self, pool: ServedPool, found: list[FlowRun]) -> None:
        """Claim as many flow runs as there are slots for, and run those that are ours now.

        Returns when the claims are decided.
        """
        claims: list[asyncio.Future[None]] = []
        for flow_run in await self._choose_runs(pool, found):
            pool.bank.taken += 1
            pool.running += 1
            pool.started.set()
            self._claiming.add(flow_run.id)
            self._held[flow_run.id] = pool, tenant_of(flow_run)
            self._rotation.mark_served(tenant_of(flow_run))
            claims.append(asyncio.get_running_loop().create_future())
            self._background(self._one(pool, flow_run, claims[-1]))
        if claims:
            await asyncio.wait(claims)

    async def _choose_runs(self, pool: ServedPool, found: list[FlowRun]) -> list[FlowRun]:
        """Choose what to claim, so that tenants take turns within each work queue.

        Of a pool with a limit the server tells as many as the limit admits, those that wait the longest: where others
        may wait behind them, all of them are looked at.
        """
        chosen: list[FlowRun] = []
        for _, group in groupby(found, key=lambda run: run.work_queue_id):
            offered = list(group)
            at_limit = pool.limit is not None and (pool.running or len(found) >= pool.limit)
            waiting = await self._waiting(pool, offered) if at_limit else offered
            fresh = [run for run in waiting if run.id not in self._held]
            held = [tenant for other, tenant in self._held.values() if other.bank is pool.bank]
            chosen += self._rotation.order(fresh, [*held, *map(tenant_of, chosen)])[: len(offered)]
        return chosen[: 0 if self._closed else pool.bank.free]

    async def _waiting(self, pool: ServedPool, offered: list[FlowRun]) -> list[FlowRun]:
        """Read what waits in the work queue of flow runs that the server offers, who waits longest first."""
        try:
            return await waiting_beside(self._api, pool.name, offered)
        except ApiUnavailable:
            return offered

    def has(self, identity: UUID) -> bool:
        """Whether a flow run is this worker's at present."""
        return identity in self._executions or identity in self._claiming

    async def let_go(self, flow_run: FlowRun, record: WorkPool, worker: str) -> None:
        """End a flow run whose worker is lost, or have another worker take it.

        One that never began, and one that continues from a ledger, are taken by another worker; any other has crashed.
        """
        why = format_lost_message(worker)
        current = await self._api.once(lambda client: client.read_flow_run(flow_run.id))
        if current.state is None or flow_run.state is None or current.state.id != flow_run.state.id:
            return  # another worker was faster, or it was not lost after all
        self._notify(f"flow run {flow_run.name!r}: {why}")
        if flow_run.state.is_pending():
            await self._final_states.reschedule(flow_run, why)
            return
        try:
            orchestrates = (await self._claims.job(flow_run, record)).orchestrates
        except (ValueError, ValidationError, SecurityError):  # its deployment is gone, or nobody may run it
            orchestrates = False
        if orchestrates:
            await self._final_states.retry_elsewhere(flow_run, why)
        else:
            await self._final_states.report_crashed(flow_run, why)

    def cancel(self, identity: UUID) -> None:
        """End a flow run that somebody wants cancelled, if it is here."""
        if (execution := self._executions.get(identity)) is not None:
            execution.end(StopReason("cancelled"))

    def compare_soon(self) -> None:
        """Look at the states of the own flow runs."""
        if self._executions:
            self._background(self.compare())

    async def compare(self) -> None:
        """End own flow runs that are to be cancelled, or that somebody else has ended."""
        mine = list(self._executions)
        try:
            for start in range(0, len(mine), _PAGE):
                chosen = FlowRunFilter(id=FlowRunFilterId(any_=mine[start : start + _PAGE]))
                read = partial(read_flow_runs, flow_run_filter=chosen, limit=_PAGE)
                for flow_run in await self._api.once(read):
                    self._compare_one(flow_run)
        except ApiUnavailable:
            return  # they are compared when it is back

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    async def quiet(self) -> None:
        """Wait until every flow run is over."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def end_all(self) -> None:
        """End what is left, and report it to the API; nothing continues after this."""
        self._closed = self._ending = True
        self._final_states.give_up_s = _TELL_S
        for execution in tuple(self._executions.values()):
            execution.end(self._stopping)
        await self._quiet_within(_END_S)
        await self._child_pool.kill_all("its worker was stopped, and it did not end")
        await self._quiet_within(2 * _TELL_S)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _quiet_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.quiet()
        except TimeoutError:
            return

    async def _one(self, pool: ServedPool, flow_run: FlowRun, claimed: asyncio.Future[None]) -> None:
        """Claim a flow run and run it. This is the boundary for everything that goes wrong with one."""
        try:
            record = pool.record
            if (
                record is not None
                and await self._claims.claim(flow_run)
                and await self._claims.keep_if_free(flow_run, record)
            ):
                await self._run(pool, flow_run, claimed)
        except Exception as error:  # noqa: BLE001  # the named boundary of a flow run: the worker continues
            self._notify(f"flow run {flow_run.name!r}: {type(error).__name__}: {error}")
        finally:
            self._claiming.discard(flow_run.id)
            self._held.pop(flow_run.id, None)
            if (execution := self._executions.pop(flow_run.id, None)) is not None:
                metrics_of_process().count(WORKER_RUNS, pool.name, execution.outcome)
            self._ended_elsewhere.pop(flow_run.id, None)
            pool.bank.taken -= 1
            pool.running -= 1
            if not claimed.done():
                claimed.set_result(None)
            self._freed(pool)

    async def _run(self, pool: ServedPool, flow_run: FlowRun, claimed: asyncio.Future[None]) -> None:
        assert pool.record is not None  # noqa: S101  # for the type checker: its caller has looked
        execution = self._executions[flow_run.id] = Execution(
            flow_run,
            pool.record,
            claims=self._claims,
            child_pool=self._child_pool,
            final_states=self._final_states,
            threads_refused=self._threads_refused,
            notify=self._notify,
        )
        self._claiming.discard(flow_run.id)
        claimed.set_result(None)
        if self._ending:
            execution.end(self._stopping)
        await execution.run()

    def _compare_one(self, current: FlowRun) -> None:
        execution = self._executions.get(current.id)
        if execution is None or current.state is None:
            return
        if current.state.is_cancelling():
            execution.end(StopReason("cancelled"))
        elif current.state.is_final():
            # Its own engine may have said so a moment ago; if it is still there later, it was somebody else.
            since = self._ended_elsewhere.setdefault(current.id, time.monotonic())
            if time.monotonic() - since >= _LOST_TWICE_S:
                self._notify(
                    f"flow run {current.name!r} was ended elsewhere ({current.state.name}); its work is stopped"
                )
                execution.end(StopReason("ended elsewhere"))
            else:
                asyncio.get_running_loop().call_later(_LOST_TWICE_S + 0.1, self.compare_soon)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
