"""A run on this machine that is paused or suspended, on a real Prefect server."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.states import Paused, Suspended

from genesis.agents import Result
from genesis.ledger import Ledger
from genesis.testing import a_program, a_task
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]
_LEAVES = 90
_SOON_S = 2.0
_LATER_S = 4.0
"""How long a fault has to show itself."""


class Brief:
    """An agent whose work takes a moment, until it is told to hurry."""

    seconds = 0.2

    async def execute(self, work) -> Result:
        await asyncio.sleep(self.seconds)
        return Result()


async def _until(check, running):
    async with asyncio.timeout(120):
        while not await check():
            assert not running.done(), running
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("forced", [False, True], ids=["paused", "suspended by force"])
async def test_a_run_on_this_machine_begins_no_leaf_and_goes_on_when_it_is_resumed(workbench: Workbench, forced):
    leaves = (a_task(f"t{number}", after=(f"t{number - 1}",) if number else ()) for number in range(_LEAVES))
    program, agent, run_id = a_program(*leaves), Brief(), f"paused-{uuid4().hex[:6]}"
    ledger, slowest_s = Ledger(workbench.store, run_id), 0.0

    async def wait_for_begin():
        return len(await ledger.read_outcomes(program.leaves)) >= 3

    async def resumable():
        nonlocal slowest_s
        asked = time.monotonic()
        state = (await client.read_flow_run(flow_run)).state
        slowest_s = max(slowest_s, time.monotonic() - asked)
        assert state.is_paused()
        return workbench.control.suspended and not state.state_details.pause_reschedule

    running = asyncio.create_task(workbench.run(program, agent, run_id=run_id))
    async with get_client() as client:
        await _until(wait_for_begin, running)
        flow_run = UUID((await ledger.owner()).flow_run_id)
        state = Suspended(timeout_seconds=300) if forced else Paused()
        if forced:
            assert (await client.set_flow_run_state(flow_run, state)).status.value == "ABORT"
        answer = await client.set_flow_run_state(flow_run, state, force=forced)
        assert answer.status.value == "ACCEPT"
        await _until(resumable, running)
        await asyncio.sleep(_SOON_S + _LATER_S)
        known = await ledger.read_outcomes(program.leaves)
        late = max(outcome.started_at for outcome in known.values()) - answer.state.timestamp
        assert late < timedelta(seconds=_SOON_S + slowest_s)
        assert len(known) < _LEAVES
        assert not running.done()
        assert (await client.read_flow_run(flow_run)).state.is_paused()
        agent.seconds = 0.0
        assert (await client.resume_flow_run(flow_run)).status.value == "ACCEPT"
        run = await running
        assert run.state == "completed"
        assert [(task.state, task.attempts) for task in run.tasks] == [("completed", 1)] * _LEAVES
        assert (await client.read_flow_run(flow_run)).state.is_completed()


async def test_no_leaf_fails_because_a_flow_around_the_run_is_suspended(workbench: Workbench):
    runs = []

    class Suspends:
        async def execute(self, work) -> Result:
            request.mark_requested(Suspended())  # as Prefect's engine hears it of a deployment's flow run
            return Result()

    @flow(name="around")
    async def around():
        nonlocal request
        request = FlowRunContext.get().flow_run_suspension_request
        runs.append(await workbench.run(a_program(a_task("a"), a_task("b", after=("a",))), Suspends()))

    request = None
    with pytest.raises(Pause):
        await around()
    assert runs[0].state == "cancelled"
    assert "genesis resume" in runs[0].error.hint
    assert [task.state for task in runs[0].tasks] == ["completed", "cancelled"]
