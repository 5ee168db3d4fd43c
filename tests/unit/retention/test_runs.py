"""Ledgers are removed by age, whole or not at all, and never of a run that has not ended or is being worked on."""

import asyncio
import os
import shutil
import threading
from pathlib import Path

import pytest

from genesis import ledger as ledgers
from genesis.errors import RunError, UsageError
from genesis.flows import launch
from genesis.flows.launch import Launch, resume_run
from genesis.ledger import BlockStore, RunLock
from genesis.ledger.history import find_run, open_ledger, run_lock, still_there
from genesis.retention import removal, runs


def test_only_what_ended_long_ago_goes(yard):
    for run_id, days, state in [
        ("old-completed", 90, "completed"),
        ("old-failed", 31, "failed"),
        ("old-spent", 31, "budget_exceeded"),
        ("young", 29, "completed"),
        ("running", 90, "running"),
        ("waiting", 90, "awaiting_approval"),
    ]:
        yard.run(run_id, days=days, state=state)
    found = yard.purge()
    assert set(found.runs) == {"old-completed", "old-failed", "old-spent"}
    assert yard.left == ["running", "waiting", "young"]
    assert found.amounts["runs"].count == 3
    assert found.amounts["runs"].bytes > 3_000
    assert {(left.name, left.why[:20]) for left in found.kept} == {
        ("running", "it has not ended: re"),
        ("waiting", "it has not ended: re"),
    }
    assert found.failed == ()


def test_a_dry_run_says_the_same_and_touches_nothing(yard):
    folder = yard.run("old")
    before = sorted(str(path) for path in folder.rglob("*"))
    said = yard.purge(dry_run=True)
    assert said.message().startswith("1 run would be removed (")
    assert sorted(str(path) for path in folder.rglob("*") if path.name != ".lock") == before
    done = yard.purge()
    assert done.runs == said.runs == ("old",)
    assert done.amounts == said.amounts
    assert yard.purge().message() == "nothing removed"


@pytest.mark.parametrize("name", ["run.json", "state.json", "amendments/0001.json"])
def test_a_damaged_ledger_stays_and_is_named(yard, name, make_old):
    folder = yard.run("broken")
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("{")
    found = yard.purge()
    assert [(left.name, "damaged" in left.why) for left in found.kept] == [("broken", True)]
    assert folder.is_dir()


def test_a_run_that_was_begun_and_has_no_state_has_not_ended(yard, make_old):
    asyncio.run(yard.begun("begun"))
    assert yard.purge().kept == ()
    make_old(yard.root / "begun", 90)
    assert [left.name for left in yard.purge().kept] == ["begun"]
    assert yard.left == ["begun"]


def test_what_is_in_the_folder_and_is_no_run_stays(yard, make_old):
    yard.run("old")
    (yard.root / "README.txt").write_text("mine")
    make_old(yard.root / "README.txt", 90)
    link = yard.root / "link"
    link.symlink_to(yard.run("elsewhere", days=1))
    found = yard.purge()
    assert found.runs == ("old",)
    assert yard.left == ["README.txt", "elsewhere", "link"]
    assert ("link", "it is a link") in [(left.name, left.why) for left in found.kept]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_run_that_is_being_worked_on_stays(yard, dry_run):
    folder = yard.run("old")
    with RunLock(folder / ".lock", "old"):
        found = yard.purge(dry_run=dry_run)
    assert [(left.name, left.why) for left in found.kept] == [("old", "it is being worked on")]
    assert folder.is_dir()


def test_a_run_that_was_resumed_between_two_looks_stays(yard, monkeypatch):
    folder = yard.run("old")
    size_of = runs.size_of

    def meanwhile(path):
        yard_run = yard.run("old", days=0)
        assert yard_run == folder
        return size_of(path)

    monkeypatch.setattr(runs, "size_of", meanwhile)
    assert yard.purge().runs == ()
    assert (folder / "run.json").is_file()


