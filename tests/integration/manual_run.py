"""A run whose children a test begins and ends by itself."""

import asyncio
from uuid import uuid4

from genesis.testing.plans import a_program, a_task, an_agent


class Run:
    """A run whose children are done by hand, over a connection that is not cut."""

    def __init__(self, direct, folder):
        from genesis.engine.run_context import RunContext
        from genesis.ledger import FolderStore, Ledger
        from genesis.ledger.program_state import ProgramState
        from genesis.settings import Settings

        self.direct, self.agent, self.said = direct, f"qa-{uuid4().hex[:6]}", []
        program = a_program(a_task("a"), a_task("b"), a_task("c"), agents=(an_agent(self.agent),))
        self.leaves, self.pool = program.leaves, program.agents[self.agent].pool_name
        pools = {"lost_after_s": 1.0, "heartbeat_s": 0.3, "no_worker": "fail"}
        settings = Settings()
        settings = settings.model_copy(update={"pools": settings.pools.model_copy(update=pools)})
        self.ledger = Ledger(FolderStore(folder), f"r-{self.agent}")
        self.session = RunContext(
            ProgramState(program), self.ledger, "c1", settings, executor=None, slots=4, files=folder
        )

    async def place(self):
        from prefect import flow
        from prefect.client.schemas.actions import WorkPoolCreate

        from genesis.dispatch import PoolBackend

        @flow(name="agent_task")
        def agent_task(run_id: str, tasks: list[str], fingerprints: list[str], attempt: int):
            """Stand for the real flow."""

        await self.direct.create_work_pool(WorkPoolCreate(name=self.pool, type="genesis", base_job_template={}))
        await self.direct.create_deployment(
            await self.direct.create_flow(agent_task), self.agent, work_pool_name=self.pool
        )
        flow_run = await self.direct.create_flow_run(agent_task, parameters={})
        return PoolBackend(self.session, flow_run.id, {}, notify=self.said.append)

    async def child_of(self, leaf):
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"run:{self.ledger.run_id}"]))
        for _ in range(600):
            for child in await self.direct.read_flow_runs(flow_run_filter=tagged):
                if child.parameters["tasks"] == [leaf.path]:
                    return child
            await asyncio.sleep(0.05)
        raise AssertionError(f"nobody dispatched {leaf.path}")

    async def begin(self, leaf):
        from prefect.states import Running

        child = await self.child_of(leaf)
        await self.direct.send_worker_heartbeat(self.pool, "w1", heartbeat_interval_seconds=60)
        await self.direct.set_flow_run_state(child.id, Running(message="claimed by w1"))
        return child

    async def record(self, leaf, child):
        from genesis.model import Outcome
        from genesis.model.run import utc_now

        outcome = Outcome(id=leaf.path, agent=self.agent, state="completed", attempts=1, ended_at=utc_now())
        await self.ledger.record_attempt(leaf, outcome, str(child.id))

    async def end(self, leaf, child):
        from prefect.states import Completed

        await self.record(leaf, child)
        await self.direct.set_flow_run_state(child.id, Completed())
