import asyncio
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from genesis.dispatch.dispatcher import Dispatcher
from genesis.errors import ServiceError
from genesis.testing.plans import a_task

FLOW_RUN, SOURCE = uuid4(), uuid4()


class Known:
    """Deployments that are there, or come later."""

    def __init__(self, *found, trouble="no deployment; run: this"):
        self.found, self.told, self.forgotten = list(found), trouble, []

    async def deployment(self, _pool):
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def trouble(self, _pool):
        return self.told

    async def find_job_variables(self, _pool, resources):
        return {} if resources is None else {"memory_mb": resources.memory}

    def forget(self, pool):
        self.forgotten.append(pool)

    async def find_image_trouble(self, pool):
        return None if pool == "agent-docker" else f"{pool} runs no container images"


def refusal(code):
    request = httpx.Request("POST", "http://127.0.0.1/x")
    return httpx.HTTPStatusError("refused", request=request, response=httpx.Response(code, request=request))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("genesis.dispatch.dispatcher.DEPLOYMENT_POLL_S", 0.001)


@pytest.fixture
def dispatch(make, line, api):
    """Dispatch one leaf; the API makes whatever it is asked for."""
    api.answers("request", lambda *_, **__: None)
    api.answers("delete_task_run", lambda *_: None)
    api.answers(
        "create_flow_run_from_deployment",
        lambda _id, parent_task_run_id, **_: SimpleNamespace(
            id=uuid4(),
            parent_task_run_id=parent_task_run_id,
            state_type=StateType.SCHEDULED,
            work_queue_id=None,
        ),
    )

    async def dispatched(pools, *tasks, attempt=1, resources=None, **how):
        run = make(*(tasks or (a_task("a", resources=resources),)), **how)
        made = Dispatcher(line, pools, run.session, FLOW_RUN)
        return await made.dispatch(run.program.leaves, attempt, [SOURCE])

    return dispatched


def bodies(api, name):
    return [more for asked, _, more in api.asked if asked == name]


async def test_a_dispatch_is_a_task_run_and_a_flow_run_that_know_each_other(dispatch, api):
    child = await dispatch(Known(uuid4()))
    (task_run,), (flow_run,) = bodies(api, "request"), bodies(api, "create_flow_run_from_deployment")
    body = task_run["json"]
    assert (body["name"], body["flow_run_id"], body["state"]["type"]) == ("qa_agent · a", str(FLOW_RUN), "PENDING")
    assert body["id"] == body["dynamic_key"] == str(child.link) == str(flow_run["parent_task_run_id"])
    assert body["task_inputs"] == {"after": [{"input_type": "flow_run", "id": str(SOURCE)}]}
    assert "tags" not in body
    assert flow_run["tags"] == ["genesis", "cid:c1", "run:r1"]
    assert flow_run["idempotency_key"].startswith("r1:")
    assert (child.pool, child.state, child.inherited) == ("agent-qa", StateType.SCHEDULED, False)


async def test_the_same_dispatch_of_an_earlier_execution_is_taken_on_with_its_own_task_run(dispatch, api):
    theirs = uuid4()
    api.answers(
        "create_flow_run_from_deployment",
        lambda *_, **__: SimpleNamespace(id=uuid4(), parent_task_run_id=theirs, state_type=None, work_queue_id=None),
    )
    child = await dispatch(Known(uuid4()))
    assert (child.inherited, child.link) == (True, theirs)
    assert len(bodies(api, "delete_task_run")) == 1


async def test_a_task_run_that_is_gone_already_is_no_trouble(dispatch, api):
    api.answers("delete_task_run", ObjectNotFound(None))
    api.answers(
        "create_flow_run_from_deployment",
        lambda *_, **__: SimpleNamespace(
            id=uuid4(), parent_task_run_id=None, state_type=StateType.SCHEDULED, work_queue_id=None
        ),
    )
    assert (await dispatch(Known(uuid4()))).link is None


async def test_a_deployment_that_vanished_is_looked_for_again(dispatch, api):
    made = SimpleNamespace(id=uuid4(), parent_task_run_id=uuid4(), state_type=StateType.SCHEDULED, work_queue_id=None)
    answers = iter([refusal(404), made])
    api.answers("create_flow_run_from_deployment", lambda *_, **__: next(answers))
    pools = Known(uuid4())
    assert (await dispatch(pools)).id == made.id
    assert pools.forgotten == ["agent-qa"]


@pytest.mark.parametrize("code", [409, 422])
async def test_a_refusal_fails_and_says_what_was_said(dispatch, api, code):
    api.answers("create_flow_run_from_deployment", lambda *_, **__: refusal(code))
    with pytest.raises(ServiceError, match="refused") as caught:
        await dispatch(Known(uuid4()))
    assert caught.value.code == "GEN-DISPATCH-REFUSED"
    assert "genesis resume r1" in caught.value.hint


async def test_a_missing_deployment_is_waited_for_through_an_absence_of_the_api(dispatch):
    from genesis.prefect_api.client import ApiUnavailable

    away = ApiUnavailable(httpx.ConnectError("x"), fault=False)
    child = await dispatch(Known(None, away, None, uuid4()), no_worker="wait")
    assert child.pool == "agent-qa"


@pytest.mark.parametrize("how", [{"no_worker": "fail"}, {"no_worker": "wait", "dispatch_timeout_s": 5.0}])
async def test_a_missing_deployment_fails_at_once_or_after_the_timeout(dispatch, clock, how):
    async def later():
        await asyncio.sleep(0.02)
        clock.now += 6

    waiting = asyncio.create_task(later())
    with pytest.raises(ServiceError, match="no deployment") as caught:
        await dispatch(Known(None), **how)
    assert caught.value.hint == "run: this"
    await waiting


async def test_the_flow_run_of_a_leaf_with_needs_has_job_variables(dispatch, api):
    await dispatch(Known(uuid4()))
    await dispatch(Known(uuid4()), resources={"memory": 100})
    assert [each["job_variables"] for each in bodies(api, "create_flow_run_from_deployment")] == [
        None,
        {"memory_mb": 100},
    ]


async def test_a_leaf_with_a_pool_and_an_image_is_sent_there_and_its_flow_run_takes_no_further_leaves(dispatch, api):
    task = a_task("a", runs_in={"pool": "agent-docker", "image": "tool:1"})
    child = await dispatch(Known(uuid4()), task)
    (flow_run,) = bodies(api, "create_flow_run_from_deployment")
    assert (child.pool, child.lane) == ("agent-docker", False)
    assert flow_run["job_variables"] == {"image": "tool:1"}
    assert "lane_s" not in flow_run["parameters"]


async def test_an_image_on_a_pool_without_containers_is_refused_before_anything_is_made(dispatch, api):
    with pytest.raises(ServiceError, match="agent-qa runs no container images") as caught:
        await dispatch(Known(uuid4()), a_task("a", runs_in={"image": "tool:1"}))
    assert caught.value.code == "GEN-DISPATCH-IMAGE"
    assert bodies(api, "request") == []
