"""A fleet on a real server: pools, automations and deployments."""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.events.schemas.automations import AutomationCore
from prefect.states import State

from genesis.errors import RunError, ServiceError
from genesis.fleet.automations import takeover
from genesis.fleet.desired import Fleet, fleet_of
from genesis.fleet.diff import Change, compare
from genesis.fleet.server import change_server, look_at_server
from genesis.flows.connection import connect
from genesis.model import Registry
from genesis.routing import load_registry
from genesis.testing import an_agent
from genesis.testing.prefect import prefect_server
from genesis.workers import GenesisWorker

pytestmark = pytest.mark.server

_BASE = GenesisWorker.get_default_base_job_template()

_AGENTS = (
    "agents:\n  - {name: qa_agent, task_types: [test], max_concurrency: 3}\n  - {name: ops_agent, task_types: [x]}\n"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fleet")


@pytest.fixture(scope="module")
def api(home) -> Iterator[object]:
    """A server of its own: the automations here look at every flow run of a server."""
    with prefect_server(home) as found:
        yield found


@pytest.fixture(autouse=True)
def _on_it(api):
    with connect(api):
        yield


def a_fleet(*names: str, project: str = "", own_names: bool = True, **values) -> Fleet:
    agents = tuple(an_agent(f"{name}_agent", **values) for name in names)
    registry = Registry(agents=agents, project=project if project and own_names else None)
    return fleet_of(registry.in_project, orchestrators=5, project=project)


async def sync(fleet: Fleet, **options) -> tuple[Change, ...]:
    """Bring the server in step, and see that a second look finds nothing to do."""
    changes = compare(fleet, takeover(), await look_at_server(fleet), base=_BASE, **options).changes
    await change_server(changes)
    assert compare(fleet, takeover(), await look_at_server(fleet), base=_BASE, **options).changes == ()
    return changes


async def test_fleet_is_made_once(api):
    fleet = a_fleet("once")
    made = await sync(fleet)
    assert {"agent-once"} <= {change.name for change in made}
    async with get_client() as client:
        pool = await client.read_work_pool("agent-once")
        (queue,) = await client.read_work_queues(work_pool_name="agent-once")
    assert (pool.type, pool.concurrency_limit, pool.is_paused) == ("genesis", 10, False)
    assert queue.name == "default"


async def test_two_at_once_end_in_step():
    fleet = a_fleet("raced", "racing")
    changes = compare(fleet, (), await look_at_server(fleet), base=_BASE).changes
    await asyncio.gather(change_server(changes), change_server(changes))
    await sync(fleet)


async def test_changes_of_the_registry_arrive_and_those_of_the_team_stay():
    await sync(a_fleet("kept", executor={"kind": "llm"}))
    async with get_client() as client:
        pool = await client.read_work_pool("agent-kept")
        pool.base_job_template["variables"]["properties"]["memory_mb"]["default"] = 512
        await client.update_work_pool(
            "agent-kept", WorkPoolUpdate(is_paused=True, base_job_template=pool.base_job_template)
        )
        await client.create_work_queue("urgent", work_pool_name="agent-kept", priority=1)
        changed = a_fleet("kept", executor={"kind": "command", "argv": ["true"]}, max_concurrency=4)
        (change,) = await sync(changed)
        assert {field.name for field in change.fields} == {"isolation", "concurrency_limit"}
        pool = await client.read_work_pool("agent-kept")
        queues = await client.read_work_queues(work_pool_name="agent-kept")
    assert pool.is_paused
    assert pool.concurrency_limit == 4
    assert pool.base_job_template["variables"]["properties"]["memory_mb"]["default"] == 512
    assert {queue.name for queue in queues} == {"default", "urgent"}


async def test_pool_of_another_type_with_the_same_name_is_left_alone():
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name="agent-boxed", type="process", concurrency_limit=1))
        fleet = a_fleet("boxed")
        notes = compare(fleet, takeover(), await look_at_server(fleet), base=_BASE).notes
        await sync(fleet)
        pool = await client.read_work_pool("agent-boxed")
    assert (pool.type, pool.concurrency_limit, pool.base_job_template) == ("process", 1, {})
    assert any("'agent-boxed' is of type 'process'" in note for note in notes)


