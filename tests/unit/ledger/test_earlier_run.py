"""The ledger of a run that the version with the package `execute` wrote: 2 of 3 tasks ended, one of them well."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from genesis.agents import ExecutorContext, LocalProbe, Work, build_executor
from genesis.compile import compile_program
from genesis.ledger import FolderStore, Header
from genesis.ledger.history import load_program_state, open_ledger
from genesis.model import Outcome
from genesis.planning import load_plan, plan_document
from genesis.report.history import explain_run
from genesis.routing import load_registry, route

RUN = "20261130-025530-d714e9aa2e9f"
WRITTEN = Path(__file__).parent / "earlier_run" / RUN


async def test_a_resume_keeps_what_an_earlier_version_has_finished(tmp_path, settings):
    shutil.copytree(WRITTEN, tmp_path / "genesis" / RUN)
    ledger = open_ledger(FolderStore(tmp_path), RUN, settings)
    state = await load_program_state(ledger, await ledger.header(), settings)
    kept = await ledger.read_finished(state.program.leaves)
    assert {state.program.leaves[index].path: outcome.result for index, outcome in kept.items()} == {
        "a": {"stdout": "done a\n"}
    }


async def test_it_is_explained(tmp_path, settings, storage):
    shutil.copytree(WRITTEN, tmp_path / "storage" / "genesis" / RUN)
    run, explanation = await explain_run(RUN, settings)
    assert [(task.id, task.state) for task in run.tasks] == [("a", "completed"), ("b", "failed"), ("c", "skipped")]
    assert [root.task for root in explanation.roots] == ["b"]


async def test_functions_that_an_earlier_ledger_names_are_found_where_they_are_now(tmp_path, settings):
    """The audit's tools were `genesis.agents.toolkit.…` until they became `genesis_audit.…`."""
    old = {
        "agents": [
            {
                "name": "qa_agent",
                "task_types": ["audit_todos"],
                "executor": {
                    "kind": "python",
                    "call": "genesis.agents.toolkit.todos:run",
                    "check": "genesis.agents.toolkit.files:folder_problem",
                },
            }
        ]
    }
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("x = 1  # TODO: count\n")
    inputs = {"path": str(tmp_path / "code")}
    tasks = [
        {"id": "first", "type": "audit_todos", "description": "Look", "inputs": inputs},
        {"id": "second", "type": "audit_todos", "description": "Look again", "inputs": inputs, "depends_on": ["first"]},
    ]
    registry = load_registry(old)
    routed = route(load_plan({"request": "Audit", "tasks": tasks}), registry)
    program = compile_program(routed, registry)
    ledger = open_ledger(FolderStore(tmp_path), RUN, settings)
    header = Header(
        genesis_version="0.1.0",
        run_id=RUN,
        correlation_id="c",
        created_at=datetime.now(UTC),
        document=plan_document(routed),
        registry=registry,
        slots=2,
    )
    await ledger.begin(header)
    await ledger.record(program.leaves[0], Outcome(id="first", agent="qa_agent", state="completed", result={"kept": 1}))

    state = await load_program_state(ledger, await ledger.header(), settings)
    kept = await ledger.read_finished(state.program.leaves)
    assert {index: outcome.result for index, outcome in kept.items()} == {0: {"kept": 1}}
    leaf = state.program.leaves[1]
    spec = state.program.profile(leaf.agent).executor_for(leaf.type)
    assert LocalProbe(ExecutorContext()).executor_problem(spec, registry.agents[0]) is None
    work = Work(
        run_id=RUN,
        correlation_id="c",
        request="Audit",
        path=leaf.path,
        type=leaf.type,
        description="Look again",
        inputs=inputs,
        outputs=(),
        agent=registry.agents[0],
    )
    result = await build_executor(spec, ExecutorContext()).execute(work)
    assert result.value["count"] == 1
