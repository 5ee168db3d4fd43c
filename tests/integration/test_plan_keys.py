"""The examples of the guide's pages about keys of the plan file run as their text says."""

import asyncio
import re
from pathlib import Path

import pytest
from prefect.events import emit_event

from genesis.compile import compile_program
from genesis.document import parse
from genesis.engine.observer import NullObserver
from genesis.errors import TaskError
from genesis.model import Registry
from genesis.pipeline import simulate
from genesis.planning import load_plan, set_parameters
from genesis.testing import ScriptedAgent, an_agent, route_to

_GUIDE = Path(__file__).parents[2] / "docs" / "guide"
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.server


def _example(page):
    """Return the first plan of a page."""
    return load_plan(parse(_YAML.findall((_GUIDE / page).read_text(encoding="utf-8"))[0]))


def _program(plan):
    types = sorted({task.type for task in plan.tasks})
    return compile_program(*route_to(plan, an_agent(task_types=types)))


async def test_a_task_is_retried_for_the_errors_that_its_retry_lists(workbench):
    plan = _example("retry.md")
    fetch, load = plan.tasks
    at_once = fetch.model_copy(update={"retry": fetch.retry.model_copy(update={"delay_s": 0.0})})
    program = _program(plan.model_copy(update={"tasks": (at_once, load)}))
    listed, other = TaskError("away", code="GEN-TASK-EXIT"), TaskError("empty", code="GEN-TASK-OUTPUTS")
    run = await workbench.run(program, ScriptedAgent({"fetch": [listed, listed, {"file": "x"}]}))
    assert (run.state, [task.attempts for task in run.tasks]) == ("completed", [3, 1])
    run = await workbench.run(program, ScriptedAgent({"fetch": [listed, other]}))
    assert (run.state, [task.attempts for task in run.tasks]) == ("failed", [2, 0])
    assert run.tasks[0].error.code == "GEN-TASK-OUTPUTS"


async def test_leaves_start_by_priority(workbench):
    program = compile_program(*route_to(_example("priority.md"), an_agent(task_types=["build", "test"])))
    order = ["checks/smoke", "package", "docs", "checks/spelling"]
    timeline = simulate(program, slots=1).timeline
    assert [each.task for each in sorted(timeline, key=lambda each: each.start_s)] == order
    agent = ScriptedAgent()
    run = await workbench.run(program, agent, slots=1)
    assert run.state == "completed"
    assert [work.path for work in agent.work] == order


async def test_leaves_share_what_their_agent_offers(workbench):
    agents = Registry.model_validate(parse(_YAML.findall((_GUIDE / "resources.md").read_text(encoding="utf-8"))[1]))
    program = compile_program(*route_to(_example("resources.md"), *agents.agents))
    assert simulate(program).makespan_s == 121
    agent = ScriptedAgent(seconds=0.1)
    run = await workbench.run(program, agent)
    assert (run.state, agent.most_at_once) == ("completed", 2)


async def test_tasks_of_one_mutex_never_run_together_in_two_runs_at_once(workbench):
    program, now, most, both = _program(_example("mutex.md")), 0, 0, asyncio.Event()

    async def hold():
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        if not both.is_set():  # the first holder stays until the other run wants the mutex, too
            async with asyncio.timeout(30):
                await both.wait()
        now -= 1

    class Holding(ScriptedAgent):
        async def execute(self, work):
            if work.path in ("load", "vacuum"):
                await hold()
            return await super().execute(work)

    class Waits(NullObserver):
        def leaf_diverted(self, leaf, kind, reason):
            if "mutex 'warehouse'" in reason:
                both.set()

    runs = await asyncio.gather(*(workbench.run(program, Holding(), observer=Waits()) for _ in range(2)))
    assert ([run.state for run in runs], most) == (["completed"] * 2, 1)


