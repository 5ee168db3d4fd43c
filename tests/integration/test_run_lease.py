"""Who orchestrates a run, on a real Prefect server."""

import asyncio
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Cancelling, Pending, Running

from genesis.agents import Result
from genesis.engine import run_lease as lease
from genesis.engine.cancel import cancel_run
from genesis.engine.run_lease import RunLease, owner_here
from genesis.errors import RunError
from genesis.ledger import FolderStore, Ledger
from genesis.ledger.control import Control
from genesis.settings import PoolSettings, Settings
from genesis.testing import a_program, a_task
from genesis.testing.prefect import Workbench

pytestmark = pytest.mark.server


class Endless:
    """An agent that works until it is cancelled."""

    def __init__(self) -> None:
        self.started = asyncio.Event()

    async def execute(self, work) -> Result:
        self.started.set()
        await asyncio.Event().wait()
        return Result()


class GaveWayError(Exception):
    pass


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(lease, "LEASE_POLL_S", 0.2)
    monkeypatch.setattr(lease, "OWNER_POLL_S", 0.2)


async def test_a_run_whose_flow_run_is_cancelled_in_the_ui_ends(workbench: Workbench):
    agent = Endless()
    run_id = "cancelled-in-the-ui"
    running = asyncio.create_task(workbench.run(a_program(a_task("a")), agent, run_id=run_id))
    await agent.started.wait()
    owner = await Ledger(workbench.store, run_id).owner()
    async with get_client() as client:
        await client.set_flow_run_state(owner.flow_run_id, Cancelling())
        async with asyncio.timeout(30):
            run = await running
        flow_run = await client.read_flow_run(owner.flow_run_id)
    assert run.state == "cancelled"
    assert [task.state for task in run.tasks] == ["cancelled"]
    assert flow_run.state.is_cancelled()


async def test_who_is_succeeded_gives_way(prefect_api, tmp_path):
    ledger = Ledger(FolderStore(tmp_path), "taken-over")
    gave_way = asyncio.Event()

    def yield_run():
        gave_way.set()
        raise GaveWayError

    @flow(name="mine")
    async def mine() -> None:
        held = RunLease(ledger, Control(), alive=True, give_way=yield_run)
        await held.__aenter__()
        assert (await ledger.owner()).pid > 0
        await asyncio.sleep(0.5)
        assert not gave_way.is_set()
        await ledger.take_over(owner_here("someone-else"))
        async with asyncio.timeout(10):
            await gave_way.wait()
        with pytest.raises(GaveWayError):
            await held.__aexit__(None, None, None)

    await mine()


async def test_outside_of_a_flow_run_there_is_nothing_to_hold(tmp_path):
    ledger = Ledger(FolderStore(tmp_path), "nobody")
    async with RunLease(ledger, Control(), alive=True):
        assert await ledger.owner() is None


async def test_a_note_that_is_cut_off_names_nobody(tmp_path):
    ledger = Ledger(FolderStore(tmp_path), "half")
    await ledger.store.write("genesis/half/owner.json", b'{"flow_run_id": "')
    assert await ledger.owner() is None


async def test_a_run_that_has_ended_cannot_be_cancelled(workbench: Workbench, monkeypatch):
    run_id = "over-and-done"
    await workbench.run(a_program(a_task("a")), _Quick(), run_id=run_id)
    ledger = Ledger(workbench.store, run_id)

    async def find(_run_id, _settings):
        return ledger, await ledger.header()

    monkeypatch.setattr("genesis.engine.cancel.find_run", find)
    with pytest.raises(RunError, match="has ended already"):
        await cancel_run(run_id, workbench.settings, print)


async def test_a_running_run_is_cancelled_from_outside(workbench: Workbench, monkeypatch):
    run_id, agent, said = "ended-from-outside", Endless(), []
    ledger = Ledger(workbench.store, run_id)

    async def find(_run_id, _settings):
        return ledger, await ledger.header()

    monkeypatch.setattr("genesis.engine.cancel.find_run", find)
    running = asyncio.create_task(workbench.run(a_program(a_task("a")), agent, run_id=run_id))
    await agent.started.wait()
    async with asyncio.timeout(40):
        stopped = await cancel_run(run_id, workbench.settings, said.append)
        run = await running
    assert run.state == "cancelled"
    assert stopped.flow_run == "Cancelled"
    assert stopped.orchestrator_answered
    assert stopped.alive == ()
    assert said == ["asking the orchestrator to end the run"]


async def test_what_a_lost_worker_held_is_cancelled_and_holds_no_slot(prefect_api, tmp_path, monkeypatch):
    ledger, pool = Ledger(FolderStore(tmp_path), "its-worker-died"), f"agent-{uuid4().hex[:8]}"

    async def find(_run_id, _settings):
        return ledger, None

    monkeypatch.setattr("genesis.engine.cancel.find_run", find)
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=pool, type="genesis"))
        await client.send_worker_heartbeat(pool, "silent", 30)
        deployment = await client.create_deployment(
            await client.create_flow_from_name("agent_task"), pool, work_pool_name=pool
        )
        made = []
        for tags in ([], ["run:its-worker-died"]):
            made.append(await client.create_flow_run_from_deployment(deployment, tags=tags))
            for state in (Pending(message="claimed by silent"), Running()):
                await client.set_flow_run_state(made[-1].id, state)
    await ledger.take_over(owner_here(str(made[0].id)))
    quick = Settings().model_copy(update={"pools": PoolSettings(heartbeat_s=0.3, lost_after_s=1)})
    async with asyncio.timeout(30):
        stopped = await cancel_run("its-worker-died", quick, print)
    assert (stopped.flow_run, stopped.children, stopped.alive) == ("Cancelled", (made[1].name,), ())
    assert not stopped.orchestrator_answered


class _Quick:
    async def execute(self, work) -> Result:
        return Result()