def test_an_interrupted_purge_leaves_no_half_run_and_the_next_one_finishes_it(yard, monkeypatch):
    yard.run("old")

    def run_until_killed(folder):
        (folder / "run.json").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "delete", run_until_killed)
        with pytest.raises(KeyboardInterrupt):
            yard.purge()
    (trash,) = yard.left
    assert trash.startswith(".trash-old-")
    assert asyncio.run(ledgers.list_runs(yard.store)) == []
    said = yard.purge(dry_run=True)
    assert said.amounts["leftovers"].count == 1
    assert yard.left == [trash]
    done = yard.purge()
    assert (done.amounts["leftovers"].count, done.amounts["runs"].count) == (1, 0)
    assert yard.left == []


def test_what_cannot_be_removed_is_told_and_the_rest_goes(yard, monkeypatch):
    for name in ("a", "b", "c"):
        yard.run(name)
    rename = Path.rename

    def refuse(self, target):
        if self.name == "b":
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    found = yard.purge()
    assert set(found.runs) == {"a", "c"}
    assert [(left.name, left.why.startswith("Permission denied")) for left in found.failed] == [("b", True)]
    assert "1 could not be removed" in found.message()
    assert yard.left == ["b"]


def test_a_folder_that_cannot_be_emptied_is_out_of_the_way_and_tried_again(yard, monkeypatch):
    yard.run("old")
    rmtree = shutil.rmtree

    def refuse(path, *_, **__):
        raise OSError(39, "Directory not empty", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(removal.shutil, "rmtree", refuse)
        found = yard.purge()
        assert [left.kind for left in found.failed] == ["runs"]
        assert [left.kind for left in yard.purge().failed] == ["leftovers"]
    assert removal.shutil.rmtree is rmtree
    assert yard.purge().failed == ()
    assert yard.left == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove anything")
def test_read_only_folders_of_agents_are_no_hindrance(yard):
    folder = yard.run("old")
    (folder / "files").chmod(0o500)
    assert yard.purge().runs == ("old",)
    assert yard.left == []


def test_two_purges_at_once_do_not_fail(yard):
    for number in range(20):
        yard.run(f"old-{number:02d}")
    found = []
    threads = [threading.Thread(target=lambda: found.append(yard.purge())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert [each.failed for each in found] == [(), (), ()]
    assert yard.purge().failed == ()
    assert yard.left == []


@pytest.fixture
def resumes(yard, monkeypatch):
    """Resume a run by the real code; what it would run is replaced, and looks whether its ledger is there."""
    hooks = {"found": None}

    async def execute(program_state, header, ledger, launch):
        assert await ledger.exists()
        await yard.kept(header.run_id, days=0)
        await asyncio.sleep(0.001)
        assert await ledger.exists()
        return "continued"

    async def store():
        return yard.store

    read = launch.find_run

    async def find_run(*arguments):
        found = await read(*arguments)
        await hooks["found"]()
        return found

    monkeypatch.setattr(launch, "_execute", execute)
    monkeypatch.setattr(launch, "find_run", find_run)
    monkeypatch.setattr("genesis.ledger.history.open_store", store)

    async def resume(run_id, found):
        hooks["found"] = found
        try:
            return await resume_run(run_id, Launch(yard.settings))
        except (UsageError, RunError) as error:
            return error.code

    return resume


@pytest.mark.parametrize("deployed", [False, True])
async def test_a_run_that_is_purged_while_somebody_reads_it_is_gone_whole(yard, resumes, deployed):
    folder = await yard.kept("old")

    async def purge():
        await yard.purged()
        assert not folder.exists()
        if deployed:  # whoever takes a run over says so in its ledger before it has the lock
            folder.mkdir()
            (folder / "owner.json").write_text("{}")

    assert await resumes("old", purge) == "GEN-RUN-UNKNOWN"
    assert yard.left == []


def test_who_resumes_while_a_purge_works_finds_the_run_whole_or_not_at_all(yard, resumes):
    """Both go at it at once, at shifting times: neither a run without its plan, nor a folder of one that is gone."""
    for number in range(60):
        run_id, ready, seen = f"run-{number}", threading.Barrier(2), []
        yard.run(run_id)

        def resume(run_id=run_id, ready=ready, seen=seen, pause_s=number % 12 / 2_000):
            ready.wait()
            seen.append(asyncio.run(resumes(run_id, lambda: asyncio.sleep(pause_s))))

        thread = threading.Thread(target=resume)
        thread.start()
        ready.wait()
        found = yard.purge()
        thread.join()
        assert found.failed == ()
        assert seen[0] in {"continued", "GEN-RUN-UNKNOWN", "GEN-RUN-LOCKED"}
        went_on = seen[0] == "continued"
        assert (run_id in found.runs) is not went_on
        assert (yard.root / run_id).exists() is went_on
        assert (yard.root / run_id / "run.json").is_file() is went_on


def test_a_resume_that_comes_too_late_leaves_nothing_behind(yard):
    yard.run("old")

    async def too_late():
        ledger = open_ledger(yard.store, "old", yard.settings)
        await ledger.header()
        await yard.purged()
        with run_lock(ledger, yard.settings), pytest.raises(UsageError, match="no run 'old'"):
            await still_there(ledger)

    asyncio.run(too_late())
    assert yard.left == []


class _Bucket:
    def __init__(self):
        self.content = {}

    async def read_path(self, path):
        if path not in self.content:
            raise FileNotFoundError(path)
        return self.content[path]

    async def write_path(self, path, content):
        self.content[path] = content


def test_files_of_agents_go_where_ledgers_are_elsewhere(yard, make_old):
    yard.store = BlockStore(_Bucket(), "s3/bucket")
    home = yard.settings.home
    for run_id, days in [("old", 90), ("young", 1), ("old-without-files", 90)]:
        yard.run(run_id, days=days)
        with run_lock(open_ledger(yard.store, run_id, yard.settings), yard.settings):
            pass
    for run_id in ("old", "young", "unknown", "no run"):
        (home / "runs" / run_id / "files").mkdir(parents=True)
        (home / "runs" / run_id / "files" / "notes.md").write_text("x" * 100)
        make_old(home / "runs" / run_id, 90)
    said = yard.purge(dry_run=True)
    found = yard.purge()
    assert said.amounts == found.amounts
    assert (found.amounts["files"].count, found.amounts["files"].bytes) == (1, 100)
    assert [(left.name, left.why) for left in found.kept] == [
        ("unknown", "its ledger is not in this storage, or has no plan")
    ]
    assert sorted(path.name for path in (home / "runs").iterdir()) == ["no run", "unknown", "young"]
    assert sorted(path.name for path in (home / "locks").iterdir()) == ["young"]
    assert any("cannot list its runs; use the lifecycle rules" in note for note in found.notes)


def test_a_lock_that_was_moved_away_is_not_taken_for_the_runs(tmp_path, monkeypatch):
    path = tmp_path / "run" / ".lock"
    lock = RunLock(path, "run")
    opened = os.open

    def move_after_opening(*arguments):
        handle = opened(*arguments)
        monkeypatch.undo()
        path.parent.rename(tmp_path / "trash")
        return handle

    monkeypatch.setattr(os, "open", move_after_opening)
    with lock:
        assert path.is_file()
        assert RunLock(path, "run").held_elsewhere


def test_the_lock_of_a_run_that_is_gone_makes_no_folder(tmp_path):
    lock = RunLock(tmp_path / "gone" / ".lock", "gone", existing=True)
    assert not lock.held_elsewhere
    with pytest.raises(UsageError, match="no run 'gone' any more"), lock:
        pass
    assert list(tmp_path.iterdir()) == []


async def test_a_run_can_be_found_until_it_is_purged(yard, monkeypatch):
    async def store():
        return yard.store

    monkeypatch.setattr("genesis.ledger.history.open_store", store)
    await yard.kept("old")
    assert (await find_run("old", yard.settings))[1].run_id == "old"
    await yard.purged()
    with pytest.raises(UsageError):
        await find_run("old", yard.settings)
