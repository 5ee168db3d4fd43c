"""Shared state in a real Redis."""

import json
import threading

import pytest

from genesis.cli.app import main
from genesis.errors import BreakerOpenError
from genesis.resilience import Breaker, BreakerRules, Quota, QuotaRule, RedisStore, StoreError
from genesis.resilience.breakers import Breakers

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


@pytest.fixture
def call(redis_server, tmp_path, monkeypatch, capsys):
    """`genesis agents reset` with the state of its breakers in Redis."""
    agents = tmp_path / "agents.yaml"
    agents.write_text(
        "agents: [{name: etl_agent, task_types: [load], executor: {kind: http, url: 'https://api.example.com/x'}}]"
    )
    monkeypatch.setenv("GENESIS_HOME", str(tmp_path))
    monkeypatch.setenv("GENESIS_RESILIENCE__SHARE", "redis")
    monkeypatch.setenv("GENESIS_RESILIENCE__REDIS_URL", redis_server.url)

    def make(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["agents", "reset", *words, "--agents", str(agents), "--json"])
        return ended.value.code, json.loads(capsys.readouterr().out)

    return make


def test_agents_that_all_hosts_have_given_up_are_reset_for_all_of_them(stores, call):
    here, there = (Breakers(BreakerRules(failures=1), store=store) for store in stores)
    names = (("agent", "etl_agent", "0123456789ab"), ("host", "api.example.com"), ("host", "other.example.com"))
    for name in names:
        with pytest.raises(ConnectionError), here.of(*name).guard():
            raise ConnectionError("down")
        with pytest.raises(BreakerOpenError), there.of(*name).guard():
            pass
    code, document = call("etl_agent")
    assert code == 0
    assert [(each["kind"], each["name"], each["was"]) for each in document["reset"]] == [
        ("agent", "etl_agent", "open"),
        ("host", "api.example.com", "open"),
    ]
    for breakers in (here, there):
        for name in names[:2]:
            with breakers.of(*name).guard():
                pass
    with pytest.raises(BreakerOpenError), there.of("host", "other.example.com").guard():
        pass
    assert [each["name"] for each in call("--all")[1]["reset"]] == ["other.example.com"]
    assert call("--all")[1]["reset"] == []


def test_a_reset_says_when_the_redis_is_away(call, monkeypatch):
    monkeypatch.setenv("GENESIS_RESILIENCE__REDIS_URL", "redis://127.0.0.1:1/0")
    code, document = call("--all")
    assert code == 4
    assert "shared state in Redis cannot be used" in document["error"]["message"]