async def test_prune_removes_what_is_gone_once_its_work_is_done():
    @flow(name="agent_task")
    def agent_task() -> None: ...

    await sync(a_fleet("old", "new"))
    async with get_client() as client:
        flow_id = await client.create_flow(agent_task)
        deployment = await client.create_deployment(flow_id, "old", work_pool_name="agent-old")
        run = await client.create_flow_run_from_deployment(deployment)
        now = a_fleet("new")
        seen = await look_at_server(now)
        assert seen.busy["agent-old"] == 1
        assert not [
            change for change in compare(now, (), seen, base=_BASE, prune=True).changes if change.name == "agent-old"
        ]
        await client.set_flow_run_state(run.id, State(type=StateType.CANCELLED), force=True)
        gone = [change.name for change in await sync(now, prune=True)]
        assert {"agent_task/old", "agent-old"} <= set(gone)
        names = {pool.name for pool in await client.read_work_pools()}
    assert "agent-old" not in names
    assert "agent-new" in names


async def test_projects_on_one_server_do_not_touch_each_other():
    alpha, beta = a_fleet("left", "shared", project="alpha"), a_fleet("right", project="beta")
    await sync(alpha)
    made = await sync(beta, prune=True)
    assert {change.action for change in made if change.kind == "pool"} <= {"create", "update"}
    clashing = (an_agent("shared_agent", pool="alpha-agent-shared"),)
    with pytest.raises(RunError, match="work pool 'alpha-agent-shared' belongs to 'alpha'; this is project 'beta'"):
        await sync(fleet_of(Registry(agents=clashing), orchestrators=5, project="beta"))
    gone = await sync(a_fleet("left", project="alpha"), prune=True)
    assert [change.name for change in gone if change.action == "delete"] == ["alpha-agent-shared"]
    async with get_client() as client:
        names = {pool.name for pool in await client.read_work_pools()}
    assert {"alpha-genesis", "alpha-agent-left", "beta-genesis", "beta-agent-right"} <= names


async def test_automation_that_a_person_changed_is_set_again_and_stays_switched_off():
    fleet = a_fleet("set")
    await sync(fleet)
    async with get_client() as client:
        found = next(each for each in await client.read_automations() if "notice" in each.name)
        before = found.trigger.within
        found.trigger.within = before * 5
        values = found.model_dump(exclude={"id", "owner_resource"}) | {"enabled": False, "tags": ["ops"]}
        await client.update_automation(found.id, AutomationCore(**values))
        (change,) = await sync(fleet)
        again = await client.read_automation(found.id)
        assert (change.action, again.enabled, again.tags) == ("update", False, ["ops"])
        assert again.trigger.within == before
        await client.resume_automation(found.id)


async def test_server_that_refuses_is_an_error_that_says_so(monkeypatch):
    bad = Change(action="create", kind="pool", name="Prefect-mine", values={"type": "genesis"})
    with pytest.raises(ServiceError, match="refuses POST /api/work_pools/: 403") as caught:
        await change_server([bad])
    assert "PREFECT_API_KEY" in caught.value.hint


async def test_what_another_removed_meanwhile_is_no_error():
    await change_server([Change(action="delete", kind="pool", name="never-there")])
    await change_server([Change(action="delete", kind="deployment", name="agent_task/never-there")])


class Command:
    """Runs commands in a folder of their own, on the server of this module."""

    def __init__(self, home, folder, forking):
        self._folder = folder
        self._forking = forking
        self._environment = {**os.environ, "GENESIS_HOME": str(home), "PREFECT_HOME": str(home / "prefect")}

    def __call__(self, *words, folder=None):
        return self._forking.run(words, cwd=folder or self._folder, environment=self._environment)

    def prefect(self, *words, folder=None, **more):
        """Run Prefect's own command."""
        environment = self._environment | more
        return self._forking.run(words, cwd=folder or self._folder, environment=environment, program="prefect")

    def spawn(self, *words, folder):
        return self._forking.start(words, cwd=folder, environment=self._environment)


@pytest.fixture
def command(home, api, tmp_path, forking_process):
    return Command(home, tmp_path, forking_process)


@pytest.mark.timeout(200)
def test_from_nothing_to_deployments(command, tmp_path, api):
    (tmp_path / "mine.yaml").write_text(_AGENTS)
    assert command("init", "--agents", "mine.yaml").returncode == 0
    checked = command("pools", "sync", "--check")
    assert checked.returncode == 1, checked
    assert "+ pool agent-ops" in checked.stdout
    done = json.loads(command("pools", "sync", "--json").stdout)
    assert (done["in_step"], done["agents"]) == (True, "deployments/agents.yaml")
    assert any("missing deployments" in note for note in done["notes"])
    deployed = command.prefect("deploy", "--all", PREFECT_API_URL=api.api_url)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    again = json.loads(command("pools", "sync", "--check", "--json").stdout)
    assert (again["in_step"], again["changes"]) == (True, [])
    assert not any("missing deployments" in note for note in again["notes"])
    asyncio.run(_see_deployments())


