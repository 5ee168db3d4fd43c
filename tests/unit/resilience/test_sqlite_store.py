"""Shared state in a SQLite file."""

import os
import sqlite3
import threading

import pytest

from genesis.resilience import SqliteStore, StoreError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "folder" / "state.sqlite"


@pytest.fixture
def store(file):
    made = SqliteStore(file, clock=lambda: 7.0)
    yield made
    made.close()


def put(text):
    return lambda _kept, _now: (text, None)


def test_what_is_kept_is_read_by_another(store, file):
    assert store.read("a") == (None, 7.0)
    assert store.change("a", lambda kept, now: ("one", (kept, now))) == (None, 7.0)
    other = SqliteStore(file)
    assert other.read("a")[0] == "one"
    assert other.read("b")[0] is None
    other.close()


def test_a_step_that_keeps_nothing_leaves_what_is_there(store):
    store.change("a", put("one"))
    assert store.change("a", lambda kept, _now: (None, kept)) == "one"
    assert store.read("a")[0] == "one"


def test_a_step_that_fails_leaves_what_is_there_and_the_store_usable(store):
    store.change("a", put("one"))
    with pytest.raises(ZeroDivisionError):
        store.change("a", lambda *_: 1 / 0)
    assert store.read("a")[0] == "one"
    store.change("a", put("two"))
    assert store.read("a")[0] == "two"


def test_changes_of_many_threads_and_stores_do_not_get_lost(file):
    stores = [SqliteStore(file) for _ in range(3)]

    def add(store):
        for _ in range(50):
            store.change("n", lambda kept, _now: (str(int(kept or 0) + 1), None))

    threads = [threading.Thread(target=add, args=(store,)) for store in stores for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].read("n")[0] == "300"
    for store in stores:
        store.close()


def test_a_file_that_is_no_database_is_an_error_that_says_so(file):
    file.parent.mkdir()
    file.write_bytes(b"this is not a database, not at all, it is only a text" * 20)
    with pytest.raises(StoreError, match=r"state\.sqlite' cannot be used: file is not a database") as caught:
        SqliteStore(file).read("a")
    assert "can be deleted" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "folder").write_text("a file", "utf-8")
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "folder" / "state").read("a")


def test_a_file_that_is_deleted_meanwhile_is_an_error_once_and_then_made_anew(store, file):
    store.change("a", put("one"))
    for found in file.parent.iterdir():
        found.unlink()
    try:
        store.change("a", put("two"))
    except StoreError:
        store.change("a", put("two"))
    assert store.read("a")[0] == "two"


def test_a_file_that_is_held_for_too_long_is_an_error(store, file, monkeypatch):
    monkeypatch.setattr("genesis.resilience.sqlite_store._BUSY_S", 0.05)
    store.change("a", put("one"))
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    late = SqliteStore(file)
    with pytest.raises(StoreError, match="locked"):
        late.change("a", put("two"))
    holder.execute("ROLLBACK")
    holder.close()
    late.change("a", put("two"))
    late.close()
    assert store.read("a")[0] == "two"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_the_file_for_itself(store):
    """SQLite forbids to carry a connection over a fork: it would lose the file's locks."""
    store.change("a", put("one"))
    before = store._connection
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.change("a", lambda kept, _now: (f"{kept} two", None))
            code = 0 if store._connection is not before else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.read("a")[0] == "one two"
    assert store._connection is before
