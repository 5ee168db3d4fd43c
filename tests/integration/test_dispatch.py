"""Leaves on the pools of their agents, on a real server, with a worker of the test's own that speaks to its API."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest

from genesis.testing.plans import a_program, a_task, an_agent

pytestmark = pytest.mark.server


class Death(BaseException):
    """The worker's process dies."""


class Hands:
    """A worker: takes flow runs from pools, does their leaves by a function and writes the records."""

    def __init__(self, client, ledger, program, work, *, places=8, beat_s=0.5, events=True):
        self.name = f"hands-{uuid4().hex[:8]}"
        self.done = []
        self._client, self._ledger, self._work = client, ledger, work
        self._by_path = {leaf.path: leaf for leaf in program.leaves}
        self._pools = sorted({agent.pool_name for agent in program.agents.values()})
        self._places, self._beat_s, self._events = asyncio.Semaphore(places), beat_s, events
        self._running = {}

    @asynccontextmanager
    async def at_work(self):
        tasks = [asyncio.create_task(self.beat()), asyncio.create_task(self.take())]
        await asyncio.sleep(0)
        try:
            yield self
        finally:
            for task in [*tasks, *self._running.values()]:
                task.cancel()
            await asyncio.gather(*tasks, *self._running.values(), return_exceptions=True)

    async def beat(self):
        while True:
            for pool in self._pools:
                await self._client.send_worker_heartbeat(pool, self.name, heartbeat_interval_seconds=1)
            await asyncio.sleep(self._beat_s)

    async def take(self):
        from prefect.client.schemas.filters import (
            FlowRunFilter,
            FlowRunFilterState,
            FlowRunFilterStateType,
            FlowRunFilterTags,
        )
        from prefect.client.schemas.objects import StateType

        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"run:{self._ledger.run_id}"]))
        tagged.state = FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.CANCELLING])
        )
        while True:
            for flow_run in await self._client.read_flow_runs(flow_run_filter=tagged):
                if flow_run.state.type is StateType.CANCELLING:
                    await self.stop(flow_run)
                else:
                    await self._places.acquire()
                    await self.claim(flow_run)
            await asyncio.sleep(0.05)

    async def claim(self, flow_run):
        from prefect.exceptions import Abort
        from prefect.states import Pending

        with suppress(Abort):
            result = await self._client.set_flow_run_state(flow_run.id, Pending(message=f"claimed by {self.name}"))
            if result.status.value == "ACCEPT":
                self._running[flow_run.id] = asyncio.create_task(self.execute(flow_run))
                return
        self._places.release()

    async def stop(self, flow_run):
        from prefect.states import Cancelled

        if task := self._running.pop(flow_run.id, None):
            task.cancel()
            await self._client.set_flow_run_state(flow_run.id, Cancelled())

    async def execute(self, flow_run):
        from prefect.states import Completed, Crashed, Running

        try:
            await self._client.set_flow_run_state(flow_run.id, Running())
            for path in flow_run.parameters["tasks"]:
                leaf = self._by_path[path]
                outcome = await self._work(leaf, flow_run)
                if outcome is None:
                    continue
                await self._ledger.record_attempt(leaf, outcome, str(flow_run.id))
                self.done.append(path)
                self.tell(leaf, outcome, flow_run)
            await self._client.set_flow_run_state(flow_run.id, Completed())
        except Death as death:
            await self._client.set_flow_run_state(flow_run.id, Crashed(message=str(death)))
        finally:
            self._running.pop(flow_run.id, None)
            self._places.release()

    def tell(self, leaf, outcome, flow_run):
        from prefect.events import emit_event

        if not self._events:
            return
        run = flow_run.parameters["run_id"]
        emit_event(
            "genesis.leaf.ended",
            resource={"prefect.resource.id": f"genesis.leaf.{run}/{leaf.path}", "prefect.resource.name": leaf.path},
            related=[{"prefect.resource.id": f"prefect.tag.run:{run}", "prefect.resource.role": "tag"}],
            payload={"path": leaf.path, "state": outcome.state, "flow_run_id": str(flow_run.id)},
        )
