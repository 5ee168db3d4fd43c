"""One look over all pools in place of a poll of each."""

import asyncio
from types import SimpleNamespace

import httpx
import pytest

from genesis.prefect_api.client import ApiUnavailable, PrefectApi
from genesis.workers.due_runs import DueRuns
from genesis.workers.polling import PollInterval
from genesis.workers.pools import ServedPool
from genesis.workers.slots import SlotPool


class Client:
    def __init__(self):
        self.due, self.asked, self.fault = [], [], None

    async def read_flow_runs(self, flow_run_filter, work_pool_filter, limit):
        self.asked.append((flow_run_filter, work_pool_filter.name.any_, limit))
        if self.fault:
            raise self.fault
        return [SimpleNamespace(work_pool_name=name) for name in self.due]


class FakePoller:
    def __init__(self, name, problem=None):
        self.pool = ServedPool(name, SlotPool(2), problem=problem)
        self.deaf = self.may_hold_back = False
        self.woken = 0

    def wake(self):
        self.woken += 1


@pytest.fixture
def made():
    client, hearing = Client(), SimpleNamespace(now=True)
    pollers = {name: FakePoller(name) for name in "abc"} | {"d": FakePoller("d", problem="it is paused")}
    due = DueRuns(
        pollers,
        PrefectApi(client, lambda _: None),
        PollInterval(look_s=30.0, deaf_s=0.01),
        receives_events=lambda: hearing.now,
    )
    return SimpleNamespace(client=client, hearing=hearing, pollers=pollers, due=due)


def is_woken(made):
    return [name for name, poller in made.pollers.items() if poller.woken]


async def test_one_request_tells_which_pools_to_poll(made):
    made.client.due = ["b", "b"]
    await made.due.look()
    assert len(made.client.asked) == 1
    assert made.client.asked[0][1] == ["a", "b", "c"]
    assert is_woken(made) == ["b"]
    assert all(made.pollers[name].pool.polled is not None for name in "abc")


async def test_a_full_page_may_hide_any_pool(made):
    made.client.due = ["b"] * 200
    await made.due.look()
    assert is_woken(made) == ["a", "b", "c"]


async def test_pools_without_a_free_slot_are_not_asked_for(made):
    made.pollers["b"].pool.bank.taken = 2
    made.pollers["b"].may_hold_back = True
    await made.due.look()
    assert made.client.asked[0][1] == ["a", "c"]
    assert made.pollers["b"].pool.polled is not None
    assert made.due._pause_s() == 30.0
    made.pollers["b"].pool.bank.taken = 1
    assert made.due._pause_s() == 0.01


async def test_nothing_is_asked_while_no_pool_can_be_served(made):
    for poller in made.pollers.values():
        poller.pool.problem = "it is paused"
    await made.due.look()
    assert made.client.asked == []


@pytest.mark.parametrize("reason", ["no events", "a pool that missed one", "a limit", "the API is away"])
async def test_while_events_do_not_arrive_it_looks_often(made, reason):
    made.hearing.now = reason != "no events"
    made.pollers["a"].deaf = reason == "a pool that missed one"
    made.pollers["a"].may_hold_back = reason == "a limit"
    if reason == "the API is away":
        made.client.fault = httpx.ConnectError("gone")
        with pytest.raises(ApiUnavailable):
            await made.due.look()
    before = len(made.client.asked)
    watching = asyncio.create_task(made.due.watch())
    while len(made.client.asked) < before + 2:
        await asyncio.sleep(0)
    watching.cancel()


async def test_a_refusal_is_not_passed_over(made):
    request = httpx.Request("POST", "http://127.0.0.1/api")
    made.client.fault = httpx.HTTPStatusError("no", request=request, response=httpx.Response(422, request=request))
    made.hearing.now = False
    with pytest.raises(httpx.HTTPStatusError):
        await made.due.watch()
