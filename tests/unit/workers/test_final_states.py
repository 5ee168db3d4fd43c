"""Telling the API how a flow run ended."""

from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Pending, Running, Suspended

from genesis.prefect_api.client import PrefectApi
from genesis.workers.final_states import FinalStates


class Client:
    def __init__(self):
        self.current, self.run_count, self.set, self.fault = Running(), 1, [], None

    async def read_flow_run(self, identity):
        if self.fault:
            raise self.fault
        return SimpleNamespace(state=self.current, run_count=self.run_count)

    async def set_flow_run_state(self, identity, state):
        self.set.append((state.name, state.message))
        return SimpleNamespace(state=state)


@pytest.fixture
def made():
    client, said = Client(), []
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="x")
    final_states = FinalStates(PrefectApi(client, said.append), said.append)
    return SimpleNamespace(client=client, said=said, run=run, final_states=final_states)


async def test_a_crash_has_its_reason(made):
    assert await made.final_states.report_crashed(made.run, "its process died")
    assert made.client.set == [("Crashed", "its process died")]


async def test_a_run_that_was_being_cancelled_is_cancelled_by_its_crash(made):
    made.client.current = Cancelling()
    assert not await made.final_states.report_crashed(made.run, "its process died")
    await made.final_states.retry_elsewhere(made.run, "its process died")
    assert [name for name, _ in made.client.set] == ["Cancelled", "Cancelled"]


async def test_a_run_that_is_over_is_left_alone(made):
    made.client.current = Cancelled()
    await made.final_states.report_cancelled(made.run, "it ended")
    await made.final_states.retry_elsewhere(made.run, "its worker stopped")
    assert made.client.set == []


@pytest.mark.parametrize(("count", "name"), [(0, "AwaitingRetry"), (2, "AwaitingRetry"), (3, "Crashed")])
async def test_a_run_is_taken_over_three_times_at_most(made, count, name):
    made.run.run_count = count
    await made.final_states.retry_elsewhere(made.run, "its process died")
    assert made.client.set[0][0] == name


async def test_a_worker_that_stops_does_not_wait_for_an_api_that_is_away(made):
    made.final_states.give_up_s = 0.1
    made.client.fault = httpx.ConnectError("gone")
    await made.final_states.report_cancelled(made.run, "it ended")
    assert "could not be reported to the API" in made.said[-1]


async def test_a_run_that_was_deleted_has_no_end(made):
    response = httpx.Response(404, request=httpx.Request("GET", "http://127.0.0.1/api"))
    made.client.fault = ObjectNotFound(
        http_exc=httpx.HTTPStatusError("no", request=response.request, response=response)
    )
    assert not await made.final_states.report_crashed(made.run, "its process died")


async def test_a_refusal_is_raised(made):
    response = httpx.Response(422, request=httpx.Request("GET", "http://127.0.0.1/api"))
    made.client.fault = httpx.HTTPStatusError("no", request=response.request, response=response)
    with pytest.raises(httpx.HTTPStatusError):
        await made.final_states.report_crashed(made.run, "its process died")


@pytest.mark.parametrize(("name", "run_count"), [("running", 2), ("scheduled", 1), ("claimed", 1)])
async def test_a_run_that_another_process_has_by_now_is_left_alone(made, name, run_count):
    made.run.state = Pending(message="claimed by me")
    made.client.run_count = run_count
    others = {"running": Running(), "scheduled": AwaitingRetry(), "claimed": Pending(message="claimed by another")}
    made.client.current = others[name]
    await made.final_states.retry_elsewhere(made.run, "its frozen process was ended")
    await made.final_states.report_crashed(made.run, "its frozen process was ended")
    assert made.client.set == []


@pytest.mark.parametrize("running", [True, False])
async def test_a_run_that_is_still_this_claim_is_given_back(made, running):
    made.run.state = claim = Pending(message="claimed by me")
    made.client.current = Running() if running else claim
    await made.final_states.retry_elsewhere(made.run, "its process died")
    assert [name for name, _ in made.client.set] == ["AwaitingRetry"]


async def test_a_suspended_run_is_not_scheduled_when_its_worker_stops(made):
    made.client.current = Suspended()
    await made.final_states.retry_elsewhere(made.run, "its worker stopped")
    assert made.client.set == []
