"""Runs that stay lost are scheduled again."""

from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Crashed

from genesis.workers.api import Api
from genesis.workers.lost import LOST, LostRuns


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
    return LostRuns(Api(client, print), "genesis", every_s=0.01, say=print)


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
