"""A heartbeat that stays the same for long enough is a loss; a break in the looking proves nothing."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prefect.exceptions import ObjectNotFound

from genesis.prefect_api.heartbeats import Heartbeats, read_heartbeats
from genesis.prefect_api.limits import PAGE

_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def beats():
    return Heartbeats[str](lost_after_s=8, longest_gap_s=5)


def test_one_that_stays_the_same_is_lost_and_one_that_moves_is_not(beats):
    for now in range(0, 9, 2):
        beats.compare(now, {"still": _AT, "moves": _AT - timedelta(seconds=now)})
    assert beats.is_lost("still", 8)
    assert not beats.is_lost("moves", 8)
    assert not beats.is_lost("unknown", 8)


def test_two_looks_that_are_far_apart_begin_anew(beats):
    beats.compare(0, {"still": _AT})
    beats.compare(9, {"still": _AT})
    assert not beats.is_lost("still", 9)


def test_what_was_not_heard_meanwhile_is_forgotten(beats):
    beats.compare(0, {"still": _AT})
    beats.compare(4, {"still": _AT})
    beats.forget()
    beats.compare(8, {"still": _AT})
    assert not beats.is_lost("still", 8)


def test_who_is_no_longer_asked_for_is_not_remembered(beats):
    beats.compare(0, {"gone": _AT, "stays": _AT})
    beats.compare(2, {"stays": _AT})
    assert len(beats) == 1


async def test_all_workers_of_a_pool_are_read_and_none_of_a_pool_that_is_gone():
    workers = [SimpleNamespace(name=f"w{number}", last_heartbeat_time=_AT) for number in range(2 * PAGE)]
    asked = []

    async def page(pool, offset):
        asked.append((pool, offset))
        if pool == "gone":
            raise ObjectNotFound(None)
        return workers[offset : offset + PAGE]

    said = await read_heartbeats(["p", "gone", "p"], page)
    assert said == {("p", worker.name): _AT for worker in workers}
    assert asked == [("p", 0), ("p", PAGE), ("p", 2 * PAGE), ("gone", 0)]
