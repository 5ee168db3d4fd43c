"""Claiming flow runs, and finding how they are to run."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Pending, Running, Scheduled

from genesis.prefect_api.client import PrefectApi
from genesis.settings import WorkerSettings
from genesis.workers.claims import Claims, FlowRunJob
from genesis.workers.code_policy import CodePolicy
from genesis.workers.configuration import GenesisJobConfiguration

ACCEPTS = WorkerSettings(entrypoints=("a.b",), env=("A", "B"), pull_steps=({"x": {}},))


class Client:
    def __init__(self):
        self.status, self.fault, self.current = SetStateStatus.ACCEPT, None, None
        self.deployments = {}
        self.held = []
        self.set = []
        self.reads = 0

    async def set_flow_run_state(self, identity, state):
        if self.fault:
            raise self.fault
        self.set.append(state)
        return SimpleNamespace(status=self.status, state=state)

    async def count_flow_runs(self, **_):
        return len(self.held)

    async def read_flow_runs(self, **_):
        return self.held

    async def read_flow_run(self, identity):
        return SimpleNamespace(state=self.current)

    async def read_deployment(self, identity):
        self.reads += 1
        if identity not in self.deployments:
            response = httpx.Response(404, request=httpx.Request("GET", "http://127.0.0.1/api"))
            raise ObjectNotFound(http_exc=httpx.HTTPStatusError("no", request=response.request, response=response))
        return self.deployments[identity]


@pytest.fixture
def made():
    client = Client()
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="x", deployment_id=uuid4(), state=Scheduled())
    claims = Claims(PrefectApi(client, lambda _: None), "w1", CodePolicy(ACCEPTS))
    return SimpleNamespace(client=client, claims=claims, run=run, pool=WorkPool(id=uuid4(), name="a", type="genesis"))


def deployment(**more):
    values = {"name": "d", "entrypoint": "a.b", "pull_steps": None, "job_variables": {}}
    values |= {"work_queue_id": None, "work_queue_name": None, "storage_document_id": None} | more
    return SimpleNamespace(**values)


async def test_a_claim_names_the_worker(made):
    assert await made.claims.claim(made.run)
    assert made.run.state.message == "claimed by w1"


async def test_a_claim_that_another_won_is_lost(made):
    made.client.status = SetStateStatus.ABORT
    assert not await made.claims.claim(made.run)


async def test_a_flow_run_that_is_gone_is_no_claim(made):
    response = httpx.Response(404, request=httpx.Request("POST", "http://127.0.0.1/api"))
    fault = httpx.HTTPStatusError("no", request=response.request, response=response)
    made.client.fault = ObjectNotFound(http_exc=fault)
    assert not await made.claims.claim(made.run)


@pytest.mark.parametrize(
    ("current", "ours"),
    [
        (Pending(message="claimed by w1"), True),
        (Pending(message="claimed by w2"), False),
        (Running(), False),
        (Scheduled(), False),
    ],
)
async def test_a_claim_whose_answer_was_lost_is_asked_for(made, current, ours):
    made.client.fault, made.client.current = httpx.ReadError("lost"), current
    assert await made.claims.claim(made.run) is ours


async def test_a_refusal_is_no_lost_answer(made):
    response = httpx.Response(422, request=httpx.Request("POST", "http://127.0.0.1/api"))
    made.client.fault = httpx.HTTPStatusError("no", request=response.request, response=response)
    with pytest.raises(httpx.HTTPStatusError):
        await made.claims.claim(made.run)


async def test_a_deployment_is_read_once_for_many_runs(made):
    made.client.deployments[made.run.deployment_id] = deployment(job_variables={"isolation": "thread"})
    job = await made.claims.job(made.run, made.pool)
    assert job == await made.claims.job(made.run, made.pool)
    assert made.client.reads == 1
    assert (job.entrypoint, job.pulls, job.configuration.isolation) == ("a.b", [], "thread")


async def test_a_runs_own_variables_win_over_its_deployments(made):
    values = {"recycle_after": 3, "env": {"A": "1", "B": "1"}}
    made.client.deployments[made.run.deployment_id] = deployment(job_variables=values, pull_steps=[{"x": {}}])
    made.run.job_variables = {"recycle_after": 5, "env": {"B": "2"}}
    job = await made.claims.job(made.run, made.pool)
    assert job.pulls == [{"x": {}}]
    assert job.configuration.recycle_after == 5
    assert job.configuration.variables == {"A": "1", "B": "2"}
    assert values["env"] == {"A": "1", "B": "1"}


async def test_what_cannot_be_run_says_why(made):
    with pytest.raises(ValueError, match="does not exist any more"):
        await made.claims.job(made.run, made.pool)
    made.client.deployments[made.run.deployment_id] = deployment(entrypoint=None)
    with pytest.raises(ValueError, match="no entrypoint"):
        await made.claims.job(made.run, made.pool)
    made.run.deployment_id = None
    with pytest.raises(ValueError, match="no deployment"):
        await made.claims.job(made.run, made.pool)


@pytest.mark.parametrize(
    ("entrypoint", "orchestrates"),
    [("genesis.flows.deployed.orchestrate", True), ("flows/orchestrate.py:orchestrate", True), ("a.agent_task", False)],
)
def test_a_run_that_goes_on_from_a_ledger_is_known_by_its_flow(entrypoint, orchestrates):
    job = FlowRunJob("x", None, entrypoint, pulls=(), configuration=GenesisJobConfiguration())
    assert job.orchestrates is orchestrates


def held(state, second):
    state.timestamp = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
    return FlowRun(id=uuid4(), flow_id=uuid4(), name="x", state=state)


@pytest.mark.parametrize(
    ("limit", "others", "kept"),
    [
        (None, [Running()] * 9, True),
        (2, [Running()], True),
        (1, [Running()], False),
        (1, [Pending(message="claimed by w0")], False),
        (1, [Pending(message="claimed by w9")], True),
        (2, [Running(), Pending(message="claimed by w9")], True),
        (2, [Running(), Running(), Pending(message="claimed by w9")], False),
        (1, [Pending(message="by a stock worker")], False),
    ],
)
async def test_the_latest_claims_over_the_limit_are_given_back(made, limit, others, kept):
    """The others' claims are older or younger than ours, as their workers' names say."""
    pool = WorkPool(id=uuid4(), name="a", type="genesis", concurrency_limit=limit)
    assert await made.claims.claim(made.run)
    made.run.state.timestamp = datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    older = [held(state.model_copy(), 9 if (state.message or "").endswith("w9") else 1) for state in others]
    made.client.held = [*older, made.run]
    assert await made.claims.keep_if_free(made.run, pool) is kept
    assert made.run.state.is_scheduled() is not kept
    assert [state.is_scheduled() for state in made.client.set] == [False] + [True] * (not kept)