async def test_parameters_are_handed_over_with_their_types(workbench):
    plan = set_parameters(_example("parameters.md"), {"station": "KSEA", "year": "2025"}, as_text=True)
    agent = ScriptedAgent()
    run = await workbench.run(_program(plan), agent)
    assert run.state == "completed"
    assert [work.inputs for work in agent.work] == [
        {"station": "KSEA", "year": 2025, "target": "KSEA-2025.csv"},
        {"file": "file", "columns": ["time", "value"]},
    ]
    assert agent.work[0].description == "Download the readings of KSEA for 2025"
    again = await workbench.run(_program(plan), agent, run_id=run.run_id)
    assert (again.state, len(agent.work)) == ("completed", 2)


async def test_a_result_that_does_not_fit_its_schema_fails_its_task_with_the_place(workbench):
    program = _program(_example("output-schemas.md"))
    good = {"stations": [{"code": "KSEA", "readings": 3}], "note": None}
    agent = ScriptedAgent({"count": [good]})
    run = await workbench.run(program, agent)
    assert (run.state, agent.work[1].inputs) == ("completed", {"stations": good["stations"]})
    bad = {"stations": [{"code": "KSEA", "readings": "many"}], "note": None}
    run = await workbench.run(program, ScriptedAgent({"count": [bad]}))
    error = run.tasks[0].error
    assert (run.state, error.code) == ("failed", "GEN-TASK-OUTPUT-SCHEMA")
    said = (_GUIDE / "output-schemas.md").read_text(encoding="utf-8")
    assert error.message in said
    run = await workbench.run(program, ScriptedAgent({"count": [bad]}), rehearse=0.0)
    assert run.state == "completed"


async def test_variables_of_the_environment_are_filled_and_reach_the_agent(workbench):
    agent = ScriptedAgent()
    run = await workbench.run(_program(_example("environment-variables.md")), agent)
    assert run.state == "completed"
    assert agent.work[1].env == {"READINGS_FILE": "file", "READINGS_YEAR": "2026", "LC_ALL": "C.UTF-8"}


class _AtWait(NullObserver):
    """Calls a function when a task begins to wait."""

    def __init__(self, call):
        self._call = call

    def leaf_changed(self, outcome):
        if outcome.id == "paid" and outcome.state == "running":
            self._call()


def _stop(workbench):
    workbench.control.cancel()


def _pay(order="17", amount=3):
    resource = {"prefect.resource.id": f"shop.order.{order}"}
    emit_event(event="shop.order.paid", resource=resource, payload={"amount": amount})


async def test_a_task_waits_for_an_event_and_hands_on_its_payload(workbench, monkeypatch):
    monkeypatch.setattr("genesis.engine.waits.WAIT_POLL_S", 0.2)
    program, agent = _program(set_parameters(_example("wait-for.md"), {"order": "17"}, as_text=True)), ScriptedAgent()
    run = await workbench.run(program, agent, observer=_AtWait(lambda: (_pay("16", 2), _pay())), slots=1)
    assert (run.state, run.error) == ("completed", None)
    assert [work.path for work in agent.work] == ["invoice", "ship"]
    assert agent.work[1].inputs == {"payment": {"amount": 3}}
    assert (run.tasks[1].agent, run.tasks[1].result["resource"]) == ("", {"prefect.resource.id": "shop.order.17"})


async def test_an_event_that_comes_while_nobody_runs_the_plan_is_found_by_the_resume(workbench, monkeypatch):
    monkeypatch.setattr("genesis.engine.waits.WAIT_POLL_S", 0.2)
    program, agent = _program(set_parameters(_example("wait-for.md"), {"order": "18"}, as_text=True)), ScriptedAgent()
    run = await workbench.run(program, agent, observer=_AtWait(lambda: _stop(workbench)))
    assert (run.state, run.tasks[1].state) == ("cancelled", "cancelled")
    _pay("18", 4)
    run = await workbench.run(program, agent, run_id=run.run_id)
    assert (run.state, [work.path for work in agent.work]) == ("completed", ["invoice", "ship"])
    assert agent.work[1].inputs == {"payment": {"amount": 4}}


async def test_the_packages_of_a_virtual_environment_reach_the_executor(workbench):
    agent = ScriptedAgent()
    run = await workbench.run(_program(_example("runs-in.md")), agent)
    assert run.state == "completed"
    assert [work.requirements for work in agent.work] == [(), ("matplotlib<4,>=3.9", "pandas==2.2.3")]
