"""When a pool is polled, and what is taken to be due."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun

from genesis.prefect_api.client import PrefectApi
from genesis.workers.polling import Poller, PollInterval
from genesis.workers.pools import ServedPool
from genesis.workers.slots import SlotPool


class Client:
    def __init__(self):
        self.answers, self.asked = [], []

    async def get_scheduled_flow_runs_for_work_pool(self, name, work_queue_names, scheduled_before):
        self.asked.append((name, work_queue_names))
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return [SimpleNamespace(flow_run=flow_run) for flow_run in answer]


def flow_run(*, start_in=0.0, created_ago=0.0):
    now = datetime.now(UTC)
    start = now + timedelta(seconds=start_in)
    return FlowRun(
        id=uuid4(),
        flow_id=uuid4(),
        name="x",
        created=now - timedelta(seconds=created_ago),
        expected_start_time=start,
        next_scheduled_start_time=start,
    )


@pytest.fixture
def made():
    client, started, hearing = Client(), [], SimpleNamespace(now=True)
    pool = ServedPool("agent-qa", SlotPool(2), problem=None)

    async def start(of, runs):
        started.extend(runs)

    poller = Poller(
        pool,
        ["high"],
        PrefectApi(client, lambda _: None),
        PollInterval(0.2, 45.0, 1.0, 10.0),
        receives_events=lambda: hearing.now,
        start=start,
    )
    return SimpleNamespace(client=client, started=started, hearing=hearing, pool=pool, poller=poller)


async def test_a_quiet_pool_is_polled_seldom_and_a_busy_one_often(made):
    await made.poller.poll()
    assert made.poller._pause_s() == 45.0
    made.client.answers = [[flow_run()]]
    await made.poller.poll()
    assert len(made.started) == 1
    assert made.poller._pause_s() == 45.0
    assert made.poller.may_hold_back
    made.hearing.now = False
    assert made.poller._pause_s() == 0.2
    assert made.client.asked[0] == ("agent-qa", ["high"])


async def test_a_run_that_waited_without_an_event_shows_that_events_do_not_arrive(made):
    made.client.answers = [[flow_run(start_in=-30, created_ago=30)], []]
    await made.poller.poll()
    await made.poller.poll()
    assert made.poller.deaf
    made.poller.wake(by_event=True)
    assert not made.poller.deaf


async def test_an_event_that_comes_before_its_flow_run_is_followed_up(made):
    made.poller.wake(by_event=True)
    await made.poller.poll()
    assert made.poller._pause_s() == 0.2
    await made.poller.poll()
    assert made.poller._pause_s() == 45.0


async def test_a_run_that_is_due_later_is_waited_for_to_the_moment(made):
    made.client.answers = [[flow_run(start_in=3.0), flow_run(start_in=30.0)]]
    await made.poller.poll()
    assert made.started == []
    assert 2.0 < made.poller._pause_s() <= 3.0


async def test_a_clock_that_is_behind_delays_nothing(made):
    made.client.answers = [[flow_run(start_in=20.0, created_ago=-20.1)]]
    await made.poller.poll()
    assert len(made.started) == 1


async def test_a_pool_is_not_asked_when_no_slot_is_free_or_it_cannot_be_served(made):
    made.pool.bank.taken = 2
    await made.poller.poll()
    made.pool.bank.taken = 0
    made.pool.problem = "it is paused"
    await made.poller.poll()
    assert made.client.asked == []
    assert made.pool.polled is not None


async def test_a_poll_that_fails_is_no_poll(made):
    made.client.answers = [httpx.ConnectError("gone")]
    await made.poller.poll()
    assert made.pool.polled is None


async def test_runs_may_be_held_back_by_a_limit_while_others_go_on(made):
    assert not made.poller.may_hold_back
    made.pool.running = 1
    made.pool.record = SimpleNamespace(concurrency_limit=1)
    assert made.poller.may_hold_back
    made.pool.record = SimpleNamespace(concurrency_limit=None)
    assert not made.poller.may_hold_back
