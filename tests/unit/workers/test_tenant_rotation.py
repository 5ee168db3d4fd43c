"""Who is taken next, of flow runs of several tenants."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from genesis.prefect_api.client import PrefectApi
from genesis.settings import WorkerSettings
from genesis.workers.code_policy import CodePolicy
from genesis.workers.pools import ServedPool
from genesis.workers.runs import Runs
from genesis.workers.slots import SlotPool
from genesis.workers.tenant_rotation import TenantRotation, tenant_of


def flow_run(tenant="", *, parameter=None, queue=None):
    return FlowRun(
        id=uuid4(),
        flow_id=uuid4(),
        name=tenant or "nobody",
        tags=[f"tenant:{tenant}"] if tenant else [],
        parameters={} if parameter is None else {"tenant": parameter},
        work_queue_id=queue,
        next_scheduled_start_time=datetime.now(UTC),
    )


def names(runs):
    return [run.name for run in runs]


def test_the_tag_counts_before_the_parameter_that_becomes_it():
    assert tenant_of(flow_run("a", parameter="b")) == "a"
    assert tenant_of(flow_run(parameter="b")) == "b"
    assert tenant_of(flow_run(parameter=7)) == ""
    assert tenant_of(flow_run()) == ""


def test_one_of_another_tenant_passes_thirty_of_one():
    waiting = [flow_run("big") for _ in range(30)] + [flow_run("small")]
    assert names(TenantRotation().order(waiting, []))[:3] == ["big", "small", "big"]
    assert names(TenantRotation().order(waiting, ["big"]))[0] == "small"


def test_those_without_a_tenant_share_one_turn():
    waiting = [flow_run(), flow_run(), flow_run("a")]
    assert names(TenantRotation().order(waiting, [])) == ["nobody", "a", "nobody"]


def test_within_a_tenant_and_between_equals_who_waits_longest_is_next():
    waiting = [flow_run(name) for name in "abab"]
    assert TenantRotation().order(waiting, []) == waiting
    assert TenantRotation().order([], ["a"]) == []


def test_one_slot_goes_round_the_tenants():
    waiting = [flow_run("big") for _ in range(5)] + [flow_run("small"), flow_run("late")]
    turns, taken = TenantRotation(), []
    while waiting:
        chosen = turns.order(waiting, [])[0]
        turns.mark_served(tenant_of(chosen))
        waiting.remove(chosen)
        taken.append(chosen.name)
    assert taken == ["big", "small", "late", "big", "big", "big", "big"]


def test_what_is_known_of_tenants_is_bounded():
    turns = TenantRotation()
    for number in range(1_500):
        turns.mark_served(f"t{number}")
    assert len(turns._served) == 1_000
    assert names(turns.order([flow_run("t1400"), flow_run("t3")], [])) == ["t3", "t1400"]


class Client:
    def __init__(self, waiting):
        self.waiting, self.asked, self.fault = waiting, 0, None

    async def read_flow_runs(self, *, sort, limit, offset, **_):
        assert sort is FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC
        self.asked += 1
        if self.fault:
            raise self.fault
        return self.waiting[offset : offset + limit]


@pytest.fixture
def made():
    def make(waiting, *, limit=None, slots=4):
        client = Client(waiting)
        child_pool = SimpleNamespace()
        runs = Runs(
            PrefectApi(client, print),
            child_pool,
            "w",
            policy=CodePolicy(WorkerSettings()),
            notify=print,
            freed=lambda _: None,
        )
        pool = ServedPool("a", SlotPool(slots), record=SimpleNamespace(concurrency_limit=limit), problem=None)
        return SimpleNamespace(client=client, runs=runs, pool=pool)

    return make


async def test_a_worker_with_fewer_slots_than_offers_takes_in_turn(made):
    waiting = [flow_run("big") for _ in range(5)] + [flow_run("small")]
    one = made(waiting, slots=2)
    assert names(await one.runs._choose_runs(one.pool, waiting)) == ["big", "small"]
    assert one.client.asked == 0


async def test_behind_a_pools_limit_others_are_looked_at(made):
    waiting = [flow_run("big") for _ in range(450)] + [flow_run("small")]
    one = made(waiting, limit=10)
    one.pool.running = 1
    one.runs._held[uuid4()] = one.pool, "big"
    assert names(await one.runs._choose_runs(one.pool, waiting[:2])) == ["small", "big"]
    assert one.client.asked == 3


async def test_no_more_is_taken_than_the_server_offers_in_each_queue(made):
    urgent, usual = uuid4(), uuid4()
    offered = [flow_run("a", queue=urgent), flow_run("a", queue=usual), flow_run("b", queue=usual)]
    one = made([])
    assert names(await one.runs._choose_runs(one.pool, offered)) == ["a", "b", "a"]


async def test_what_cannot_be_read_leaves_the_servers_order(made):
    one = made([], limit=10)
    one.pool.running = 1
    one.client.fault = httpx.ConnectError("gone")
    offered = [flow_run("a"), flow_run("b")]
    assert await one.runs._choose_runs(one.pool, offered) == offered


async def test_what_has_a_slot_here_is_not_taken_again(made):
    offered = [flow_run("a")]
    one = made([])
    one.runs._held[offered[0].id] = one.pool, "a"
    assert await one.runs._choose_runs(one.pool, offered) == []
