"""What Prefect's engine is not to ask the API for."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.schemas.objects import FlowRun

from genesis.prefect_api.client import ClaimedRunClient, PrefectClient
from genesis.workers.engine import Stop, _Engine, never_suspended


class Api(PrefectClient):
    def __init__(self):
        self.asked = []

    async def read_flow_run(self, flow_run_id):
        self.asked.append(("read", flow_run_id))
        return "another"

    async def update_flow_run(self, flow_run_id, *values, **changes):
        self.asked.append(("update", flow_run_id))


class Claimed(ClaimedRunClient, Api):
    """Its connection is that of the fake."""


async def test_a_flow_run_that_was_claimed_is_neither_read_nor_written_before_it_begins():
    api, claimed = Api(), FlowRun(id=uuid4(), flow_id=uuid4(), name="a run")
    client = Claimed(api, claimed)
    await client.update_flow_run(claimed.id, flow_version="1")
    assert await client.read_flow_run(claimed.id) is claimed
    assert api.asked == []


async def test_later_and_other_flow_runs_are_read_and_written():
    api, claimed = Api(), FlowRun(id=uuid4(), flow_id=uuid4(), name="a run")
    client, other = Claimed(api, claimed), uuid4()
    assert await client.read_flow_run(other) == "another"
    await client.update_flow_run(other)
    await client.read_flow_run(claimed.id)
    assert await client.read_flow_run(claimed.id) == "another"
    await client.update_flow_run(claimed.id)
    assert api.asked == [("read", other), ("update", other), ("read", claimed.id), ("update", claimed.id)]


@pytest.mark.parametrize("suspended", [False, True])
def test_only_runs_that_nobody_suspends_are_taken_to_be_as_they_were_claimed(suspended):
    async def work() -> None: ...

    made = flow(work if suspended else never_suspended(work))
    engine = _Engine(flow=made, flow_run=FlowRun(id=uuid4(), flow_id=uuid4(), name="a run"), parameters={})
    engine.stop = Stop()
    engine._is_started, engine._client = True, SimpleNamespace()
    assert isinstance(engine.client, ClaimedRunClient) is not suspended
    assert engine.client is engine.client
