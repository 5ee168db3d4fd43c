import shutil
from pathlib import Path

import pytest

from genesis.ledger import FolderStore, Ledger
from genesis.ledger.cache import CachedResult, ResultCache, cache_key
from genesis.ledger.files import keep_content
from genesis.model import KeptFile
from genesis.testing import FakeClock, a_program, a_task

_LEAF = a_program(a_task("a", cache={"ttl_s": 60})).leaves[0]


@pytest.fixture
def cache(tmp_path: Path) -> ResultCache:
    return ResultCache(Ledger(FolderStore(tmp_path), "r1"))


async def test_a_young_result_is_given_and_an_old_one_is_not(cache: ResultCache):
    clock = FakeClock()
    await cache.put(_LEAF, "ab12", CachedResult(None, {}), clock())
    clock.advance(60)
    assert await cache.get(_LEAF, "ab12", clock()) == (None, {})
    clock.advance(1)
    assert await cache.get(_LEAF, "ab12", clock()) is None


async def test_a_result_from_the_future_is_not_given(cache: ResultCache):
    clock = FakeClock()
    await cache.put(_LEAF, "ab12", CachedResult(1, {}), clock())
    clock.advance(-5)
    assert await cache.get(_LEAF, "ab12", clock()) is None


async def test_a_damaged_entry_counts_as_none(cache: ResultCache, tmp_path: Path):
    clock = FakeClock()
    await cache.put(_LEAF, "ab12", CachedResult(1, {}), clock())
    (tmp_path / "genesis-cache/ab/ab12.json").write_text("{")
    assert await cache.get(_LEAF, "ab12", clock()) is None
    assert await cache.get(_LEAF, "cd34", clock()) is None


@pytest.mark.parametrize(
    ("more", "serves"),
    [
        ({"cache": {"ttl_s": 1}}, True),
        ({}, False),
        ({"cache": "none"}, False),
        ({"cache": {"ttl_s": 1}, "side_effects": True}, False),
    ],
)
def test_reuse_is_opt_in_and_never_with_side_effects(more: dict, serves: bool):
    assert ResultCache.serves(a_program(a_task("a", **more)).leaves[0]) is serves


def test_the_key_follows_all_that_an_attempt_sees():
    base = cache_key(_LEAF, "e", {"a": 1}, {"u": [1]})
    assert cache_key(_LEAF, "e", {"a": 1}, {"u": [1]}) == base
    others = {
        cache_key(_LEAF.model_copy(update={"fingerprint": "x"}), "e", {"a": 1}, {"u": [1]}),
        cache_key(_LEAF, "f", {"a": 1}, {"u": [1]}),
        cache_key(_LEAF, "e", {"a": 2}, {"u": [1]}),
        cache_key(_LEAF, "e", {"a": 1}, {"u": [2]}),
        cache_key(_LEAF, "e", {"a": 1}, {"u": [1]}, {"in.csv": KeptFile(name="x", bytes=1, chunks=("aa",))}),
        cache_key(_LEAF, "e", {"a": 1}, {"u": [1]}, {"in.csv": KeptFile(name="x", bytes=1, chunks=("bb",))}),
    }
    assert len(others | {base}) == 7


async def test_files_of_another_run_are_copied_into_this_one_and_a_result_without_its_files_is_not_given(
    tmp_path: Path,
):
    clock, store = FakeClock(), FolderStore(tmp_path)
    earlier, own = Ledger(store, "earlier"), Ledger(store, "own")
    kept = await keep_content(earlier, b"rows", "rows.csv")
    await ResultCache(earlier).put(_LEAF, "ab12", CachedResult(1, {"rows": kept}), clock())
    assert await ResultCache(own).get(_LEAF, "ab12", clock()) == (1, {"rows": kept})
    assert await own.blob(kept.chunks[0]) == b"rows"
    shutil.rmtree(tmp_path / "genesis" / "earlier")
    assert await ResultCache(Ledger(store, "third")).get(_LEAF, "ab12", clock()) is None
