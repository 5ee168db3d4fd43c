"""Look at the deployment of a plan on a Prefect server, and bring it up to date."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound
from prefect.server.schemas import schedules as server_schedules

from genesis.errors import UsageError
from genesis.fleet.diff import Difference
from genesis.fleet.plan_deployment import FLOW, DeploymentPlace, PlanDeployment, prefect_schedule
from genesis.fleet.plan_diff import SeenBlock, SeenDeployment, SeenPlanServer, SeenSchedule, compare_plan
from genesis.fleet.server import change_server, connect_client, parse_automation, read_fleet_deployments, read_pages
from genesis.model import PlanSchedule
from genesis.prefect_api.client import PrefectClient
from genesis.prefect_api.limits import PAGE

__all__ = ["apply_changes", "check_schedules", "compare_with_server"]

_KEPT_FIELDS = (
    "description", "entrypoint", "path", "pull_steps", "work_pool_name", "work_queue_name", "job_variables",
    "enforce_parameter_schema", "parameter_openapi_schema", "parameters", "tags", "paused",
)  # fmt: skip


async def check_schedules(deployment: PlanDeployment) -> None:
    """Have Prefect read each schedule and compute its next run.

    Raises:
        UsageError: Prefect refuses one, or it has no run any more.
    """
    for schedule in deployment.schedules:
        try:
            has_next = await _has_next_run(schedule)
        except ValueError as error:
            said = " ".join(str(error).split())[:300]
            raise UsageError(
                f"schedule {schedule.name!r} cannot be used: {said}",
                hint="correct it; the guide's page on schedules has examples",
                code="GEN-SCHEDULE-INVALID",
            ) from error
        if not has_next:
            raise UsageError(
                f"schedule {schedule.name!r} never starts a run",
                hint="correct the rule, or remove the schedule from the plan",
                code="GEN-SCHEDULE-INVALID",
            )


async def _has_next_run(schedule: PlanSchedule) -> bool:
    values = prefect_schedule(schedule)
    kinds = {"cron": server_schedules.CronSchedule, "rrule": server_schedules.RRuleSchedule}
    kind = next((kinds[key] for key in kinds if key in values), server_schedules.IntervalSchedule)
    return bool(await kind(**values).get_dates(n=1))


async def compare_with_server(place: DeploymentPlace, wanted: PlanDeployment | None) -> Difference:
    """Find what differs on the server.

    Args:
        place: Where the deployment belongs.
        wanted: None to remove it.

    Raises:
        ServiceError: The server cannot be reached, is of another version, or refuses the key.
        RunError: The plan cannot be deployed there; nothing was changed.
    """
    through = [each.through for each in wanted.notify] if wanted else []
    return compare_plan(place, wanted, await _look_at_server(place, through))


async def apply_changes(found: Difference, place: DeploymentPlace, wanted: PlanDeployment | None) -> Difference:
    """Make the changes, and return what is left. A call that was interrupted is completed by the next one.

    The deployment comes first: its automations and schedules need its id. Schedules come last, so that no run starts
    before its notifications are there.

    Raises:
        ServiceError: The server cannot be reached, or refuses the key or a change.
    """
    if wanted is not None:
        await change_server(change for change in found.changes if change.kind == "deployment")
        found = await compare_with_server(place, wanted)
    await change_server(found.changes)
    return await compare_with_server(place, wanted)


async def _look_at_server(place: DeploymentPlace, through: list[str]) -> SeenPlanServer:
    async with connect_client() as client:
        pools = await read_pages(lambda at: client.read_work_pools(limit=PAGE, offset=at))
        automations = await read_pages(lambda at: client.read_automations(limit=PAGE, offset=at))
        blocks = {each: block for each in through if (block := await _read_block(client, each)) is not None}
        is_missing = len(blocks) < len(through) or not all("notify" in each.capabilities for each in blocks.values())
        return SeenPlanServer(
            deployment=await _read_deployment(client, place.name),
            base=await _read_deployment(client, place.base),
            pools=tuple(pool.name for pool in pools),
            deployments=tuple(await read_fleet_deployments(client)),
            automations=tuple(parse_automation(each.model_dump(mode="json")) for each in automations),
            blocks=blocks,
            sending_blocks=await _list_sending_blocks(client) if is_missing else (),
        )


async def _read_deployment(client: PrefectClient, name: str) -> SeenDeployment | None:
    try:
        found = await client.read_deployment_by_name(f"{FLOW}/{name}")
    except ObjectNotFound:
        return None
    return _parse_deployment(found)


def _parse_deployment(found: DeploymentResponse) -> SeenDeployment:
    values = found.model_dump(mode="json")
    return SeenDeployment(
        id=str(found.id),
        values={key: values[key] for key in _KEPT_FIELDS},
        schedules=tuple(map(_parse_schedule, found.schedules)),
    )


def _parse_schedule(found: DeploymentSchedule) -> SeenSchedule:
    """Take a schedule over, in the form of `prefect_schedule`."""
    values: dict[str, Any] = found.schedule.model_dump(mode="json")
    if values.get("day_or"):
        del values["day_or"]
    if isinstance(found.schedule, IntervalSchedule):
        values["interval"] = found.schedule.interval.total_seconds()
        values["anchor_date"] = found.schedule.anchor_date.astimezone(UTC).isoformat()
    own = {"schedule": values, "active": found.active, "parameters": found.parameters}
    return SeenSchedule(id=str(found.id), slug=found.slug, values=own)


async def _read_block(client: PrefectClient, through: str) -> SeenBlock | None:
    kind, _, name = through.partition("/")
    try:
        found = await client.read_block_document_by_name(name, kind, include_secrets=False)
    except ObjectNotFound:
        return None
    capabilities = found.block_schema.capabilities if found.block_schema else []
    return SeenBlock(id=str(found.id), capabilities=tuple(capabilities))


async def _list_sending_blocks(client: PrefectClient) -> tuple[str, ...]:
    """Name the blocks that can send a notification."""
    found = await read_pages(lambda at: client.read_block_documents(offset=at, limit=PAGE, include_secrets=False))
    return tuple(
        sorted(
            f"{each.block_type.slug}/{each.name}"
            for each in found
            if each.block_type is not None
            and each.block_schema is not None
            and (each.block_type.slug == "webhook" or "notify" in each.block_schema.capabilities)
        )
    )
