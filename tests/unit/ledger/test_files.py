"""Files in a run's storage: kept once, verified, and written where nothing is overwritten."""

import asyncio
import errno
import os

import pytest

from genesis.errors import ResourceError, ServiceError, TaskError, UsageError
from genesis.ledger import BlockStore, FolderStore, Ledger, files
from genesis.ledger.files import copy_kept, is_whole, keep_content, keep_file, keep_list, list_files, write_kept
from genesis.model import KeptFile

MOST = 1_000_000


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(files, "_CHUNK", 1000)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(FolderStore(tmp_path / "store"), "r1")


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def a_file(tmp_path, content=b"x" * 2500, mode=0o644):
    path = tmp_path / "given"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def stored(ledger):
    return sorted(path for path in (ledger.folder / "blobs").rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2500, 7000])
async def test_a_file_arrives_as_it_was(tmp_path, ledger, out, size):
    content = os.urandom(size)
    kept = await keep_file(ledger, a_file(tmp_path, content, 0o755), "x.bin", most_bytes=MOST)
    assert (kept.name, kept.bytes, kept.executable, len(kept.chunks)) == ("x.bin", size, True, -(-size // 1000))
    await write_kept(ledger, kept, out, "deep/y.bin")
    arrived = out / "deep" / "y.bin"
    assert (arrived.read_bytes(), bool(arrived.stat().st_mode & 0o100)) == (content, True)
    assert [path.name for path in arrived.parent.iterdir()] == ["y.bin"]


async def test_equal_contents_are_kept_once(tmp_path, ledger):
    await keep_file(ledger, a_file(tmp_path, b"a" * 5000), "x", most_bytes=MOST)
    await keep_file(ledger, a_file(tmp_path, b"a" * 3000), "y", most_bytes=MOST)
    assert len(stored(ledger)) == 1


async def test_a_storage_block_keeps_files_too(tmp_path, out):
    class Block:
        def __init__(self):
            self.contents = {}

        async def read_path(self, path):
            return self.contents[path]

        async def write_path(self, path, content):
            self.contents[path] = content

    store = BlockStore(Block(), "s3/bucket")
    content = os.urandom(4500)
    kept = await keep_file(Ledger(store, "r1"), a_file(tmp_path, content), "x", most_bytes=MOST)
    await write_kept(Ledger(store, "r1"), kept, out, "x")
    assert (out / "x").read_bytes() == content


async def test_a_folder_arrives_with_its_files_and_its_size(ledger, out):
    parts = [await keep_content(ledger, text.encode(), text) for text in ("a.txt", "deep/b.txt")]
    kept = await keep_list(ledger, parts, "both")
    assert (kept.count, kept.bytes) == (2, len("a.txt") + len("deep/b.txt"))
    assert await list_files(ledger, kept) == parts
    await write_kept(ledger, kept, out, "in")
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "in/a.txt",
        "in/deep/b.txt",
    }


@pytest.mark.parametrize("damage", ["truncate", "change", "remove"])
async def test_a_damaged_part_is_found_and_nothing_is_written(tmp_path, ledger, out, damage):
    kept = await keep_file(ledger, a_file(tmp_path, os.urandom(2500)), "x", most_bytes=MOST)
    assert await is_whole(ledger, kept)
    path = ledger.folder / "blobs" / kept.chunks[-1][:2] / kept.chunks[-1]
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "truncate" else b"z" * 500)
    with pytest.raises(TaskError) as caught:
        await write_kept(ledger, kept, out, "x")
    assert caught.value.code == "GEN-TASK-FILE-LOST"
    assert not await is_whole(ledger, kept)
    assert list(out.iterdir()) == []


async def test_a_damaged_part_is_replaced_when_its_content_is_kept_again(tmp_path, ledger, out):
    kept = await keep_file(ledger, a_file(tmp_path, b"a" * 900), "x", most_bytes=MOST)
    stored(ledger)[0].write_bytes(b"short")
    assert await keep_file(ledger, a_file(tmp_path, b"a" * 900), "x", most_bytes=MOST) == kept
    assert await is_whole(ledger, kept)


async def test_a_list_with_a_path_that_leads_out_is_refused(ledger, out):
    bad = await keep_content(ledger, b"x", "../../evil")
    with pytest.raises(TaskError, match="leads out"):
        await write_kept(ledger, await keep_list(ledger, [bad], "f"), out, "in")
    garbage = (await keep_content(ledger, b"{", "f")).model_copy(update={"count": 1})
    with pytest.raises(TaskError, match="cannot be read"):
        await list_files(ledger, garbage)


