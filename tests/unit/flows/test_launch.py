"""Continue with a run: what is read when, up to where Prefect is needed."""

from datetime import UTC, datetime

import pytest

from genesis import pipeline
from genesis.errors import RunError
from genesis.flows import launch
from genesis.flows.launch import Launch, resume_run
from genesis.ledger import FolderStore, Header
from genesis.ledger.history import open_ledger, run_lock
from genesis.planning import plan_document
from genesis.settings import Settings
from genesis.testing import a_program, a_task


@pytest.mark.parametrize("deployed", [False, True])
async def test_a_run_that_continues_is_compiled_once_and_only_while_it_is_locked(tmp_path, monkeypatch, deployed):
    settings, original = Settings(home=tmp_path), pipeline.compile_program
    ledger = open_ledger(FolderStore(tmp_path), "r-1", settings)
    program, compiled = a_program(a_task("a")), []
    await ledger.begin(
        Header(
            genesis_version="test", run_id="r-1", correlation_id="c", created_at=datetime.now(UTC), slots=4,
            document=plan_document(program.source), registry=program.registry,
        )
    )  # fmt: skip

    async def find_run(_run_id, _settings):
        return ledger, await ledger.header()

    async def execute(course, *_):
        return course.program

    def compile_program(*arguments, **named):
        with pytest.raises(RunError, match="r-1"), run_lock(ledger, settings):
            pass
        compiled.append(original(*arguments, **named))
        return compiled[-1]

    monkeypatch.setattr(launch, "find_run", find_run)
    monkeypatch.setattr(launch, "_execute", execute)
    monkeypatch.setattr(pipeline, "compile_program", compile_program)
    assert [await resume_run("r-1", Launch(settings, deployed=deployed))] == compiled
