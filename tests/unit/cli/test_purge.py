"""`genesis runs purge` as it is called, on a storage in a folder."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from genesis import retention as purging
from genesis.cli.app import main
from genesis.ledger import FolderStore, Header
from genesis.ledger.history import open_ledger
from genesis.model import Outcome, Run
from genesis.planning import plan_document
from genesis.settings import Settings
from genesis.testing import a_program, a_task


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs: one ended 90 days ago, one yesterday; gives their folder."""
    store = FolderStore(tmp_path / "storage")

    async def stored():
        return store

    monkeypatch.setattr(purging, "open_store", stored)
    monkeypatch.setattr("genesis.cli.purge.before_prefect", lambda: None)  # it lasts for the whole process
    monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "home"))
    for run_id, days in (("old", 90), ("young", 1)):
        _keep(store, run_id, days)
    return tmp_path / "storage" / "genesis"


def _keep(store, run_id, days):
    program = a_program(a_task("a"))
    ended = datetime.now(UTC) - timedelta(days=days)
    header = {"genesis_version": "1", "run_id": run_id, "correlation_id": "c", "created_at": ended, "slots": 1}
    ledger = open_ledger(store, run_id, Settings())
    document = plan_document(program.source)
    asyncio.run(ledger.begin(Header(**header, document=document, registry=program.registry)))
    tasks = (Outcome(id="a", agent="worker", state="completed"),)
    run = {"run_id": run_id, "correlation_id": "c", "state": "completed", "planner": "file", "cost_usd": 0}
    asyncio.run(ledger.save(Run(**run, started_at=ended, ended_at=ended, tasks=tasks)))


@pytest.fixture
def called(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as end:
            main(["runs", "purge", *words])
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return call


def test_without_yes_it_only_says_and_names_the_command(runs, called):
    code, out, _ = called("--older-than", "30d")
    assert code == 0
    assert "would be removed" in out
    assert "Runs:\n  old\n" in out
    assert "Nothing was removed. To remove it: genesis runs purge --older-than 30d --yes" in out
    assert sorted(path.name for path in runs.iterdir()) == ["old", "young"]


def test_with_yes_it_removes_what_is_older_and_nothing_else(runs, called):
    code, out, _ = called("--older-than", "4w", "--yes")
    assert code == 0
    assert "would be" not in out
    assert [path.name for path in runs.iterdir()] == ["young"]
    assert called("--older-than", "12h", "--yes")[0] == 0
    assert list(runs.iterdir()) == []


def test_json_is_one_document_with_counts_names_and_reasons(runs, called):
    (runs / "young" / "state.json").write_text("{")
    code, out, _ = called("--older-than", "30d", "--yes", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["dry_run"] is False
    assert document["runs"] == ["old"]
    assert document["amounts"]["runs"]["count"] == 1
    assert document["amounts"]["runs"]["bytes"] > 0
    assert [left["name"] for left in document["kept"]] == ["young"]
    assert (document["failed"], document["notes"]) == ([], [])


def test_what_cannot_be_removed_is_named_and_the_exit_code_says_so(runs, called, monkeypatch):
    def refuse(self, target):
        raise PermissionError(13, os.strerror(13), str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    code, out, _ = called("--older-than", "30d", "--yes")
    assert code == 1
    assert "Could not be removed:\n  old: Permission denied" in out


@pytest.mark.parametrize("age", ["30", "d", "-3d", "3 days", "", "1e3d", "3m", "99999w"])
def test_an_age_that_is_none_is_a_usage_error(runs, called, age):
    code, _, err = called(f"--older-than={age}", "--yes")
    assert code == 2
    assert "age" in err
    assert sorted(path.name for path in runs.iterdir()) == ["old", "young"]
