from pathlib import Path

import pytest

from genesis.ledger import FolderStore
from genesis.ledger.cache import ResultCache, cache_key
from genesis.testing import FakeClock, a_program, a_task

_LEAF = a_program(a_task("a", cache={"ttl_s": 60})).leaves[0]


@pytest.fixture
def cache(tmp_path: Path) -> ResultCache:
    return ResultCache(FolderStore(tmp_path))


async def test_a_young_result_is_given_and_an_old_one_is_not(cache: ResultCache):
    clock = FakeClock()
    await cache.put(_LEAF, "ab12", None, clock())
    clock.advance(60)
    assert await cache.get(_LEAF, "ab12", clock()) == (None,)
    clock.advance(1)
    assert await cache.get(_LEAF, "ab12", clock()) is None


async def test_a_result_from_the_future_is_not_given(cache: ResultCache):
    clock = FakeClock()
    await cache.put(_LEAF, "ab12", 1, clock())
    clock.advance(-5)
    assert await cache.get(_LEAF, "ab12", clock()) is None


async def test_a_damaged_entry_counts_as_none(cache: ResultCache, tmp_path: Path):
    clock = FakeClock()
    await cache.put(_LEAF, "ab12", 1, clock())
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
    }
    assert len(others | {base}) == 5
