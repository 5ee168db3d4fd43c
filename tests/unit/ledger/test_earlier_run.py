"""The ledger of a run that the version with the package `execute` wrote: 2 of 3 tasks ended, one of them well."""

import shutil
from pathlib import Path

from genesis.ledger import FolderStore
from genesis.ledger.history import course_of, open_ledger
from genesis.report.history import explain_run

RUN = "20261130-025530-d714e9aa2e9f"
WRITTEN = Path(__file__).parent / "earlier_run" / RUN


async def test_a_resume_keeps_what_an_earlier_version_has_finished(tmp_path, settings):
    shutil.copytree(WRITTEN, tmp_path / "genesis" / RUN)
    ledger = open_ledger(FolderStore(tmp_path), RUN, settings)
    state = await course_of(ledger, await ledger.header(), settings)
    kept = await ledger.read_finished(state.program.leaves)
    assert {state.program.leaves[index].path: outcome.result for index, outcome in kept.items()} == {
        "a": {"stdout": "done a\n"}
    }


async def test_it_is_explained(tmp_path, settings, storage):
    shutil.copytree(WRITTEN, tmp_path / "storage" / "genesis" / RUN)
    run, explanation = await explain_run(RUN, settings)
    assert [(task.id, task.state) for task in run.tasks] == [("a", "completed"), ("b", "failed"), ("c", "skipped")]
    assert [root.task for root in explanation.roots] == ["b"]