async def _see_deployments() -> None:
    async with get_client() as client:
        whole = await client.read_deployment_by_name("orchestrate/default")
        agent = await client.read_deployment_by_name("agent_task/qa")
    assert (whole.work_pool_name, whole.enforce_parameter_schema, whole.pull_steps) == ("genesis", True, [])
    described = (whole.parameter_openapi_schema or {})["properties"]
    assert {"request", "plan", "vars", "params", "llm", "budget", "slots", "correlation_id", "tenant"} == set(described)
    assert all(found.get("description") for found in described.values())
    assert {schedule.active for schedule in whole.schedules} == {False}
    assert (agent.work_pool_name, agent.enforce_parameter_schema) == ("agent-qa", False)


@pytest.mark.timeout(400)
def test_two_projects_go_from_nothing_to_a_run_beside_each_other(command, tmp_path, api):
    """The second one's pools and deployments carry its name, and nothing of the first is touched."""
    (tmp_path / "agents.yaml").write_text(_AGENTS + "  - {name: old_agent, task_types: [y]}\n")
    plan = {"request": "Wait", "tasks": [{"id": "a", "type": "test", "agent": "qa_agent", "description": "Do nothing"}]}
    folders = [tmp_path / "one", tmp_path / "two"]
    names = []
    for folder in folders:
        assert command("init", str(folder), "--agents", "agents.yaml").returncode == 0
        synced = command("pools", "sync", "--yes", folder=folder)
        assert synced.returncode == 0, synced.stdout + synced.stderr
        deployed = command.prefect("deploy", "--all", folder=folder, PREFECT_API_URL=api.api_url)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        names.append(load_registry(folder / "deployments" / "agents.yaml").project or "default")
    assert names[1] == "two"
    assert names[0] in {"one", "default"}
    for folder, name in zip(folders, names, strict=True):
        asyncio.run(_runs_on_its_own_pool(command, folder, name, plan))
    lines = (folders[1] / "deployments" / "agents.yaml").read_text().splitlines(keepends=True)
    (folders[1] / "deployments" / "agents.yaml").write_text("".join(line for line in lines if "old_agent" not in line))
    pruned = json.loads(command("pools", "sync", "--prune", "--json", folder=folders[1]).stdout)
    assert {change["name"] for change in pruned["changes"] if change["action"] == "delete"} == {
        "two-agent-old",
        "agent_task/two-agent-old",
    }
    again = json.loads(command("pools", "sync", "--check", "--json", folder=folders[0]).stdout)
    assert (again["in_step"], again["changes"]) == (True, [])
    assert not any("missing deployments" in note for note in again["notes"])


async def _runs_on_its_own_pool(command, folder: Path, name: str, plan: dict) -> None:
    prefix = "" if name == "default" else f"{name}-"
    async with get_client() as client:
        whole = await client.read_deployment_by_name(f"orchestrate/{name}")
        assert whole.work_pool_name == f"{prefix}genesis"
        given = {"plan": plan, "correlation_id": f"of-{folder.name}"}
        flow_run = await client.create_flow_run_from_deployment(whole.id, parameters=given)
        worker = command.spawn("worker", "--all", "--grace", "0", folder=folder)
        try:
            async with asyncio.timeout(120):
                while not (await client.read_flow_run(flow_run.id)).state.is_final():
                    assert worker.poll() is None
                    await asyncio.sleep(0.5)
        finally:
            worker.terminate()
            await asyncio.to_thread(worker.communicate, 30)
            worker.close()
        done = await client.read_flow_run(flow_run.id)
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"cid:of-{folder.name}"]))
        children = await client.read_flow_runs(flow_run_filter=tagged)
    assert done.state.is_completed(), done.state
    assert {run.work_pool_name for run in children} == {f"{prefix}genesis", f"{prefix}agent-qa"}


@pytest.mark.parametrize(
    "schedule",
    [IntervalSchedule(interval=timedelta(hours=1)), CronSchedule(cron="0 * * * *", timezone="Europe/Berlin")],
    ids=["interval", "cron"],
)
async def test_a_schedule_makes_runs_of_its_deployment(schedule):
    """Prefect's scheduler fails on each deployment with SQLAlchemy 2.1, and on cron with whenever 0.10."""

    @flow(name="on-schedule")
    def on_schedule():
        pass

    hourly = DeploymentScheduleCreate(schedule=schedule, active=True)
    async with get_client() as client:
        flow_id = await client.create_flow(on_schedule)
        deployment = await client.create_deployment(flow_id, "hourly", schedules=[hourly])
        mine = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
        async with asyncio.timeout(120):
            while not await client.read_flow_runs(deployment_filter=mine):
                await asyncio.sleep(0.5)
        await client.delete_deployment(deployment)
