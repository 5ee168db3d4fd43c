"""Plans with `run_if`, `when` and `allow_failure` on a real Prefect server, and the examples of their pages."""

import asyncio
import re
from pathlib import Path

import pytest

from genesis.agents import Result
from genesis.errors import TaskError
from genesis.planning import load_plan
from genesis.testing import ScriptedAgent, a_program, a_task, an_agent, route_to
from genesis.testing.prefect import Workbench

pytestmark = pytest.mark.server

_GUIDE = Path(__file__).parents[2] / "docs" / "guide"
_FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def _states(run):
    return {task.id: task.state for task in run.tasks}


def _example(page):
    """Compile the first example of a page that is a whole plan."""
    from genesis.compile import compile_program
    from genesis.document import parse

    documents = [parse(text, source=page) for text in _FENCE.findall((_GUIDE / page).read_text(encoding="utf-8"))]
    plan = load_plan(next(each for each in documents if isinstance(each, dict) and "request" in each))
    return compile_program(*route_to(plan, an_agent()))


async def _runs(program, tmp_path, **results):
    """Run a program; a leaf gives its result by its last id, or raises it."""
    work = ScriptedAgent({path.replace("_", "/"): [value] for path, value in results.items()})
    run = await Workbench(tmp_path).run(program, work)
    return run, work.paths


async def test_the_example_of_run_if_repairs_and_cleans_up(prefect_api, tmp_path):
    program = _example("run-if.md")
    run, calls = await _runs(program, tmp_path / "good")
    assert run.state == "completed"
    assert _states(run)["roll-back"] == "skipped"
    assert calls[-1] == "remove-database"
    run, calls = await _runs(program, tmp_path / "bad", main_test=TaskError("two tests fail"))
    assert (run.state, run.error.code) == ("failed", "GEN-RUN-FAILED")
    assert calls == ["create-database", "main/build", "main/test", "roll-back", "remove-database"]
    assert _states(run)["main/publish"] == "skipped"


async def test_the_example_of_when_takes_one_of_two_ways(prefect_api, tmp_path):
    program = _example("when.md")
    run, calls = await _runs(program, tmp_path / "few", count={"files": 3, "kinds": ["py"]})
    assert run.state == "completed"
    assert calls == ["count", "read-all", "report"]
    assert next(task for task in run.tasks if task.id == "sample").skipped_by == "when: {count.files} > 100"
    run, calls = await _runs(program, tmp_path / "many", count={"files": 300, "kinds": []})
    assert calls == ["count", "sample", "report"]


async def test_the_example_of_allow_failure_completes(prefect_api, tmp_path):
    program = _example("allow-failure.md")
    run, calls = await _runs(program, tmp_path, spelling=TaskError("no dictionary"))
    assert run.state == "completed"
    assert calls == ["spelling", "publish"]
    spelling = run.tasks[0]
    assert (spelling.state, spelling.failure_allowed) == ("failed", True)


class _Hanging:
    """Does not end the leaf `a`, and each other one at once."""

    def __init__(self):
        self.begun = asyncio.Event()

    async def execute(self, work):
        if work.path == "a":
            self.begun.set()
            await asyncio.sleep(1000)
        return Result(value="done")


async def test_what_always_runs_does_so_after_a_cancellation_and_the_deadline(prefect_api, tmp_path):
    tasks = (a_task("a"), a_task("b", after=("a",)), a_task("clean", after=("b",), run_if="always", timeout_s=20))
    agent = _Hanging()
    bench = Workbench(tmp_path / "cancelled")
    running = asyncio.create_task(bench.run(a_program(*tasks), agent))
    await agent.begun.wait()
    bench.control.cancel()
    run = await running
    assert run.state == "cancelled"
    assert _states(run) == {"a": "cancelled", "b": "cancelled", "clean": "completed"}
    late = await Workbench(tmp_path / "late").run(a_program(*tasks, deadline_s=1.0), agent)
    assert (late.state, late.error.code) == ("failed", "GEN-DEADLINE")
    assert _states(late)["clean"] == "completed"


async def test_a_run_that_failed_is_resumed_with_its_rules(prefect_api, tmp_path):
    tasks = (
        a_task("ok", allow_failure=True),
        a_task("a", after=("ok",)),
        a_task("no", after=("a",), when="1 == 2"),
        a_task("clean", after=("a", "no"), run_if="always"),
    )
    program, bench = a_program(*tasks), Workbench(tmp_path)
    broken = ScriptedAgent({"ok": [TaskError("it may")], "a": [TaskError("it broke")]})
    first = await bench.run(program, broken)
    assert (first.state, _states(first)["clean"]) == ("failed", "completed")
    mended = ScriptedAgent({"ok": [TaskError("it may")]})
    second = await bench.run(program, mended, run_id=first.run_id)
    assert second.state == "completed"
    assert mended.paths == ["a", "clean"]
    third = ScriptedAgent()
    again = await bench.run(program, third, run_id=first.run_id)
    assert (again.state, third.paths) == ("completed", [])
    assert _states(again) == _states(second)
