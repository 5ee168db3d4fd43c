"""The flows that are deployed, on a real Prefect server: what a worker does with a piece of a run."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.flow_engine import run_flow_async

from genesis.flows.deployed import agent_task, housekeeping, preflight
from genesis.ledger import Header, LaneOrder, LaneState, Ledger, open_store
from genesis.ledger.history import open_ledger
from genesis.model import Outcome, Run
from genesis.planning import plan_document
from genesis.settings import Settings
from genesis.testing import a_program, a_task, an_agent

pytestmark = pytest.mark.server


async def _wait_for_begin(program, **more) -> Ledger:
    ledger = open_ledger(await open_store(), f"test-{uuid4().hex[:8]}", Settings())
    header = Header(
        genesis_version="9.9.9",
        run_id=ledger.run_id,
        correlation_id="c",
        created_at=datetime.now(UTC),
        document=plan_document(program.source),
        registry=program.registry,
        slots=4,
        **{"rehearse": 0.0, **more},
    )
    await ledger.begin(header)
    return ledger


def _order(ledger, program, *indexes, attempt=1):
    leaves = [program.leaves[index] for index in indexes]
    return {
        "run_id": ledger.run_id,
        "tasks": [leaf.path for leaf in leaves],
        "fingerprints": [leaf.fingerprint for leaf in leaves],
        "attempt": attempt,
    }


async def _work_on(order):
    state = await agent_task(**order, return_state=True)
    return state, str(state.state_details.flow_run_id)


async def test_a_chain_is_worked_on_and_waits_to_be_adopted(prefect_api):
    program = a_program(a_task("a", outputs=["n"]), a_task("b", after=("a",), inputs={"n": "{a.n}"}))
    ledger = await _wait_for_begin(program)
    state, token = await _work_on(_order(ledger, program, 0, 1, attempt=3))
    assert state.is_completed()
    found = [await ledger.attempt(leaf, token) for leaf in program.leaves]
    assert [(outcome.state, outcome.attempts) for outcome in found] == [("completed", 3), ("completed", 3)]
    assert await ledger.read_finished(program.leaves) == {}


async def test_results_of_other_agents_come_from_the_ledger(prefect_api):
    program = a_program(a_task("a", outputs=["n"]), a_task("b", after=("a",), inputs={"n": "{a.n}"}))
    ledger = await _wait_for_begin(program)
    order = _order(ledger, program, 1)
    state, _ = await _work_on(order)
    assert state.is_failed()
    assert "'a'" in state.message
    await ledger.record(program.leaves[0], Outcome(id="a", agent="worker", state="completed", result={"n": 7}))
    state, token = await _work_on(order)
    assert state.is_completed(), state.message
    assert (await ledger.attempt(program.leaves[1], token)).state == "completed"


async def test_what_comes_after_a_failure_is_left_out_and_the_rest_is_done(prefect_api):
    executors = {"bad": {"kind": "command", "argv": ["false"]}}
    worker = an_agent(executor={"kind": "command", "argv": ["true"]}, executors=executors)
    program = a_program(a_task("a", type="bad"), a_task("b", after=("a",)), a_task("c"), agents=(worker,))
    ledger = await _wait_for_begin(program, rehearse=None)
    state, token = await _work_on(_order(ledger, program, 0, 1, 2))
    assert state.is_failed()
    assert "'a' failed" in state.message
    outcomes = [await ledger.attempt(leaf, token) for leaf in program.leaves]
    assert [outcome and outcome.state for outcome in outcomes] == ["failed", None, "completed"]


@pytest.mark.parametrize(("left_s", "state"), [(60.0, "completed"), (0.0, "cancelled")])
async def test_a_deadline_is_kept_to_by_the_seconds_that_are_left(prefect_api, left_s, state):
    program = a_program(a_task("a"))
    ledger = await _wait_for_begin(program)
    _, token = await _work_on({**_order(ledger, program, 0), "left_s": left_s})
    outcome = await ledger.attempt(program.leaves[0], token)
    assert outcome.state == state
    assert (outcome.error.code if outcome.error else None) == (None if state == "completed" else "GEN-DEADLINE")


async def test_a_worker_begins_nothing_of_a_run_that_is_suspended(prefect_api):
    program = a_program(a_task("a"), a_task("b"))
    ledger = await _wait_for_begin(program)
    await ledger.suspend(suspended=True)
    state, token = await _work_on(_order(ledger, program, 0, 1))
    assert state.is_completed()
    assert state.message == "its run was suspended after 0 of 2 tasks"
    assert await ledger.attempt(program.leaves[0], token) is None
    await ledger.suspend(suspended=False)
    state, token = await _work_on(_order(ledger, program, 0, 1))
    assert (await ledger.attempt(program.leaves[1], token)).state == "completed"


async def test_storage_that_is_not_shared_is_told(prefect_api):
    state = await agent_task(run_id="nowhere", tasks=["a"], fingerprints=["x"], return_state=True)
    assert state.is_failed()
    assert "does not find run 'nowhere'" in state.message


async def test_a_leaf_that_is_understood_otherwise_is_refused(prefect_api):
    program = a_program(a_task("a"))
    ledger = await _wait_for_begin(program)
    order = {**_order(ledger, program, 0), "fingerprints": ["0" * 64]}
    state, token = await _work_on(order)
    assert state.is_failed()
    assert "Genesis 9.9.9" in state.message
    assert await ledger.attempt(program.leaves[0], token) is None


async def test_preflight_checks_and_publishes(prefect_api):
    plan = {"version": 1, "request": "do it", "tasks": [{"id": "a", "type": "no-such-type", "description": "x"}]}
    state = await preflight(plan=plan, return_state=True)
    assert state.is_failed()
    state = await preflight(request="Audit the repository at .", return_state=True)
    assert state.is_completed(), state.message
    async with get_client() as client:
        assert await client.read_flow_run(state.state_details.flow_run_id)


async def test_housekeeping_says_first_and_removes_then(prefect_api, monkeypatch):
    monkeypatch.setenv("GENESIS_WORKER__PURGE_MIN_DAYS", "30")
    program = a_program(a_task("a"))
    ledger = await _wait_for_begin(program)
    old = datetime.now(UTC) - timedelta(days=90)
    tasks = (Outcome(id="a", agent="worker", state="completed"),)
    run = Run(
        run_id=ledger.run_id,
        correlation_id="c",
        state="completed",
        planner="file",
        started_at=old,
        ended_at=old,
        cost_usd=0,
        tasks=tasks,
    )
    await ledger.save(run)
    young = await _wait_for_begin(program)
    state = await housekeeping(return_state=True)
    assert "would be removed" in state.message
    assert ledger.folder.is_dir()
    state = await housekeeping(dry_run=False, return_state=True)
    assert " removed" in state.message
    assert not ledger.folder.exists()
    assert young.folder.is_dir()
    state = await housekeeping(keep_days=-1, return_state=True)
    assert state.is_failed()


async def _wait_for_order(ledger, token, number, *leaves):
    """Return an order once the flow run waits for it."""
    async with asyncio.timeout(60):
        while await ledger.read_lane_state(token) != LaneState(orders=number - 1, open=True):
            await asyncio.sleep(0.02)
    paths, fingerprints = [leaf.path for leaf in leaves], [leaf.fingerprint for leaf in leaves]
    await ledger.order(token, number, LaneOrder(tasks=paths, fingerprints=fingerprints))


async def test_further_leaves_have_task_runs_of_their_own_and_the_results_that_they_need(prefect_api):
    program = a_program(
        a_task("a", outputs=["n"]),
        a_task("b", after=("a",), inputs={"n": "{a.n}"}, outputs=["m"]),
        a_task("c", after=("b",), inputs={"m": "{b.m}"}),
    )
    ledger = await _wait_for_begin(program)
    async with get_client() as client:
        flow_run = await client.create_flow_run(agent_task, parameters=_order(ledger, program, 0) | {"lane_s": 30.0})
        token = str(flow_run.id)
        engine = run_flow_async(agent_task, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")
        working = asyncio.create_task(engine)
        b = Outcome(id="b", agent="worker", state="completed", result={"m": 7})
        await ledger.record(program.leaves[1], b)  # another agent has done it
        await _wait_for_order(ledger, token, 1, program.leaves[2])
        await _wait_for_order(ledger, token, 2)
        state = await asyncio.wait_for(working, 60)
        assert state.is_completed()
        assert state.message == "2 tasks"
        for index in (0, 2):
            assert (await ledger.attempt(program.leaves[index], token)).state == "completed"
        tasks = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
        names: list[str] = []
        async with asyncio.timeout(60):  # the server learns of a task run first and of its name a moment later
            while len(names) != 2 or not all(" · " in name for name in names):
                await asyncio.sleep(0.2)
                names = [run.name for run in await client.read_task_runs(flow_run_filter=tasks)]
        assert sorted(name.split(" · ")[1] for name in names) == ["a", "c"]
    assert await ledger.read_lane_state(token) == LaneState(orders=1, open=False)


async def test_after_a_failure_no_further_leaf_is_waited_for(prefect_api):
    worker = an_agent(executor={"kind": "command", "argv": ["false"]})
    program = a_program(a_task("a", retries=0), agents=(worker,))
    ledger = await _wait_for_begin(program, rehearse=None)
    state, token = await _work_on(_order(ledger, program, 0) | {"lane_s": 60.0})
    assert state.is_failed()
    assert await ledger.read_lane_state(token) is None
