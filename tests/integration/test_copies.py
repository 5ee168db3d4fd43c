"""Tasks with `for_each` in real runs: lists that are written and lists from results, failures and a resume."""

import pytest

from genesis.agents.contract import Result
from genesis.errors import TaskError
from genesis.model import PythonSpec
from genesis.report.explain import explain
from genesis.settings import Settings
from genesis.testing.plans import a_program, a_task, an_agent
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_api")]

WORKS = PythonSpec(kind="python", call="json:dumps")


class Worker:
    """Gives its inputs back, fails for the values that a test names, and lists the files of `scan`."""

    def __init__(self, files=(), bad=()):
        self.files, self.bad, self.calls = files, bad, []

    async def execute(self, work):
        self.calls.append((work.path, work.description, work.inputs))
        if work.inputs.get("value") in self.bad:
            raise TaskError("it broke", code="GEN-TASK-EXIT")
        return Result(value={"files": list(self.files), "got": work.inputs})


def plan(**more):
    each = {"description": "Check {item}", "inputs": {"value": "{item}", "place": "{index}"}, "outputs": ["got"]}
    return a_program(
        a_task("scan", outputs=["files"]),
        a_task("written", for_each=["a", "b"], **each, **more),
        a_task("found", for_each="{scan.files}", after=("scan",), max_parallel=1, **each, **more),
        a_task("end", inputs={"written": "{written.got}", "found": "{found.got}"}, after=("written", "found")),
        agents=(an_agent("worker", executor=WORKS, max_concurrency=4),),
    )


@pytest.fixture
def bench(tmp_path):
    return Workbench(tmp_path / "ledger", Settings(home=tmp_path / "home"))


async def test_copies_of_written_lists_and_of_results_run_and_what_they_give_comes_in_order(bench):
    work = Worker(files=["{scan.files}", {"k": None}])
    run = await bench.run(plan(), work)
    assert (run.state, run.error, run.unshown) == ("completed", None, 0)
    assert [task.id for task in run.tasks] == [
        "scan", "written", "written/0-a", "written/1-b", "found", "end", "found/0-scan.files", "found/1",
    ]  # fmt: skip
    ((_, _, inputs),) = [call for call in work.calls if call[0] == "end"]
    assert inputs == {
        "written": [{"value": "a", "place": 0}, {"value": "b", "place": 1}],
        "found": [{"value": "{scan.files}", "place": 0}, {"value": {"k": None}, "place": 1}],
    }
    assert ("found/1", 'Check {"k": null}', {"value": {"k": None}, "place": 1}) in work.calls


async def test_a_failed_copy_is_explained_and_done_alone_by_a_resume(bench):
    work = Worker(files=["x", "y"], bad=("y",))
    run = await bench.run(plan(), work)
    assert run.state == "failed"
    program = plan()
    assert [root.task for root in explain(run, program.leaves).roots] == ["found/1-y"]
    again = Worker(files=["never"])
    resumed = await bench.run(plan(), again, run_id=run.run_id)
    assert resumed.state == "completed"
    assert [path for path, *_ in again.calls] == ["found/1-y", "end"]


async def test_with_any_a_run_with_failed_copies_is_completed(bench):
    work = Worker(files=["x", "y"], bad=("y",))
    run = await bench.run(plan(on_failure="any"), work)
    assert run.state == "completed"
    ((_, _, inputs),) = [call for call in work.calls if call[0] == "end"]
    assert inputs["found"] == [{"value": "x", "place": 0}, None]
