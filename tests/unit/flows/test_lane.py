"""The worker's side of a lane."""

import asyncio

import pytest

from genesis.flows.lane import Lane
from genesis.ledger import FolderStore, LaneOrder, LaneState, Ledger, Owner

OWNER = Owner(flow_run_id="f", host="h", pid=1)
ORDER = LaneOrder(tasks=("a",), fingerprints=("x",), owner=OWNER)


@pytest.fixture
async def ledger(tmp_path):
    ledger = Ledger(FolderStore(tmp_path), "r1")
    await ledger.take_over(OWNER)
    return ledger


async def until_open(ledger, orders=0):
    async with asyncio.timeout(10):
        while await ledger.read_lane_state("t") != LaneState(orders=orders, open=True):
            await asyncio.sleep(0.01)


async def test_an_order_is_waited_for_and_then_the_next(ledger):
    lane = Lane(ledger, "t", 30)
    for number in (1, 2):
        waiting = asyncio.create_task(lane.next())
        await until_open(ledger, number - 1)
        await ledger.order("t", number, ORDER)
        assert await waiting == ORDER
    await lane.close()
    assert await ledger.read_lane_state("t") == LaneState(orders=2, open=False)


async def test_without_an_order_it_says_that_it_takes_none(ledger):
    assert await Lane(ledger, "t", 0.05).next() is None
    assert await ledger.read_lane_state("t") == LaneState(orders=0, open=False)


async def test_where_lanes_are_off_nothing_is_said(ledger):
    lane = Lane(ledger, "t", 0.0)
    assert await lane.next() is None
    await lane.close()
    assert await ledger.read_lane_state("t") is None


async def test_it_ends_when_it_is_told_to(ledger):
    await ledger.order("t", 1, LaneOrder(owner=OWNER))
    assert await Lane(ledger, "t", 30).next() is None
    assert await ledger.read_lane_state("t") == LaneState(orders=0, open=False)


async def test_an_order_of_a_former_orchestrator_is_not_taken(ledger):
    await ledger.take_over(OWNER.model_copy(update={"run_count": 2}))
    await ledger.order("t", 1, ORDER)
    assert await Lane(ledger, "t", 30).next() is None
    assert await ledger.read_lane_state("t") == LaneState(orders=0, open=False)


async def test_an_order_of_the_last_moment_is_taken_and_what_was_said_is_taken_back_first(ledger, monkeypatch):
    said = []
    answer = ledger.answer

    async def answered(token, state):
        said.append(state)
        await answer(token, state)
        if not state.open:
            await ledger.order("t", 1, ORDER)

    monkeypatch.setattr(ledger, "answer", answered)
    assert await Lane(ledger, "t", 0.01).next() == ORDER
    assert [state.open for state in said] == [True, False, True]
