import asyncio
from uuid import uuid4

import pytest

from bench.dispatch import AGENTS, PLAN, SIDES, Sample, Watch, report
from bench.report import Bench, percentile
from genesis.fleet.desired import fleet_of
from genesis.model import Registry


def _find(**done):
    given = {side.name: done.get(side.name.replace(" ", "_").replace(",", ""), 100.0) for side in SIDES}
    return {name: [[Sample(value / 2, value * 0.9, value)] * 8] for name, value in given.items()}


def test_ratios_are_met_from_their_bounds_on():
    bench = Bench("dispatch")
    single = _find(stock=6_000.0, stock_polling_each_second=2_000.0, warm_process=400.0)
    report(bench, single, _find(stock=8_000.0, warm_process=1_000.0))
    assert [target.value for target in bench.targets[:4]] == [15.0, 5.0, 8.0, 8.0]
    assert all(target.met for target in bench.targets)
    (row,) = [row for row in bench.rows if row.get("stock_over") == "warm process"]
    assert (row["one_at_a_time"], row["last_of_eight"], row["each_second_over_it"]) == (15.0, 8.0, 5.0)


def test_slow_warm_worker_misses_every_target_of_its_own():
    bench = Bench("dispatch")
    report(bench, _find(stock=6_000.0, warm_process=600.0), _find(stock=4_000.0, warm_process=1_000.0))
    assert [target.met for target in bench.targets] == [False, False, False, False, False, True]


def test_both_isolations_follow_from_the_agents():
    pools = fleet_of(Registry.model_validate(AGENTS), orchestrators=1).agent_pools
    assert {pool.name: pool.isolation for pool in pools} == {
        "agent-warm-process": "process",
        "agent-warm-thread": "thread",
    }
    leaves = {task["id"] for task in PLAN["tasks"]}
    assert {side.leaf for side in SIDES} == {None, *leaves}


async def test_end_that_is_heard_before_anyone_waits_is_kept():
    watch, flow_run = Watch(client=None), uuid4()
    watch.record_end(flow_run)
    watch.record_end(flow_run)
    assert await watch.done(flow_run) > 0
    waiting = asyncio.create_task(watch.done(flow_run))
    await asyncio.sleep(0)
    assert not waiting.done()
    watch.record_end(flow_run)
    assert await waiting > 0


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 2), (51, 3), (95, 4), (100, 4)])
def test_percentile_is_one_of_the_values(percent, value):
    assert percentile([4, 1, 3, 2], percent) == value
