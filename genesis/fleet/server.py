"""Look at a Prefect server and change it: pools, automations, and the deployments of agents that are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    DeploymentScheduleUpdate,
    DeploymentUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType, WorkPoolStatus
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from genesis.fleet.desired import Fleet
from genesis.fleet.diff import Change, SeenAutomation, SeenPool, SeenServer
from genesis.prefect_api.client import PrefectClient, get_client
from genesis.prefect_api.errors import service_errors
from genesis.prefect_api.limits import PAGE

__all__ = [
    "change_server",
    "connect_client",
    "look_at_server",
    "parse_automation",
    "read_fleet_deployments",
    "read_pages",
]

_FLOWS = ("orchestrate", "preflight", "agent_task", "housekeeping")
_UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
_OWN_KEYS = frozenset(
    {"id", "name", "enabled", "description", "trigger", "actions", "created", "updated", "owner_resource"}
)
_SETS = ("after", "expect", "for_each")

_T = TypeVar("_T")


async def look_at_server(fleet: Fleet) -> SeenServer:
    """Read what concerns a fleet.

    Raises:
        ServiceError: The server cannot be reached, or refuses the key.
    """
    async with connect_client() as client:
        pools = [
            SeenPool(
                name=pool.name,
                type=pool.type,
                description=pool.description,
                concurrency_limit=pool.concurrency_limit,
                is_paused=bool(pool.is_paused),
                has_workers=pool.status != WorkPoolStatus.NOT_READY,
                template=pool.base_job_template,
            )
            for pool in await read_pages(lambda at: client.read_work_pools(limit=PAGE, offset=at))
        ]
        found = await read_pages(lambda at: client.read_automations(limit=PAGE, offset=at))
        automations = [parse_automation(automation.model_dump(mode="json")) for automation in found]
        wanted = {pool.name for pool in fleet.pools}
        gone = [pool.name for pool in pools if pool.owner == fleet.project and pool.name not in wanted]
        deployments = await read_fleet_deployments(client)
        return SeenServer(
            pools=tuple(pools),
            automations=tuple(automations),
            deployments=tuple(sorted(deployments)),
            deployed_on={name: pool for name, pool in deployments.items() if pool is not None},
            busy={name: await _count_unfinished(client, name) for name in gone},
        )


async def change_server(changes: Iterable[Change]) -> None:
    """Make changes, in their order. What another made or removed meanwhile is no error.

    Raises:
        ServiceError: The server cannot be reached, or refuses the key or a change. What was done before stays, and the
            next call does the rest.
    """
    async with connect_client() as client:
        for change in changes:
            try:
                await _make(client, change)
            except (ObjectAlreadyExists, ObjectNotFound):
                continue


async def _make(client: PrefectClient, change: Change) -> None:
    if change.kind == "automation":
        await _make_automation(client, change)
    elif change.kind == "deployment":
        await _make_deployment(client, change)
    elif change.kind == "schedule":
        await _make_schedule(client, change)
    elif change.action == "create":
        await client.create_work_pool(WorkPoolCreate(name=change.name, **change.values))
    elif change.action == "update":
        await client.update_work_pool(change.name, WorkPoolUpdate(**change.values))
    else:
        await client.delete_work_pool(change.name)


async def _make_automation(client: PrefectClient, change: Change) -> None:
    if change.action == "delete":
        await client.delete_automation(_id_of(change))
        return
    automation = AutomationCore.model_validate(change.values)
    if change.action == "create":
        await client.create_automation(automation)
    else:
        await client.update_automation(_id_of(change), automation)


async def _make_deployment(client: PrefectClient, change: Change) -> None:
    flow, _, name = change.name.partition("/")
    if change.action == "create":
        await client.create_deployment(await client.create_flow_from_name(flow), name, **change.values)
    elif change.action == "update":
        await client.update_deployment(_id_of(change), DeploymentUpdate(**change.values))
    else:
        deployment = await client.read_deployment_by_name(change.name)
        await client.delete_deployment(deployment.id)


async def _make_schedule(client: PrefectClient, change: Change) -> None:
    deployment = UUID(change.deployment)
    if change.action == "create":
        await client.create_deployment_schedules(deployment, [DeploymentScheduleCreate(**change.values)])
    elif change.action == "update":
        update = DeploymentScheduleUpdate(**change.values)
        await client.update_deployment_schedule(
            deployment, _id_of(change), active=update.active, schedule=update.schedule, parameters=update.parameters
        )
    else:
        await client.delete_deployment_schedule(deployment, _id_of(change))


def _id_of(change: Change) -> UUID:
    return UUID(change.id)


@asynccontextmanager
async def connect_client() -> AsyncIterator[PrefectClient]:
    """Connect to the API that Prefect is configured for; its errors are ours.

    Raises:
        ServiceError: It cannot be reached, is of another version, or refuses the key or a call.
    """
    with service_errors():
        async with get_client() as client:
            yield client


async def read_pages(read: Callable[[int], Awaitable[list[_T]]]) -> list[_T]:
    """Read all pages; `read` takes the offset of a page."""
    found: list[_T] = []
    while True:
        page = await read(len(found))
        found += page
        if len(page) < PAGE:
            return found


async def read_fleet_deployments(client: PrefectClient) -> dict[str, str | None]:
    """Name all deployments of the fleet's flows, and their pools."""
    wanted = FlowFilter(name=FlowFilterName(any_=list(_FLOWS)))
    flows = {flow.id: flow.name for flow in await client.read_flows(flow_filter=wanted)}
    found = await read_pages(lambda at: client.read_deployments(flow_filter=wanted, limit=PAGE, offset=at))
    return {f"{flows.get(each.flow_id, '')}/{each.name}": each.work_pool_name for each in found}


async def _count_unfinished(client: PrefectClient, pool: str) -> int:
    return await client.count_flow_runs(
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))),
    )


def parse_automation(automation: dict[str, Any]) -> SeenAutomation:
    """Take an automation over, its sets in order."""
    trigger = {key: sorted(value) if key in _SETS else value for key, value in automation["trigger"].items()}
    return SeenAutomation(
        id=automation["id"],
        name=automation["name"],
        enabled=automation["enabled"],
        description=automation["description"],
        trigger=trigger,
        actions=tuple(automation["actions"]),
        more={key: value for key, value in automation.items() if key not in _OWN_KEYS},
    )
