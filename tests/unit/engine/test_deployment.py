"""Waiting for a flow run of an existing deployment."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Running

from genesis.engine import deployment
from genesis.engine.deployment import DeploymentRunner
from genesis.errors import ServiceError, TaskError
from genesis.model import DeploymentSpec


def refusal(code):
    request = httpx.Request("GET", "http://127.0.0.1/api/flow_runs/1")
    return httpx.HTTPStatusError(str(code), request=request, response=httpx.Response(code, request=request))


@pytest.fixture
def flow_run():
    return FlowRun(id=uuid4(), flow_id=uuid4(), name="theirs", state=Running())


@pytest.fixture
def execute(line, flow_run, monkeypatch):
    @asynccontextmanager
    async def connect(report):
        yield line

    async def run_deployment(*args, **more):
        return flow_run

    monkeypatch.setattr("genesis.prefect_api.client._FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(deployment, "FLOW_RUN_FIRST_POLL_S", 0.0)
    monkeypatch.setattr(deployment, "connect", connect)
    monkeypatch.setattr(deployment, "arun_deployment", run_deployment)
    work = SimpleNamespace(inputs={}, correlation_id="c", agent=SimpleNamespace(name="a"), path="p", sources={})
    return lambda: DeploymentRunner(DeploymentSpec(kind="deployment", name="flow/theirs")).execute(work)


def answer_in_turn(api, *answers):
    """Have the API answer a read of the flow run with one after the other."""
    left = list(answers)

    async def read_flow_run(identity):
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    api.read_flow_run = read_flow_run


async def test_an_api_that_is_away_meanwhile_does_not_fail_the_leaf(api, execute, flow_run):
    done = flow_run.model_copy(update={"state": Completed()})
    answer_in_turn(api, flow_run, httpx.ConnectError("gone"), refusal(503), TimeoutError(), done)
    assert (await execute()).value["flow_run_id"] == str(flow_run.id)


async def test_a_flow_run_that_was_deleted_is_named(api, execute, flow_run):
    answer_in_turn(api, ObjectNotFound(http_exc=refusal(404)))
    with pytest.raises(TaskError, match=f"{flow_run.id}.*was deleted"):
        await execute()


async def test_a_refusal_is_an_error_of_the_service(api, execute):
    answer_in_turn(api, refusal(403))
    with pytest.raises(ServiceError, match="refuses GET /api/flow_runs/1: 403"):
        await execute()


@pytest.mark.parametrize("fault", [refusal(409), ObjectNotFound(http_exc=refusal(404)), None])
async def test_a_server_that_does_not_take_the_cancellation_does_not_stop_it(
    api, execute, flow_run, monkeypatch, fault
):
    monkeypatch.setattr(deployment, "FLOW_RUN_FIRST_POLL_S", 60.0)
    monkeypatch.setattr(deployment, "_CANCEL_S", 0.05)
    asked = asyncio.Event()

    async def set_flow_run_state(identity, state):
        asked.set()
        if fault is None:
            await asyncio.Event().wait()  # it never answers
        raise fault

    api.set_flow_run_state = set_flow_run_state
    running = asyncio.create_task(execute())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asked.is_set()


async def test_a_flow_run_that_is_created_while_its_leaf_is_cancelled_is_cancelled_too(
    api, execute, flow_run, monkeypatch
):
    asked, goes_on, cancelled = asyncio.Event(), asyncio.Event(), []

    async def run_deployment(*args, **more):
        asked.set()
        await goes_on.wait()
        return flow_run

    async def set_flow_run_state(identity, state):
        cancelled.append((identity, state.type))

    api.set_flow_run_state = set_flow_run_state
    monkeypatch.setattr(deployment, "arun_deployment", run_deployment)
    leaf = asyncio.create_task(execute())
    await asked.wait()
    leaf.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await leaf
    assert cancelled == [(flow_run.id, StateType.CANCELLING)]