async def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(ledger, out):
    kept = await keep_content(ledger, b"new", "x")
    (out / "x").write_text("old")
    with pytest.raises(UsageError, match="exists") as caught:
        await write_kept(ledger, kept, out, "x")
    assert (caught.value.code, (out / "x").read_text()) == ("GEN-FILE-EXISTS", "old")
    await write_kept(ledger, kept, out, "x", replace=True)
    assert [path.name for path in out.iterdir()] == ["x"]
    assert (out / "x").read_text() == "new"


async def test_links_are_not_followed(tmp_path, ledger, out):
    kept = await keep_content(ledger, b"new", "x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x").write_text("old")
    (out / "link").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="is in its way"):
        await write_kept(ledger, kept, out, "link/x", replace=True)
    (out / "file").symlink_to(elsewhere / "x")
    with pytest.raises(UsageError, match="exists"):
        await write_kept(ledger, kept, out, "file")
    await write_kept(ledger, kept, out, "file", replace=True)
    assert ((elsewhere / "x").read_text(), (out / "file").read_text()) == ("old", "new")
    assert not (out / "file").is_symlink()


async def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path, ledger):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name, said in (("pipe", "no regular file"), ("link", "cannot be read"), ("missing", "cannot be read")):
        async with asyncio.timeout(5):
            with pytest.raises(TaskError, match=said) as caught:
                await keep_file(ledger, tmp_path / name, name, most_bytes=MOST)
        assert caught.value.code == "GEN-TASK-FILE"
    with pytest.raises(TaskError, match="no regular file"):
        await keep_file(ledger, tmp_path, "folder", most_bytes=MOST)


async def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path, ledger):
    path = a_file(tmp_path, b"")
    os.truncate(path, 5_000_000_000)  # a hole: it takes no space
    with pytest.raises(TaskError, match="5,000,000,000 bytes, and at most 1,000,000 are kept") as caught:
        await keep_file(ledger, path, "x", most_bytes=MOST)
    assert caught.value.code == "GEN-TASK-FILE-SIZE"
    assert not (ledger.folder / "blobs").exists()


@pytest.mark.parametrize("change", [b"a" * 5000, b"b" * 100])
async def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, ledger, monkeypatch, change):
    path = a_file(tmp_path, b"a" * 2500)
    put = Ledger.put_blob

    async def writing(self, content):
        path.write_bytes(change)
        return await put(self, content)

    monkeypatch.setattr(Ledger, "put_blob", writing)
    with pytest.raises(TaskError, match="changed while it was read"):
        await keep_file(ledger, path, "x", most_bytes=MOST)


async def test_a_full_disk_is_an_error_that_leaves_the_reserve_to_the_records(tmp_path, ledger, monkeypatch):
    ledger.reserve.hold(1)

    async def full(name, data):
        raise ResourceError.of(OSError(errno.ENOSPC, "No space left on device"), "it cannot be written")

    monkeypatch.setattr(ledger.store, "create", full)
    with pytest.raises(ResourceError, match="No space left"):
        await keep_file(ledger, a_file(tmp_path), "x", most_bytes=MOST)
    assert (ledger.folder / ".reserve").exists()


async def test_a_storage_that_is_away_for_a_moment_is_asked_again(tmp_path, ledger, monkeypatch):
    monkeypatch.setattr("genesis.ledger.ledger._PAUSES_S", (0.0,))
    create, calls = ledger.store.create, []

    async def flaky(name, data):
        calls.append(name)
        if len(calls) == 1:
            raise ServiceError("the storage does not answer")
        return await create(name, data)

    monkeypatch.setattr(ledger.store, "create", flaky)
    kept = await keep_file(ledger, a_file(tmp_path, b"x"), "x", most_bytes=MOST)
    assert len(calls) == 2
    assert await is_whole(ledger, kept)


async def test_what_a_killed_process_was_writing_does_not_pass_for_a_part(tmp_path, ledger):
    kept = await keep_file(ledger, a_file(tmp_path, b"a" * 900), "x", most_bytes=MOST)
    [path] = stored(ledger)
    path.rename(path.with_name(f".{path.name}.0f3a"))
    with pytest.raises(TaskError):
        await ledger.blob(kept.chunks[0])


async def test_files_are_copied_from_run_to_run(tmp_path, ledger):
    other = Ledger(ledger.store, "r2")
    part = await keep_content(ledger, os.urandom(2500), "x")
    kept = await keep_list(ledger, [part], "f")
    await copy_kept(ledger, other, kept)
    assert await is_whole(other, kept)
    with pytest.raises(TaskError):
        await copy_kept(ledger, other, KeptFile(name="x", bytes=1, chunks=("0" * 64,)))
