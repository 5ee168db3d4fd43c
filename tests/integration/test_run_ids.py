"""The runs of a scheduler's batch, on a real Prefect server."""

from datetime import timedelta
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.schedules import IntervalSchedule

from genesis.flows.deployed_run import run_id_of

pytestmark = pytest.mark.server


@flow(name="orchestrate")
def _orchestrate() -> None: ...


async def test_flow_runs_that_the_scheduler_makes_at_once_have_run_ids_of_their_own(prefect_api):
    every_hour = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(hours=1)), active=True)
    async with get_client() as client:
        deployment = await client.create_deployment(
            await client.create_flow(_orchestrate), f"hourly-{uuid4().hex[:6]}", schedules=[every_hour]
        )
        chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
        await client.request("POST", f"/deployments/{deployment}/schedule", json={"min_runs": 20})
        batch = await client.read_flow_runs(deployment_filter=chosen)
        await client.delete_deployment(deployment)
    assert len({flow_run.id.hex[:12] for flow_run in batch}) < len(batch)  # or it would show nothing
    assert len({run_id_of(flow_run) for flow_run in batch}) == len(batch)
