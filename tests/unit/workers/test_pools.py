"""What a worker knows of its pools."""

from functools import partial
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from genesis.prefect_api.client import PrefectApi
from genesis.workers.pools import ServedPools
from genesis.workers.slots import Slots


def record(name, **more):
    return WorkPool(id=uuid4(), name=name, type=more.pop("type", "genesis"), **more)


class Client:
    def __init__(self, *records):
        self.records = list(records)
        self.beats = []
        self.created = []
        self.fault = None

    async def read_work_pools(self, limit, offset, work_pool_filter):
        return [one for one in self.records if one.name in work_pool_filter.name.any_]

    async def send_worker_heartbeat(self, pool, worker, heartbeat_interval_seconds):
        if self.fault:
            raise self.fault
        self.beats.append((pool, worker, heartbeat_interval_seconds))

    async def create_work_pool(self, wanted):
        self.created.append(wanted)
        if self.fault:
            raise self.fault
        return record(wanted.name)


@pytest.fixture
def made():
    client, said = Client(), []
    slots = Slots(agents=4, threads=9, orchestrators=2)

    def pools(*names, template=None, heartbeat_s=5):
        return ServedPools(
            names,
            PrefectApi(client, said.append),
            slots,
            worker="w",
            heartbeat_s=heartbeat_s,
            notify=said.append,
            template=template,
        )

    return SimpleNamespace(client=client, said=said, slots=slots, pools=pools)


def refuse(code):
    request = httpx.Request("POST", "http://127.0.0.1/api")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(code, request=request))


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "does not exist; waiting for it. Create it: genesis pools sync"),
        (record("a", type="process"), "is of type 'process'"),
        (record("a", is_paused=True), "is paused; waiting. Resume it: prefect work-pool resume 'a'"),
        (record("a", concurrency_limit=0), "has a concurrency limit of 0"),
    ],
)
async def test_what_keeps_a_pool_from_being_served_is_said_once(made, found, text):
    made.client.records = [found] if found else []
    pools = made.pools("a")
    await pools.refresh(made.client)
    await pools.refresh(made.client)
    assert len(made.said) == 1
    assert text in made.said[0]
    assert not pools.all["a"].open
    made.client.records = [record("a")]
    assert await pools.refresh(made.client)
    assert made.said[1] == "work pool 'a' can be served now"
    assert pools.all["a"].open


async def test_a_pool_that_is_as_before_is_no_change(made):
    made.client.records = [record("a")]
    pools = made.pools("a", "a")
    assert await pools.refresh(made.client)
    assert not await pools.refresh(made.client)
    assert list(pools.all) == ["a"]
    assert made.said == []


async def test_slots_go_by_what_a_pool_is_for(made):
    template = {"variables": {"properties": {"isolation": {"default": "thread"}}}}
    made.client.records = [record("genesis"), record("a"), record("b", base_job_template=template)]
    pools = made.pools("genesis", "a", "b")
    await pools.refresh(made.client)
    banks = [pools.all[name].bank for name in ("genesis", "a", "b")]
    assert banks == [made.slots.orchestrators, made.slots.agents, made.slots.threads]
    assert [pools.all[name].shared for name in ("a", "b")] == [False, True]


async def test_only_pools_of_this_type_get_a_heartbeat(made):
    made.client.records = [record("a"), record("b", type="docker")]
    pools = made.pools("a", "b", "c")
    await pools.refresh(made.client)
    for pool in pools.all.values():
        await pools.heartbeat(pool)
    assert [(pool, worker) for pool, worker, _ in made.client.beats] == [("a", "w")]


async def test_heartbeats_are_frequent_only_while_somebody_compares_them(made):
    made.client.records = [record("a")]
    pools = made.pools("a")
    await pools.refresh(made.client)
    pool = pools.all["a"]
    await pools.heartbeat(pool)
    pool.running = 1
    await pools.heartbeat(pool)
    assert [interval_s for _, _, interval_s in made.client.beats] == [30, 5]


async def test_a_worker_that_stops_is_soon_taken_to_be_offline(made):
    made.client.records = [record("a"), record("b", type="docker")]
    pools = made.pools("a", "b", "c")
    await pools.refresh(made.client)
    await pools.leave()
    assert made.client.beats == [("a", "w", 1)]
    made.client.fault = refuse(503)
    await pools.leave()


@pytest.mark.parametrize(("every_s", "told"), [(0.3, 1), (1.5, 2), (2, 2)])
async def test_the_api_is_told_whole_seconds_between_heartbeats(made, every_s, told):
    made.client.records = [record("a")]
    pools = made.pools("a", heartbeat_s=every_s)
    await pools.refresh(made.client)
    pools.all["a"].running = 1
    await pools.heartbeat(pools.all["a"])
    assert made.client.beats == [("a", "w", told)]
    assert isinstance(made.client.beats[0][2], int)


async def test_a_heartbeat_that_fails_is_no_end(made):
    made.client.records = [record("a")]
    pools = made.pools("a")
    await pools.refresh(made.client)
    pool = pools.all["a"]
    made.client.fault = refuse(503)
    await pools.heartbeat(pool)
    made.client.fault = refuse(422)
    await pools.heartbeat(pool)
    assert "was refused" in made.said[-1]
    made.client.fault = ObjectNotFound(http_exc=refuse(404))
    await pools.heartbeat(pool)
    assert not pool.open


async def test_missing_pools_are_created_where_that_is_wanted(made):
    pools = made.pools("a", template={"variables": {}, "job_configuration": {}})
    await pools.refresh(made.client)
    await pools.create_missing(made.client)
    assert [wanted.type for wanted in made.client.created] == ["genesis"]
    assert pools.all["a"].open
    waiting = made.pools("b")
    await waiting.refresh(made.client)
    await waiting.create_missing(made.client)
    assert len(made.client.created) == 1


async def test_a_worker_that_starts_counts_a_failed_call_once(made, monkeypatch):
    pools = made.pools("a", template={"variables": {}, "job_configuration": {}})
    faults = [httpx.ConnectError("gone"), httpx.ConnectError("gone")]
    api, read, create = (
        PrefectApi(made.client, made.said.append),
        made.client.read_work_pools,
        made.client.create_work_pool,
    )

    async def fail_first(call, *args, **more):
        if faults:
            raise faults.pop()
        return await call(*args, **more)

    monkeypatch.setattr(made.client, "read_work_pools", partial(fail_first, read))
    await api.call(pools.refresh)
    assert api.failures == 2
    faults.append(httpx.ReadTimeout("slow"))
    monkeypatch.setattr(made.client, "create_work_pool", partial(fail_first, create))
    await api.call(pools.create_missing)
    assert api.failures == 3
    assert pools.all["a"].open


async def test_another_worker_may_be_faster_to_create_a_pool(made):
    pools = made.pools("a", template={"variables": {}, "job_configuration": {}})
    made.client.fault = ObjectAlreadyExists(http_exc=refuse(409))
    await pools.refresh(made.client)
    await pools.create_missing(made.client)
    assert not pools.all["a"].open
