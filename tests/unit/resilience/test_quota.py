"""Rate limits that are waited for."""

import asyncio
from itertools import pairwise

import pytest

from genesis.resilience import Quota, QuotaError, QuotaRule, SqliteStore, StoreError


class Time:
    """A clock that continues when somebody pauses."""

    def __init__(self):
        self.now, self.pauses = 100.0, []

    def __call__(self):
        return self.now

    async def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


def quota(time, rule, **more):
    return Quota("x", rule, clock=time, pause=time.pause, **more)


async def test_the_twenty_first_call_in_a_minute_waits(time):
    limit = quota(time, QuotaRule(calls=20, per_s=60))
    waits = [await limit.wait() for _ in range(22)]
    assert waits[:20] == [0.0] * 20
    assert waits[20:] == [pytest.approx(3.0), pytest.approx(3.0)]


async def test_no_window_of_its_time_has_more_calls_than_the_limit_and_one_burst(time):
    limit = quota(time, QuotaRule(calls=10, per_s=10, burst=1))
    at = []
    for _ in range(30):
        await limit.wait()
        at.append(time.now)
    assert all(later - earlier >= 0.999 for earlier, later in pairwise(at))


async def test_what_was_not_used_is_not_saved_up_beyond_the_burst(time):
    limit = quota(time, QuotaRule(calls=4, per_s=4))
    time.now += 1000
    assert [await limit.wait() for _ in range(4)] == [0.0] * 4
    assert await limit.wait() == pytest.approx(1.0)


async def test_a_wait_beyond_the_deadline_is_refused_and_uses_nothing_up(time):
    limit = quota(time, QuotaRule(calls=1, per_s=60))
    await limit.wait()
    with pytest.raises(QuotaError, match=r"the next turn is in 60\.0 s, and only 5\.0 s are left") as caught:
        await limit.wait(left_s=5.0)
    assert caught.value.data == {"retry_after_s": 60.0}
    assert time.pauses == []
    assert await limit.wait() == pytest.approx(60.0)


async def test_callers_are_served_in_their_order(time):
    limit = quota(time, QuotaRule(calls=1, per_s=1))
    order = []

    async def call(number):
        await limit.wait()
        order.append(number)

    await asyncio.gather(*(call(number) for number in range(5)))
    assert order == list(range(5))


async def test_processes_share_a_limit_by_a_store(time, tmp_path):
    stores = [SqliteStore(tmp_path / "state", clock=time) for _ in range(2)]
    first, second = (quota(time, QuotaRule(calls=2, per_s=10), store=store) for store in stores)
    assert [await first.wait(), await second.wait()] == [0.0, 0.0]
    assert await second.wait() == pytest.approx(5.0)
    assert await first.wait() == pytest.approx(5.0)


async def test_a_store_that_fails_leaves_each_process_with_a_limit_of_its_own(time):
    class Broken:
        def change(self, *_):
            raise StoreError("gone")

    limit = quota(time, QuotaRule(calls=1, per_s=10), store=Broken())
    assert [await limit.wait(), await limit.wait()] == [0.0, pytest.approx(10.0)]


@pytest.mark.parametrize("kept", ["nonsense", "1e99", "-5", "nan"])
async def test_what_is_kept_and_cannot_be_is_forgotten(time, tmp_path, kept):
    store = SqliteStore(tmp_path / "state", clock=time)
    store.change("quota:x", lambda _kept, _now: (kept, None))
    assert await quota(time, QuotaRule(calls=1), store=store).wait() == 0.0
