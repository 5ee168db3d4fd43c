"""The examples of the guide's pages about keys of the plan file run as their text says."""

import asyncio
import re
from pathlib import Path

import pytest

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
