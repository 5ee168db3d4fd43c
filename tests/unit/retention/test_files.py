"""Cached results that nobody may use any more, and old log files."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from genesis.ledger import BlockStore, Ledger
from genesis.ledger.cache import CachedResult, ResultCache
from genesis.testing import a_program, a_task


def _keep(yard, make_old, key: str, *, days: float, ttl_days: float) -> Path:
    leaf = a_program(a_task("a", cache={"ttl_s": ttl_days * 86_400})).leaves[0]
    at = datetime.now(UTC) - timedelta(days=days)
    asyncio.run(ResultCache(Ledger(yard.store, "r1")).put(leaf, key, CachedResult({"x": 1}, {}), at))
    return make_old(yard.store.root / "genesis-cache" / key[:2] / f"{key}.json", days)


def test_a_cached_result_goes_once_it_is_old_and_nobody_may_use_it(yard, make_old):
    expired = _keep(yard, make_old, "aa1", days=40, ttl_days=1)
    in_use = _keep(yard, make_old, "aa2", days=40, ttl_days=90)
    young = _keep(yard, make_old, "bb1", days=10, ttl_days=1)
    assert yard.purge(dry_run=True).amounts["cache"].count == 1
    assert expired.is_file()
    found = yard.purge()
    assert found.amounts["cache"].count == 1
    assert (expired.exists(), in_use.exists(), young.exists()) == (False, True, True)
    assert expired.parent.is_dir()


@pytest.mark.parametrize("content", ["{", json.dumps({"written_at": "2020-01-01T00:00:00Z", "result": 1})])
def test_an_entry_that_is_damaged_or_of_an_earlier_version_goes_by_its_age(yard, make_old, content):
    for key, days in (("aa1", 40), ("aa2", 1)):
        path = yard.store.root / "genesis-cache" / "aa" / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        make_old(path, days)
    assert yard.purge().amounts["cache"].count == 1


def test_an_entry_of_an_earlier_version_can_be_used(yard):
    leaf = a_program(a_task("a", cache={"ttl_s": 60})).leaves[0]
    now = datetime.now(UTC)
    path = yard.store.root / "genesis-cache" / "aa" / "aa1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"written_at": now.isoformat(), "result": 7}))
    assert asyncio.run(ResultCache(Ledger(yard.store, "r1")).get(leaf, "aa1", now)) == (7, {})


def test_log_files_that_were_put_aside_go_and_what_is_in_use_stays(yard, make_old):
    logs = yard.settings.home / "logs"
    logs.mkdir(parents=True)
    gone = ["genesis.jsonl.1", "genesis.jsonl.12", "genesis.jsonl.2026-01-02T03-04-05.gz"]
    stay = ["genesis.jsonl", "genesis.jsonl.lock", "genesis.jsonl.bak", "other.jsonl.1", "genesis.jsonlx.1"]
    for name in (*gone, *stay):
        (logs / name).write_text("x")
        make_old(logs / name, 90)
    (logs / "genesis.jsonl.3").write_text("young")
    (logs / "genesis.jsonl.4").symlink_to(logs / "other.jsonl.1")
    make_old(logs / "genesis.jsonl.4", 90)
    found = yard.purge()
    assert found.amounts["logs"].count == len(gone)
    assert sorted(path.name for path in logs.iterdir()) == sorted([*stay, "genesis.jsonl.3", "genesis.jsonl.4"])


def test_the_log_file_that_was_set_is_looked_for_where_it_is(yard, make_old, tmp_path):
    log = tmp_path / "elsewhere" / "g.log"
    log.parent.mkdir()
    (log.parent / "g.log.1").write_text("x")
    make_old(log.parent / "g.log.1", 90)
    settings = yard.settings
    yard.settings = settings.model_copy(update={"log": settings.log.model_copy(update={"file": log})})
    assert yard.purge().amounts["logs"].count == 1


def test_a_file_that_cannot_be_removed_is_told(yard, make_old, monkeypatch):
    path = _keep(yard, make_old, "aa1", days=40, ttl_days=1)

    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    (failed,) = yard.purge().failed
    assert (failed.kind, failed.name) == ("cache", str(path))
    assert os.path.lexists(path)


def test_a_storage_that_cannot_list_says_so(yard):
    yard.store = BlockStore(None, "s3/bucket")
    assert (
        "s3/bucket/genesis-cache cannot list its entries; use the lifecycle rules of the storage" in yard.purge().notes
    )
