"""Events of real runs on a real server: which come, about what, related to what, and how few."""

import asyncio
import importlib
import time
from dataclasses import replace
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.flows import flow

from genesis.agents import Result
from genesis.engine.observers import event_emitter
from genesis.errors import TaskError
from genesis.flows.deployed import orchestrate
from genesis.testing import ScriptedAgent, a_program, a_task, an_agent
from genesis.testing.prefect import Workbench
from genesis.validation import CHECKS

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

_PATIENCE_S = 90


@pytest.fixture
def told(monkeypatch):
    """Every event that is handed to Prefect, which gets it all the same."""
    events = []
    emit = event_emitter.emit_event

    def both(**event):
        events.append(event)
        return emit(**event)

    monkeypatch.setattr(event_emitter, "emit_event", both)
    return events


def _names(told) -> list[str]:
    return [event["event"].removeprefix("genesis.") for event in told]


async def _events_of(run_id: str, *names: str) -> list[dict[str, Any]]:
    """Wait until these events of a run can be read: the server writes them down in batches."""
    ends = time.monotonic() + _PATIENCE_S
    wanted = {"filter": {"event": {"name": [f"genesis.{name}" for name in names]}, "order": "DESC"}, "limit": 50}
    async with get_client() as client:
        while True:
            page = (await client.request("POST", "/events/filter", json=wanted)).json()["events"]
            found = [event for event in page if event["payload"].get("run_id") == run_id]
            if len(found) >= len(names):
                return sorted(found, key=lambda event: event["occurred"])
            assert time.monotonic() < ends, f"only {[event['event'] for event in found]} of {names}"
            await asyncio.sleep(0.2)


async def test_a_run_of_200_tasks_has_two_events_that_a_server_relates_to_its_flow_run(workbench: Workbench, told):
    program = a_program(*(a_task(f"t{number}") for number in range(200)))
    run = await workbench.run(program, ScriptedAgent(), slots=32)
    assert run.state == "completed"
    assert _names(told) == ["run.started", "run.completed"]
    started, completed = await _events_of(run.run_id, "run.started", "run.completed")
    assert completed["payload"]["tasks"] == {"completed": 200}
    assert completed["resource"]["prefect.resource.id"] == f"genesis.run.{run.run_id}"
    related = {each["prefect.resource.id"]: each["prefect.resource.role"] for each in started["related"]}
    assert "flow-run" in related.values()
    assert related["prefect.tag.cid:test"] == "tag"
    assert related["prefect.tag.genesis"] == "tag"
    assert [each["prefect.resource.id"] for each in started["related"]].count("prefect.tag.cid:test") == 1


async def test_what_fails_and_the_resume_are_told(workbench: Workbench, told):
    program = a_program(a_task("a"), a_task("b", after=("a",)))
    run = await workbench.run(program, ScriptedAgent({"b": [TaskError("no")]}))
    assert _names(told) == ["run.started", "task.failed", "run.failed"]
    assert told[1]["payload"]["path"] == "b"
    assert told[2]["payload"]["tasks"] == {"completed": 1, "failed": 1}
    told.clear()
    run = await workbench.run(program, ScriptedAgent(), run_id=run.run_id)
    assert run.state == "completed"
    assert _names(told) == ["run.resumed", "run.completed"]
    assert told[0]["payload"]["kept"] == 1


async def test_a_plan_that_preflight_stops_is_told_without_a_start(workbench: Workbench, told):
    program = a_program(a_task("a", type="unknown"), agents=(an_agent(task_types=["known"]),))
    run = await workbench.run(program, ScriptedAgent())
    assert run.state == "failed"
    assert _names(told) == ["plan.rejected", "run.failed"]
    assert told[0]["payload"]["codes"] == {finding.code: 1 for finding in run.findings}


async def test_a_spent_budget_and_a_deadline_are_told(workbench: Workbench, told):
    costly = ScriptedAgent({"a": [Result(value=None, usd=1)]})
    program = a_program(a_task("a"), a_task("b", after=("a",)), budget={"usd": 0.5})
    await workbench.run(program, costly)
    assert _names(told)[-2:] == ["budget.exceeded", "run.budget_exceeded"]
    told.clear()
    await workbench.run(a_program(a_task("a"), deadline_s=0.3), ScriptedAgent(seconds=60))
    assert _names(told)[-2:] == ["deadline.exceeded", "run.failed"]


async def test_a_check_that_fails_by_itself_is_told(workbench: Workbench, told, monkeypatch):
    def fail(facts):
        raise IndexError("a bug")

    module = importlib.import_module("genesis.validation.validate")
    monkeypatch.setattr(module, "CHECKS", (*CHECKS[:-1], replace(CHECKS[-1], find=fail)))
    run = await workbench.run(a_program(a_task("a")), ScriptedAgent())
    assert run.state == "completed"
    assert _names(told) == ["plan.degraded", "run.started", "run.completed"]
    assert told[0]["payload"]["layer"] == "validation"


async def test_a_run_inside_a_flow_of_ones_own_is_told_about_that_flow_run(workbench: Workbench, told):
    @flow(name="own", persist_result=False)
    async def own():
        return await workbench.run(a_program(a_task("a")), ScriptedAgent())

    run = await own()
    assert _names(told) == ["run.started", "run.completed"]
    (started,) = await _events_of(run.run_id, "run.started")
    assert "flow-run" in [each["prefect.resource.role"] for each in started["related"]]


async def test_a_deployed_run_whose_plan_is_rejected_is_told(prefect_api, told):
    plan = {"version": 1, "request": "do it", "tasks": [{"id": "a", "type": "no-such-type", "description": "x"}]}
    state = await orchestrate(plan=plan, correlation_id="c-rejected", return_state=True)
    assert state.is_failed()
    assert _names(told) == ["plan.rejected", "tasks.unassigned", "run.failed"]
    assert {event["payload"]["correlation_id"] for event in told} == {"c-rejected"}
