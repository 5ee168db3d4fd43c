"""Runs that stay lost are scheduled again, and flow runs of silent workers are let go."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Crashed, Pending, Running

from genesis.prefect_api.claims import claim_message
from genesis.prefect_api.client import ApiUnavailable, PrefectApi
from genesis.workers.recovery import LOST, LostRuns, LostWorkers


class Client:
    def __init__(self):
        self.lost = []
        self.asked = []
        self.states = []

    async def read_flow_runs(self, flow_run_filter, work_pool_filter, limit):
        self.asked.append((flow_run_filter.state.name.any_, work_pool_filter.name.any_))
        return self.lost

    async def set_flow_run_state(self, flow_run_id, state):
        self.states.append((flow_run_id, state.name, state.type.value))


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def lost(client):
    return LostRuns(PrefectApi(client, print), "genesis", every_s=0.01, notify=print)


def a_lost_run() -> FlowRun:
    return FlowRun(id=uuid4(), flow_id=uuid4(), name="r", state=Crashed(name=LOST))


async def test_the_first_look_leaves_it_to_the_automation(client, lost):
    client.lost = [a_lost_run()]
    await lost.look()
    assert client.asked == [(["Lost"], ["genesis"])]
    assert client.states == []


async def test_who_is_lost_twice_is_scheduled_again(client, lost):
    run = a_lost_run()
    client.lost = [run]
    await lost.look()
    await lost.look()
    assert client.states == [(run.id, "AwaitingRetry", "SCHEDULED")]


async def test_another_one_that_is_lost_is_seen_for_the_first_time(client, lost):
    client.lost = [a_lost_run()]
    await lost.look()
    client.lost = [a_lost_run()]
    await lost.look()
    assert client.states == []


class Fleet:
    """The API as a worker sees it that looks after another one."""

    def __init__(self):
        self.held = []
        self.beat = datetime(2026, 1, 1, tzinfo=UTC)
        self.others = 0
        self.asked = []

    async def count_flow_runs(self, **_):
        self.asked.append("count")
        return len(self.held)

    async def read_flow_runs(self, **_):
        self.asked.append("flow runs")
        return self.held

    async def read_flow_run_states(self, identity):
        self.asked.append("states")
        return [Pending(message=claim_message("w1")), Running()]

    async def read_workers_for_work_pool(self, pool, *, offset, limit):
        self.asked.append("workers")
        others = [SimpleNamespace(name=f"x{number}", last_heartbeat_time=None) for number in range(self.others)]
        return [*others, SimpleNamespace(name="w1", last_heartbeat_time=self.beat)][offset : offset + limit]


class Own:
    """The own flow runs."""

    def __init__(self):
        self.mine = set()
        self.let = []

    def __len__(self):
        return len(self.mine)

    def has(self, identity):
        return identity in self.mine

    async def let_go(self, flow_run, record, worker):
        self.let.append((flow_run.id, record, worker))


@pytest.fixture
def fleet():
    return Fleet()


@pytest.fixture
def own():
    return Own()


@pytest.fixture
def now(monkeypatch):
    clock = SimpleNamespace(at=100.0)
    monkeypatch.setattr("genesis.workers.recovery.time.monotonic", lambda: clock.at)
    return clock


@pytest.fixture
def others(fleet, own):
    pools = {"p": SimpleNamespace(record="record")}
    return LostWorkers(PrefectApi(fleet, print), pools, own, worker="me", every_s=2, lost_after_s=8)


def a_held_run(state=None) -> FlowRun:
    return FlowRun(id=uuid4(), flow_id=uuid4(), name="r", work_pool_name="p", state=state or Running())


async def look(others, now, seconds):
    for _ in range(0, seconds + 1, 2):
        await others.look()
        now.at += 2


@pytest.mark.parametrize("state", [Running(), Pending(message=claim_message("w1")), Cancelling()])
async def test_a_flow_run_of_a_silent_worker_is_let_go(others, fleet, own, now, state):
    fleet.held = [a_held_run(state)]
    await look(others, now, 6)
    assert own.let == []
    await look(others, now, 4)
    assert own.let[0] == (fleet.held[0].id, "record", "w1")


@pytest.mark.parametrize("workers", [0, 300])
async def test_a_flow_run_of_a_worker_that_is_heard_is_left_alone(others, fleet, own, now, workers):
    fleet.held, fleet.others = [a_held_run()], workers
    for _ in range(20):
        await look(others, now, 0)
        fleet.beat += timedelta(seconds=2)
    assert own.let == []
    assert fleet.asked.count("states") == 1


async def test_an_api_that_was_away_starts_the_time_anew(others, fleet, own, now):
    fleet.held = [a_held_run()]
    await look(others, now, 8)
    fleet.read_workers_for_work_pool, works = _refuse, fleet.read_workers_for_work_pool
    with pytest.raises(ApiUnavailable):
        await others.look()
    fleet.read_workers_for_work_pool = works
    await look(others, now, 6)
    assert own.let == []


async def _refuse(*_, **__):
    raise httpx.ConnectError("away")


async def test_where_all_flow_runs_are_the_own_ones_only_their_number_is_read(others, fleet, own, now):
    fleet.held = [a_held_run()]
    own.mine = {fleet.held[0].id}
    await look(others, now, 20)
    assert set(fleet.asked) == {"count"}


async def test_the_own_claims_and_those_of_other_kinds_of_workers_are_not_judged(others, fleet, own, now):
    fleet.held = [a_held_run(Pending(message=claim_message("me"))), a_held_run(Pending(message="by a stock worker"))]
    await look(others, now, 20)
    assert own.let == []
