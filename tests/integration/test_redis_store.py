"""Shared state in a real Redis."""

import threading

import pytest

from genesis.errors import BreakerOpenError
from genesis.resilience import Breaker, BreakerRules, Quota, QuotaRule, RedisStore, StoreError

pytestmark = pytest.mark.server


@pytest.fixture
def stores(redis_server):
    redis_server.ask("FLUSHALL")
    made = [RedisStore(redis_server.url) for _ in range(2)]
    yield made
    for store in made:
        store.close()


def test_changes_of_many_threads_and_clients_do_not_get_lost(stores):
    def add(store):
        for _ in range(25):
            store.change("n", lambda kept, _now: (str(int(kept or 0) + 1), None))

    threads = [threading.Thread(target=add, args=(store,)) for store in stores for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].read("n")[0] == "100"
    assert abs(stores[0].now() - stores[1].read("n")[1]) < 60


def test_a_breaker_that_opens_on_one_host_is_open_on_the_other(stores):
    here, there = (Breaker("agent x", BreakerRules(failures=2), store=store) for store in stores)
    for _ in range(2):
        with pytest.raises(ConnectionError), here.guard():
            raise ConnectionError("down")
    with pytest.raises(BreakerOpenError), there.guard():
        pass
    assert there.retry_after_s() > 50


async def test_a_quota_is_shared_by_hosts(stores):
    waited = []

    async def pause(seconds):
        waited.append(seconds)

    here, there = (Quota("x", QuotaRule(calls=2, per_s=60), store=store, pause=pause) for store in stores)
    await here.wait()
    await there.wait()
    await here.wait()
    assert len(waited) == 1
    assert 20 < waited[0] <= 30


def test_a_redis_that_is_away_is_an_error_that_says_so():
    with pytest.raises(StoreError, match="shared state in Redis cannot be used"):
        RedisStore("redis://127.0.0.1:1/0").read("x")
    with pytest.raises(StoreError, match="cannot be used"):
        RedisStore("nonsense://x").read("x")
