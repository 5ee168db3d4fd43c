"""The runs of a scheduler's batch, on a real Prefect server."""

import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.schedules import IntervalSchedule

from genesis.flows.deployed_run import ledger_of, run_id_of
from genesis.ledger import open_store
from genesis.report.history import explain_run
from genesis.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))

from worker_fleet import Fleet

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]
_LEAVES = ("one", "two", "three")


@flow(name="orchestrate")
def _orchestrate() -> None: ...


def _every_hour() -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(hours=1)), active=True)


async def test_flow_runs_that_the_scheduler_makes_at_once_have_run_ids_of_their_own(prefect_api):
    async with get_client() as client:
        deployment = await client.create_deployment(
            await client.create_flow(_orchestrate), f"hourly-{uuid4().hex[:6]}", schedules=[_every_hour()]
        )
        chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
        await client.request("POST", f"/deployments/{deployment}/schedule", json={"min_runs": 20})
        batch = await client.read_flow_runs(deployment_filter=chosen)
        await client.delete_deployment(deployment)
    assert len({flow_run.id.hex[:12] for flow_run in batch}) < len(batch)  # or it would show nothing
    assert len({run_id_of(flow_run) for flow_run in batch}) == len(batch)


async def _two_of_one_moment(client, deployment):
    """Have the server schedule the runs of the last day, all due now, and leave two that share their time."""
    now = datetime.now(UTC)
    past = {"start_time": (now - timedelta(days=1)).isoformat(), "end_time": now.isoformat(), "min_runs": 20}
    await client.request("POST", f"/deployments/{deployment}/schedule", json=past)
    chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    by_moment = defaultdict(list)
    batch = await client.read_flow_runs(deployment_filter=chosen)
    for flow_run in batch:
        if flow_run.expected_start_time <= now:
            by_moment[flow_run.id.hex[:12]].append(flow_run)
    pair = max(by_moment.values(), key=len)[:2]
    for flow_run in batch:
        if flow_run not in pair:
            await client.delete_flow_run(flow_run.id)
    assert len(pair) == 2
    return pair


async def test_two_scheduled_runs_of_one_moment_have_a_ledger_each_and_do_all_their_leaves(
    prefect_api, tmp_path, monkeypatch, warm_fork_servers
):
    agent, done = f"qa-{uuid4().hex[:6]}", tmp_path / "done"
    work = {"kind": "command", "argv": ["sh", "-c", f"echo done >> {done}"]}
    agents = tmp_path / "agents.yaml"
    agents.write_text(
        json.dumps(
            {
                "agents": [
                    {"name": agent, "task_types": ["count"], "executor": work, "sandbox": {"write": [str(tmp_path)]}}
                ]
            }
        )
    )
    monkeypatch.setenv("GENESIS_AGENTS", str(agents))
    tasks = [{"id": name, "type": "count", "description": f"Count {name}"} for name in _LEAVES]
    async with get_client() as client:
        fleet = Fleet(client, tmp_path, warm_fork_servers)
        pools = await fleet.pool(), await fleet.pool(name=f"agent-{agent}")
        await client.create_deployment(
            await client.create_flow_from_name("agent_task"),
            agent,
            work_pool_name=pools[1],
            entrypoint="genesis.flows.deployed.agent_task",
            enforce_parameter_schema=False,
        )
        deployment = await client.create_deployment(
            await client.create_flow_from_name("orchestrate"),
            "default",
            work_pool_name=pools[0],
            entrypoint="genesis.flows.deployed.orchestrate",
            parameters={"plan": {"version": 1, "request": "Count", "tasks": tasks}},
            schedules=[_every_hour()],
        )
        try:
            pair = await _two_of_one_moment(client, deployment)
            await fleet.serve(*pools)
            ended = [await fleet.reach(each, "Completed", "Failed", "Crashed", seconds=200) for each in pair]
            assert [each.state.message for each in ended] == [f"{len(_LEAVES)} tasks"] * 2
        finally:
            await fleet.close()
            await client.delete_deployment(deployment)
    ledgers = [await ledger_of(each, await open_store(), Settings()) for each in pair]
    assert [(await ledger.header()).flow_run_id for ledger in ledgers] == [str(each.id) for each in pair]
    assert ledgers[0].run_id != ledgers[1].run_id
    for ledger in ledgers:
        run = (await explain_run(ledger.run_id, Settings()))[0]
        assert run.state == "completed"
        assert {task.id: task.state for task in run.tasks} == dict.fromkeys(_LEAVES, "completed")
    assert done.read_text().split() == ["done"] * 2 * len(_LEAVES)
