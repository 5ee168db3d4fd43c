from types import SimpleNamespace
from uuid import UUID

import httpx
import pytest
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound

from genesis.dispatch.pools import AgentPools
from genesis.model import Resources
from genesis.prefect_api.client import ApiUnavailable

ID = UUID(int=1)
GONE = ObjectNotFound(None)


@pytest.fixture
def pools(line, said, api):
    api.answers(
        "read_deployment_by_name",
        lambda _name: SimpleNamespace(id=ID, work_pool_name="agent-qa", work_queue_name="default", work_queue_id=ID),
    )
    pool(api)
    queue(api, paused=False)
    api.answers("read_workers_for_work_pool", [SimpleNamespace(status=WorkerStatus.ONLINE)])
    return AgentPools(line, said.append)


def pool(api, **more):
    fields = {"name": "agent-qa", "is_paused": False, "concurrency_limit": None, "type": "genesis", **more}
    api.answers("read_work_pool", lambda _name: SimpleNamespace(**fields))


def queue(api, *, paused):
    api.answers("read_work_queue_by_name", lambda *_: SimpleNamespace(is_paused=paused))


async def test_a_deployment_is_read_once_and_again_when_it_is_forgotten(pools, api):
    assert await pools.deployment("agent-qa") == await pools.deployment("agent-qa") == ID
    assert api.asked == [("read_deployment_by_name", ("agent_task/qa",), {})]
    pools.forget("agent-qa")
    api.answers("read_deployment_by_name", GONE)
    assert await pools.deployment("agent-qa") is None


async def test_a_pool_with_a_worker_has_no_trouble(pools, said):
    assert await pools.trouble("agent-qa") is None
    assert said == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda api: api.answers("read_deployment_by_name", GONE), ["agent_task/qa", "prefect deploy --all"]),
        (lambda api: api.answers("read_work_pool", GONE), ["agent-qa", "genesis pools sync"]),
        (lambda api: pool(api, is_paused=True), ["paused", "prefect work-pool resume agent-qa"]),
        (lambda api: pool(api, concurrency_limit=0), ["limit of 0", "genesis pools sync"]),
        (lambda api: queue(api, paused=True), ["'default'", "prefect work-queue resume default -p agent-qa"]),
        (lambda api: api.answers("read_workers_for_work_pool", []), ["no worker", "genesis worker --agents qa"]),
        (
            lambda api: api.answers("read_workers_for_work_pool", [SimpleNamespace(status=WorkerStatus.OFFLINE)]),
            ["no worker"],
        ),
        (
            lambda api: api.answers(
                "read_deployment_by_name",
                lambda _: SimpleNamespace(id=ID, work_pool_name=None, work_queue_name=None, work_queue_id=None),
            ),
            ["has no work pool", "prefect deploy --all"],
        ),
    ],
)
async def test_trouble_is_said_once_with_what_to_run(pools, api, said, change, words):
    change(api)
    found = await pools.trouble("agent-qa")
    assert await pools.trouble("agent-qa") == found
    assert said == [found]
    assert all(word in found for word in words)


async def test_the_end_of_a_trouble_is_said(pools, api, said):
    api.answers("read_workers_for_work_pool", [])
    await pools.trouble("agent-qa")
    api.answers("read_workers_for_work_pool", [SimpleNamespace(status=WorkerStatus.ONLINE)])
    assert await pools.trouble("agent-qa") is None
    assert said[1:] == ["pool 'agent-qa' works now"]


async def test_a_queue_that_cannot_be_found_and_a_pool_without_workers_are_no_trouble(pools, api):
    api.answers("read_work_queue_by_name", GONE)
    pool(api, type="cloud-run:push")
    api.answers("read_workers_for_work_pool", [])
    assert await pools.trouble("agent-qa") is None


async def test_an_api_that_is_away_says_nothing_of_pools(pools, api, said):
    api.answers("read_work_pool", httpx.ConnectError("x"))
    with pytest.raises(ApiUnavailable):
        await pools.trouble("agent-qa")
    assert said == []


async def test_a_leaf_gets_the_job_variables_that_its_pool_has_and_what_it_lacks_is_said_once(pools, api, said):
    pool(api, base_job_template={"variables": {"properties": {"mem_limit": {}}}})
    for _ in range(2):
        found = await pools.find_job_variables("agent-qa", Resources(cpu=2, memory="256Mi"))
        assert found == {"mem_limit": "536870912b"}
    assert said == ["pool 'agent-qa' has no job variable for cpu: its workers are not told what tasks need of it"]
    assert [name for name, *_ in api.asked] == ["read_deployment_by_name", "read_work_pool"]


async def test_a_leaf_without_needs_asks_nothing_of_its_pool(pools, api):
    assert await pools.find_job_variables("agent-qa", None) == {}
    assert await pools.find_job_variables("agent-qa", Resources(tags=["x"])) == {}
    assert api.asked == []


async def test_a_pool_that_is_gone_has_no_job_variables(pools, api):
    api.answers("read_work_pool", GONE)
    assert await pools.find_job_variables("agent-qa", Resources(memory=1)) == {}


@pytest.mark.parametrize(
    ("variables", "trouble"),
    [
        ({"image": {"type": "string"}}, None),
        ({"env": {}}, "work pool 'agent-qa' of type 'genesis' runs no container images"),
    ],
)
async def test_a_pool_runs_images_if_its_jobs_have_the_variable(pools, api, variables, trouble):
    pool(api, base_job_template={"variables": {"properties": variables}})
    assert await pools.find_image_trouble("agent-qa") == trouble


async def test_a_pool_without_variables_runs_no_images_and_one_that_is_missing_is_another_trouble(pools, api):
    pool(api, base_job_template={})
    assert "runs no container images" in await pools.find_image_trouble("agent-qa")
    api.answers("read_work_pool", GONE)
    assert await pools.find_image_trouble("agent-qa") is None
