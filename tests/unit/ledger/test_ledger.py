import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from genesis.errors import ResourceError, RunError, ServiceError, TaskError, UsageError
from genesis.ledger import (
    BlockStore,
    FolderStore,
    Header,
    Ledger,
    Owner,
    RunLock,
    leaf_name,
    list_runs,
    new_run_id,
)
from genesis.ledger import ledger as ledger_module
from genesis.model import Outcome, Run
from genesis.planning import plan_document
from genesis.resilience.taxonomy import classify
from genesis.testing import a_program, a_task

_PROGRAM = a_program(a_task("a"), a_task("b", a_task("c")))
_LEAF = _PROGRAM.leaves[0]


def _header(run_id: str = "r1") -> Header:
    return Header(
        genesis_version="0",
        run_id=run_id,
        correlation_id="c",
        created_at=datetime.now(UTC),
        document=plan_document(_PROGRAM.source),
        registry=_PROGRAM.registry,
        slots=4,
    )


def _make_done(**more: object) -> Outcome:
    return Outcome(id="a", agent="worker", state="completed", **{"result": {"x": 1}, **more})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(FolderStore(tmp_path), "r1", inline_bytes=100)


class _Bucket:
    """A storage block as Prefect's: a bucket in memory."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.down = False

    async def read_path(self, path: str) -> bytes:
        if self.down:
            raise ConnectionError("no route")
        if path not in self.content:
            raise ValueError(f"Path {path} does not exist.")
        return self.content[path]

    async def write_path(self, path: str, content: bytes) -> None:
        if self.down:
            raise ConnectionError("no route")
        self.content[path] = content


async def test_a_header_comes_back_as_it_went(ledger: Ledger):
    header = _header()
    await ledger.begin(header)
    assert await ledger.header() == header


async def test_an_unknown_run_is_a_usage_error(ledger: Ledger):
    with pytest.raises(UsageError, match="there is no run 'r1'") as caught:
        await ledger.header()
    assert caught.value.code == "GEN-RUN-UNKNOWN"


async def test_a_damaged_header_is_a_run_error(ledger: Ledger, tmp_path: Path):
    await ledger.begin(_header())
    (tmp_path / "genesis/r1/run.json").write_text('{"format": 2}')
    with pytest.raises(RunError, match="cannot be read by this version"):
        await ledger.header()


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "x" * 200, "a\nb"])
def test_what_is_no_run_id_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="is not a run id"):
        Ledger(FolderStore(tmp_path), name)


async def test_an_outcome_comes_back_as_it_went(ledger: Ledger):
    written = await ledger.record(_LEAF, _make_done())
    assert await ledger.outcome(_LEAF) == written == _make_done()


async def test_who_reads_a_result_may_change_it(ledger: Ledger):
    written = await ledger.record(_LEAF, _make_done(result={"items": [1]}))
    (await ledger.result(written))["items"].append(2)
    assert await ledger.result(written) == {"items": [1]}


async def test_a_large_result_is_kept_beside_the_record(ledger: Ledger):
    value = {"text": "ü" * 500, "half": "\ud800"}
    written = await ledger.record(_LEAF, _make_done(result={"text": "ü" * 500}))
    assert written.result is None
    assert written.result_ref == f"results/{leaf_name(_LEAF)}.json"
    assert await ledger.result(written) == {"text": value["text"]}


async def test_a_result_that_is_too_large_is_refused_and_nothing_is_written(tmp_path: Path):
    ledger = Ledger(FolderStore(tmp_path), "r1", inline_bytes=10, most_bytes=100)
    with pytest.raises(TaskError, match=r"102 characters.*at most 100"):
        await ledger.record(_LEAF, _make_done(result="x" * 100))
    assert await ledger.outcome(_LEAF) is None


async def test_an_attempt_counts_once_it_is_adopted(ledger: Ledger):
    written = await ledger.record_attempt(_LEAF, _make_done(result="x" * 200), "one")
    assert await ledger.read_finished(_PROGRAM.leaves) == {}
    assert await ledger.attempt(_LEAF, "two") is None
    found = await ledger.attempt(_LEAF, "one")
    assert found == written
    await ledger.adopt(_LEAF, found)
    assert await ledger.read_finished(_PROGRAM.leaves) == {0: written}
    assert await ledger.result(found) == "x" * 200


async def test_attempts_of_one_leaf_do_not_touch_each_other(ledger: Ledger):
    one = await ledger.record_attempt(_LEAF, _make_done(result="1" * 200), "one")
    two = await ledger.record_attempt(_LEAF, _make_done(result="2" * 200), "two")
    assert [await ledger.result(outcome) for outcome in (one, two)] == ["1" * 200, "2" * 200]


async def test_the_last_owner_has_the_run(ledger: Ledger):
    assert await ledger.owner() is None
    owner = Owner(flow_run_id="f", run_count=2, host="h", pid=3)
    await ledger.take_over(Owner(flow_run_id="e", host="h", pid=3))
    await ledger.take_over(owner)
    assert await ledger.owner() == owner


@pytest.mark.parametrize("left", [b"", b'"xx', b"\xff\xfe\x00", b"[" * 100_000, b"[NaN]", b"1e999"])
async def test_a_result_that_is_damaged_is_an_error(ledger: Ledger, left: bytes):
    written = await ledger.record(_LEAF, _make_done(result="x" * 500))
    (ledger.folder / written.result_ref).write_bytes(left)
    with pytest.raises(RunError, match=r"is damaged: .*results/"):
        await ledger.result(written)


async def test_a_result_that_has_gone_is_an_error(ledger: Ledger):
    written = await ledger.record(_LEAF, _make_done(result="x" * 500))
    (ledger.folder / written.result_ref).unlink()
    with pytest.raises(RunError, match="has gone"):
        await ledger.result(written)


@pytest.mark.parametrize("content", ["", "{", '{"fingerprint": "x"}', "[]"])
async def test_a_record_that_is_cut_off_counts_as_not_written(ledger: Ledger, content: str):
    await ledger.record(_LEAF, _make_done())
    (ledger.folder / f"leaves/{leaf_name(_LEAF)}.json").write_text(content)
    assert await ledger.outcome(_LEAF) is None


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
async def test_a_record_with_a_number_that_json_lacks_counts_as_not_written(ledger: Ledger, number: str):
    await ledger.record(_LEAF, _make_done(result={"n": [1234.5]}))
    file = ledger.folder / f"leaves/{leaf_name(_LEAF)}.json"
    file.write_text(file.read_text().replace("1234.5", number))
    assert await ledger.outcome(_LEAF) is None


async def test_a_record_of_another_leaf_counts_as_not_written(ledger: Ledger):
    await ledger.record(_LEAF, _make_done())
    other = _LEAF.model_copy(update={"fingerprint": "else"})
    assert await ledger.outcome(other) is None


async def test_only_leaves_whose_work_is_done_are_finished(ledger: Ledger):
    first, second = _PROGRAM.leaves
    await ledger.record(first, _make_done())
    await ledger.record(second, Outcome(id="b/c", agent="worker", state="failed"))
    assert list(await ledger.read_finished(_PROGRAM.leaves)) == [0]


async def test_a_state_comes_back_and_a_damaged_one_does_not(ledger: Ledger):
    run = Run(run_id="r1", correlation_id="c", state="running", planner="file", cost_usd="0.25")
    await ledger.save(run)
    assert await ledger.load() == run
    (ledger.folder / "state.json").write_text("{")
    assert await ledger.load() is None


async def test_money_is_a_json_number(ledger: Ledger):
    await ledger.record(_LEAF, _make_done(usd="0.1"))
    stored = json.loads((ledger.folder / f"leaves/{leaf_name(_LEAF)}.json").read_text())
    assert stored["outcome"]["usd"] == 0.1


def test_leaf_names_are_safe_and_differ():
    program = a_program(a_task("..", a_task("..")), a_task("д"), a_task("x" * 150))
    names = [leaf_name(leaf) for leaf in program.leaves]
    assert len(set(names)) == 3
    assert all("/" not in name and ".." not in name and len(name) < 80 for name in names)


async def test_runs_are_listed_newest_first(tmp_path: Path):
    store = FolderStore(tmp_path)
    assert await list_runs(store) == []
    for moment in ("2026-01-02", "2026-01-01"):
        run_id = new_run_id(datetime.fromisoformat(f"{moment}T00:00:00+00:00"), "aa")
        await Ledger(store, run_id).begin(_header(run_id))
    assert await list_runs(store) == ["20260102-000000-aa", "20260101-000000-aa"]


async def test_a_block_keeps_a_run_as_a_folder_does():
    bucket = _Bucket()
    ledger = Ledger(BlockStore(bucket, "bucket"), "r1")
    await ledger.begin(_header())
    await ledger.record(_LEAF, _make_done())
    assert (await ledger.header()).slots == 4
    assert list(await ledger.read_finished(_PROGRAM.leaves)) == [0]
    assert ledger.folder is None
    assert await list_runs(ledger.store) is None
    with pytest.raises(UsageError, match="bucket"):
        await Ledger(ledger.store, "r2").header()


async def test_a_block_that_is_down_is_a_service_error():
    bucket = _Bucket()
    ledger = Ledger(BlockStore(bucket, "bucket"), "r1")
    bucket.down = True
    with pytest.raises(ServiceError, match="cannot be written"):
        await ledger.begin(_header())
    with pytest.raises(ServiceError, match="cannot be read"):
        await ledger.header()


async def test_a_store_below_a_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "genesis").write_text("not a folder")
    with pytest.raises(ResourceError, match="cannot be written"):
        await Ledger(FolderStore(tmp_path), "r1").begin(_header())


def test_one_process_at_a_time_holds_a_run(tmp_path: Path):
    path = tmp_path / "runs" / ".lock"
    first, second = RunLock(path, "r1"), RunLock(path, "r1")
    assert not first.held_elsewhere
    with first:
        assert second.held_elsewhere
        with pytest.raises(RunError, match="another process"), second:
            pass
    with second:
        pass


class _Disk(FolderStore):
    """A folder whose writes fail as often as it is told, or until the reserve is given up."""

    def __init__(self, root: Path, number: int, times: int = 10**9) -> None:
        super().__init__(root)
        self.number, self.times, self.writes = number, times, 0

    async def write(self, name: str, data: bytes) -> None:
        self.writes += 1
        full = self.number != errno.ENOSPC or (self.root / "genesis" / "r1" / ".reserve").exists()
        if self.times > 0 and full:
            self.times -= 1
            raise ResourceError.of(OSError(self.number, os.strerror(self.number)), name)
        await super().write(name, data)


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "_PAUSES_S", (0.0, 0.0, 0.0))


async def test_failed_leaves_are_known_too(ledger: Ledger) -> None:
    done, failed = _PROGRAM.leaves
    await ledger.record(done, _make_done())
    await ledger.record(failed, Outcome(id=failed.path, agent="worker", state="failed"))
    assert {index: outcome.state for index, outcome in (await ledger.read_outcomes(_PROGRAM.leaves)).items()} == {
        0: "completed",
        1: "failed",
    }
    assert list(await ledger.read_finished(_PROGRAM.leaves)) == [0]


async def test_a_record_takes_the_place_of_the_reserve_when_the_disk_is_full(tmp_path: Path) -> None:
    ledger = Ledger(_Disk(tmp_path, errno.ENOSPC), "r1")
    ledger.reserve.hold(10)
    assert (tmp_path / "genesis" / "r1" / ".reserve").stat().st_size == 512 * 1024 + 512 * 10
    await ledger.record(_LEAF, _make_done())
    assert ledger.full is not None
    assert ledger.full.code == "GEN-RESOURCE"
    assert await ledger.outcome(_LEAF) == _make_done()


def test_room_for_records_is_required_on_the_runs_own_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(FolderStore(tmp_path), "not-begun").reserve.require()
    ledger = Ledger(FolderStore(tmp_path), "r1")
    ledger.reserve.hold(1)
    ledger.reserve.require()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=700_000))
    with pytest.raises(ResourceError, match="no space for records") as caught:
        ledger.reserve.require()
    assert caught.value.data["errno"] == "ENOSPC"


async def test_without_a_reserve_a_full_disk_is_told_at_once_and_not_to_be_repeated(tmp_path: Path) -> None:
    store = _Disk(tmp_path, errno.EDQUOT)
    with pytest.raises(ResourceError) as caught:
        await Ledger(store, "r1").record(_LEAF, _make_done())
    assert store.writes == 1
    assert not classify(caught.value).retryable


@pytest.mark.usefixtures("_no_pauses")
async def test_a_shortage_that_passes_is_waited_for(tmp_path: Path) -> None:
    ledger = Ledger(_Disk(tmp_path, errno.EMFILE, times=2), "r1")
    await ledger.record(_LEAF, _make_done())
    assert await ledger.outcome(_LEAF) == _make_done()
    assert ledger.full is None


@pytest.mark.usefixtures("_no_pauses")
async def test_a_shortage_that_stays_is_told_and_the_work_is_not_repeated(tmp_path: Path) -> None:
    store = _Disk(tmp_path, errno.EMFILE)
    with pytest.raises(ResourceError) as caught:
        await Ledger(store, "r1").record(_LEAF, _make_done())
    assert (caught.value.code, store.writes) == ("GEN-RESOURCE-SHORT", 4)
    assert not classify(caught.value).retryable


class _Away(FolderStore):
    """A storage that does not answer for so many writes."""

    def __init__(self, root: Path, times: int):
        super().__init__(root)
        self.times, self.writes = times, 0

    async def write(self, name: str, data: bytes) -> None:
        self.writes += 1
        if self.writes <= self.times:
            raise ServiceError("the bucket does not answer")
        await super().write(name, data)


@pytest.mark.usefixtures("_no_pauses")
async def test_a_storage_that_is_away_is_waited_for_and_the_work_is_not_repeated(tmp_path: Path) -> None:
    ledger = Ledger(_Away(tmp_path, 2), "r1")
    await ledger.record(_LEAF, _make_done())
    assert await ledger.outcome(_LEAF) == _make_done()
    away = _Away(tmp_path, 99)
    with pytest.raises(ServiceError) as caught:
        await Ledger(away, "r2").record(_LEAF, _make_done())
    assert away.writes == 4
    assert not classify(caught.value).retryable


def test_space_is_given_back_once(ledger: Ledger) -> None:
    assert not ledger.reserve.drop()
    ledger.reserve.hold(1)
    assert ledger.reserve.drop()
    assert not ledger.reserve.drop()


def test_a_remote_storage_has_no_reserve() -> None:
    ledger = Ledger(BlockStore(_Bucket(), "s3/bucket"), "r1")
    ledger.reserve.hold(1)
    assert not ledger.reserve.drop()


def test_a_reserve_that_finds_no_space_says_so(tmp_path: Path) -> None:
    (tmp_path / "genesis").write_text("a file where the folder should be")
    with pytest.raises(ResourceError, match="cannot be written"):
        Ledger(FolderStore(tmp_path), "r1").reserve.hold(1)


async def test_the_lease_of_a_mutex_is_kept_and_what_is_no_lease_counts_as_none(ledger: Ledger) -> None:
    lease = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    assert await ledger.read_mutex(_LEAF) is None
    await ledger.write_mutex(_LEAF, lease)
    assert await ledger.read_mutex(_LEAF) == lease
    for other in ("no lease", ""):
        await ledger.write_mutex(_LEAF, other)
        assert await ledger.read_mutex(_LEAF) is None
