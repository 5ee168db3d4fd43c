"""Files from task to task in real runs: the guide's example, its artifact, damage and resume, and workers."""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from genesis.compile import compile_program
from genesis.document import parse
from genesis.engine.executor_context import executors, make_executor_context
from genesis.errors import TaskError
from genesis.flows.deployed import agent_task
from genesis.ledger import Header, Ledger, open_store
from genesis.ledger.history import open_ledger
from genesis.model import Registry
from genesis.planning import load_plan, plan_document
from genesis.routing import route
from genesis.settings import Settings
from genesis.testing import ScriptedAgent, a_program, a_task, an_agent
from genesis.validation import validate

pytestmark = pytest.mark.server

_PAGE = Path(__file__).parents[2] / "docs" / "guide" / "files.md"


def _example():
    plan, agents = re.findall(r"^```yaml\n(.*?)^```$", _PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    registry = Registry.model_validate(parse(agents))
    routed = route(load_plan(parse(plan)), registry)
    assert [each.message for each in validate(routed, registry).errors] == []
    return compile_program(routed, registry)


def _executor(program, settings):
    return executors(program, make_executor_context(settings), rehearse=None, model=None)


async def test_the_guides_example_hands_its_files_on_and_shows_them(workbench):
    program = _example()
    run = await workbench.run(program, _executor(program, workbench.settings))
    assert (run.state, run.tasks[2].result) == ("completed", {"stdout": "5\n3\n"})
    assert (run.tasks[0].files["readings"].count, run.tasks[1].files["table"].name) == (2, "table.csv")
    async with get_client() as client:
        this_run = FlowRunFilter(id=FlowRunFilterId(any_=[run.ui_url.rsplit("/", 1)[1]]))
        found = {artifact.key: artifact for artifact in await client.read_artifacts(flow_run_filter=this_run)}
    rows = json.loads(found["genesis-files"].data)
    assert [(row["task"], row["name"], row["file"], row["size"]) for row in rows] == [
        ("fetch", "readings", "a folder of 2 files", "4 B"),
        ("merge", "table", "table.csv", "4 B"),
    ]
    assert rows[0]["copy it"] == f"genesis files {run.run_id} fetch -o ."


async def test_a_rehearsal_of_the_example_hands_stand_ins_on(workbench):
    program = _example()
    run = await workbench.run(
        program, executors(program, make_executor_context(workbench.settings), rehearse=0.0, model=None), rehearse=0.0
    )
    assert run.state == "completed"
    assert [task.files["readings"].count for task in run.tasks if "readings" in task.files] == [1]


async def test_a_resume_does_again_what_a_damaged_file_came_from(workbench):
    agent = an_agent(executor={"kind": "python", "call": "json:dumps"})
    program = a_program(
        a_task("give", files={"out": {"x": "x"}}),
        a_task("take", files={"in": {"y": "{give.files.x}"}}),
        agents=(agent,),
    )
    give = lambda work: (work.folder / "x").write_text("rows")  # noqa: E731
    first = ScriptedAgent({"give": [give], "take": [TaskError("no", data={"retry": False})]})
    run = await workbench.run(program, first)
    assert run.state == "failed"
    [part] = (Ledger(workbench.store, run.run_id).folder / "blobs").rglob("?" * 64)
    part.write_text("other")
    second = ScriptedAgent({"give": [give], "take": [lambda work: (work.folder / "y").read_text()]})
    run = await workbench.run(program, second, run_id=run.run_id)
    assert (run.state, second.paths, run.tasks[1].result) == ("completed", ["give", "take"], "rows")


def _python(code):
    return {"kind": "command", "argv": [sys.executable, "-c", code]}


async def _work_on(ledger, leaf):
    """Run a leaf as a worker of one host does."""
    order = {"run_id": ledger.run_id, "tasks": [leaf.path], "fingerprints": [leaf.fingerprint], "attempt": 1}
    state = await agent_task(**order, return_state=True)
    assert state.is_completed(), state.message
    outcome = await ledger.attempt(leaf, str(state.state_details.flow_run_id))
    return await ledger.adopt(leaf, outcome)


async def test_a_file_goes_from_worker_to_worker_through_the_storage_alone(prefect_api, tmp_path, monkeypatch):
    give = _python("import pathlib; pathlib.Path('out.txt').write_text('rows')")
    take = _python("import shutil; shutil.copyfile('in.txt', 'copy.txt')")
    worker = an_agent(executors={"give": give, "take": take})
    program = a_program(
        a_task("give", type="give", files={"out": {"x": "out.txt"}}),
        a_task("take", type="take", files={"in": {"in.txt": "{give.files.x}"}, "out": {"y": "*.txt"}}),
        agents=(worker,),
    )
    ledger = open_ledger(await open_store(), f"test-{uuid4().hex[:8]}", Settings())
    header = Header(
        genesis_version="9.9.9", run_id=ledger.run_id, correlation_id="c", created_at=datetime.now(UTC),
        document=plan_document(program.source), registry=program.registry, slots=4,
    )  # fmt: skip
    await ledger.begin(header)
    for leaf, host in zip(program.leaves, ("first", "second"), strict=True):
        monkeypatch.setattr("genesis.flows.agent_work.files_folder", lambda *_, host=host: tmp_path / host)
        outcome = await _work_on(ledger, leaf)
        assert list((tmp_path / host).rglob("work-*")) == []
    assert (tmp_path / "second").is_dir()
    assert (outcome.files["y"].count, outcome.files["y"].bytes) == (1, 4)
