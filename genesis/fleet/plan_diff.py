"""Compare the deployment of a plan with what a Prefect server has. Nothing here asks the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from genesis.document import close_matches
from genesis.errors import RunError
from genesis.fleet.diff import Change, Difference, Field, SeenAutomation, compare_automation
from genesis.fleet.entries import name_entrypoint
from genesis.fleet.plan_deployment import (
    FLOW,
    PLAN_TAG,
    DeploymentPlace,
    PlanDeployment,
    automation_of,
    is_webhook,
    mark_of,
    prefect_schedule,
)
from genesis.model import Notification
from genesis.model.base import Model
from genesis.prefect_api.names import PROJECT_TAG

__all__ = ["SeenBlock", "SeenDeployment", "SeenPlanServer", "SeenSchedule", "compare_plan"]

_SLUG = "plan-"
"""Before the name of a schedule: the slugs of other schedules are somebody else's."""
_FLEET_COMMANDS = "genesis init, then prefect deploy --all"
_SHOWN = 5
"""Names in a sentence."""


class SeenSchedule(Model):
    """A schedule as the server has it."""

    id: str
    slug: str | None = None
    values: dict[str, Any]
    """`schedule` as `prefect_schedule` returns it, `active` and `parameters`."""


class SeenDeployment(Model):
    """A deployment as the server has it."""

    id: str
    values: dict[str, Any]
    """Its fields, in the words of Prefect's API."""
    schedules: tuple[SeenSchedule, ...] = ()


class SeenBlock(Model):
    """A block as the server has it."""

    id: str
    capabilities: tuple[str, ...] = ()


class SeenPlanServer(Model):
    """What a server has of a plan's deployment, and of what it stands on."""

    deployment: SeenDeployment | None = None
    base: SeenDeployment | None = None
    """The project's deployment of the same flow, whose code and pool the plan's one has, too."""
    pools: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    """`flow/name` of every deployment of the fleet's flows."""
    automations: tuple[SeenAutomation, ...] = ()
    blocks: Mapping[str, SeenBlock] = {}
    """By `TYPE/NAME`: those that the plan names, where they are there."""
    sending_blocks: tuple[str, ...] = ()
    """`TYPE/NAME` of all blocks that could send a notification."""


def compare_plan(place: DeploymentPlace, wanted: PlanDeployment | None, seen: SeenPlanServer) -> Difference:
    """Find what has to change so that a plan is deployed as wanted, or not at all.

    A deployment that does not exist yet has no id, so its automations and schedules are compared again once it has.

    Args:
        place: Where the deployment belongs.
        wanted: None to remove it.
        seen: What the server has.

    Raises:
        RunError: The name belongs to somebody else's deployment, the pool is missing, or a block cannot be used.
    """
    found = seen.deployment
    _refuse_foreign(place, found)
    own = [each for each in seen.automations if each.description.endswith(mark_of(place))]
    if wanted is None:
        gone = [Change(action="delete", kind="automation", name=each.name, id=each.id) for each in own]
        kept = [Change(action="delete", kind="deployment", name=place.full_name, id=found.id)] if found else []
        return Difference(changes=(*kept, *gone))
    _refuse_unusable_fleet(place, seen)
    notes: list[str] = []
    change = _compare_deployment(wanted, found, seen.base, notes)
    changes = [
        *([change] if change else []),
        *_compare_automations(wanted, found.id if found else "", own, seen, notes),
        *_compare_schedules(wanted, found),
    ]
    return Difference(changes=tuple(changes), notes=(*notes, *_still_to_do(wanted, seen)))


def _refuse_foreign(place: DeploymentPlace, found: SeenDeployment | None) -> None:
    if found is None:
        return
    tags = found.values["tags"]
    owner = _read_project(tags)
    if PLAN_TAG in tags and owner in (None, place.project):
        return
    whose = f"belongs to the project {owner!r}" if PLAN_TAG in tags else "was not made by genesis deploy"
    raise RunError(
        f"the deployment '{place.full_name}' {whose}, and is not changed",
        hint="give this plan's one another name with --name",
        code="GEN-DEPLOY-CLASH",
    )


def _refuse_unusable_fleet(place: DeploymentPlace, seen: SeenPlanServer) -> None:
    owner = _read_project(seen.base.values["tags"]) if seen.base else None
    if owner is not None and place.project not in ("", owner):
        raise RunError(
            f"the deployment '{FLOW}/{place.base}' belongs to the project {owner!r}; this is {place.project!r}",
            hint="to give deployments the name of this one: genesis init --project NAME",
            code="GEN-DEPLOY-CLASH",
        )
    if seen.base is None and place.pool not in seen.pools:
        raise RunError(
            f"the server has no work pool {place.pool!r}, where deployed plans run",
            hint="create the fleet's pools first: genesis pools sync",
            code="GEN-DEPLOY-POOL",
        )


def _read_project(tags: Iterable[str]) -> str | None:
    return next((tag.removeprefix(PROJECT_TAG) for tag in tags if tag.startswith(PROJECT_TAG)), None)


def _compare_automations(
    wanted: PlanDeployment, deployment_id: str, own: list[SeenAutomation], seen: SeenPlanServer, notes: list[str]
) -> Iterator[Change]:
    named = {each.name: each for each in own}
    for notification in wanted.notify:
        spec = automation_of(wanted, deployment_id, notification, _usable_block(notification, seen).id)
        change = compare_automation(spec, named.pop(spec.name, None), notes)
        if change is not None:
            yield change
    for each in named.values():
        yield Change(action="delete", kind="automation", name=each.name, id=each.id)


def _usable_block(notification: Notification, seen: SeenPlanServer) -> SeenBlock:
    through = notification.through
    block = seen.blocks.get(through)
    if block is None:
        raise RunError(
            f"`notify` goes through {through!r}, a block that the server does not have",
            hint=close_matches(through, seen.sending_blocks) or _list_blocks(seen),
            code="GEN-DEPLOY-BLOCK",
        )
    if not is_webhook(notification) and "notify" not in block.capabilities:
        raise RunError(
            f"`notify` goes through {through!r}, which is no notification block and no webhook",
            hint=_list_blocks(seen),
            code="GEN-DEPLOY-BLOCK",
        )
    return block


def _list_blocks(seen: SeenPlanServer) -> str:
    known = ", ".join(seen.sending_blocks[:_SHOWN]) or "none"
    return f"create one in the UI under Blocks; the server's: {known}"


def _compare_deployment(
    wanted: PlanDeployment, found: SeenDeployment | None, base: SeenDeployment | None, notes: list[str]
) -> Change | None:
    """Compare the deployment without its schedules; what a team has set besides is kept, such as further tags."""
    like = base.values if base else {}
    kept = {
        "description": wanted.description,
        "entrypoint": like.get("entrypoint") or name_entrypoint(FLOW),
        "path": like.get("path"),
        "pull_steps": like.get("pull_steps"),
        "work_pool_name": like.get("work_pool_name") or wanted.place.pool,
        "enforce_parameter_schema": True,
        "parameter_openapi_schema": wanted.form,
    }
    if found is None:
        first = {"work_queue_name": like.get("work_queue_name"), "job_variables": like.get("job_variables") or {}}
        values = {**kept, **first, "parameters": wanted.parameters, "tags": list(wanted.tags)}
        return Change(action="create", kind="deployment", name=wanted.full_name, values=values)
    if found.values["paused"]:
        notes.append(f"the deployment '{wanted.full_name}' is paused, and stays so: its schedules start nothing")
    own = found.values["parameters"]
    kept["parameters"] = {key: own[key] for key in own if key != "params"} | wanted.parameters
    kept["tags"] = [*found.values["tags"], *(tag for tag in wanted.tags if tag not in found.values["tags"])]
    values = {key: value for key, value in kept.items() if found.values[key] != value}
    fields = tuple(_field(key, found.values[key], value) for key, value in values.items())
    if not values:
        return None
    return Change(action="update", kind="deployment", name=wanted.full_name, fields=fields, values=values, id=found.id)


def _field(name: str, before: Any, after: Any) -> Field:
    """Describe a change; what is long, by its size."""
    is_long = name in ("parameters", "parameter_openapi_schema")
    return Field(name=name, before="of another version" if is_long else before, after="changed" if is_long else after)


def _compare_schedules(wanted: PlanDeployment, found: SeenDeployment | None) -> Iterator[Change]:
    seen = {each.slug: each for each in found.schedules} if found else {}
    deployment = found.id if found else None
    for schedule in wanted.schedules:
        slug = f"{_SLUG}{schedule.name}"
        name = f"{schedule.name} of {wanted.full_name}"
        parameters = {"params": dict(schedule.params)} if schedule.params else {}
        values: dict[str, Any] = {
            "schedule": prefect_schedule(schedule),
            "active": schedule.active,
            "parameters": parameters,
        }
        there = seen.pop(slug, None)
        if there is None:
            fields = tuple(Field(name=key, after=value) for key, value in values["schedule"].items())
            values["slug"] = slug
            yield Change(
                action="create", kind="schedule", name=name, values=values, fields=fields, deployment=deployment
            )
        elif fields := tuple(
            Field(name=key, before=there.values[key], after=value)
            for key, value in values.items()
            if there.values[key] != value
        ):
            yield Change(
                action="update",
                kind="schedule",
                name=name,
                values=values,
                fields=fields,
                id=there.id,
                deployment=deployment,
            )
    for slug in sorted(slug for slug in seen if slug is not None and slug.startswith(_SLUG)):
        name = f"{slug.removeprefix(_SLUG)} of {wanted.full_name}"
        yield Change(action="delete", kind="schedule", name=name, id=seen[slug].id, deployment=deployment)


def _still_to_do(wanted: PlanDeployment, seen: SeenPlanServer) -> Iterator[str]:
    if seen.base is None:
        base = f"{FLOW}/{wanted.place.base}"
        yield f"missing deployment {base}, whose code this one is to have; to create it: {_FLEET_COMMANDS}"
    missing = [name for name in wanted.agent_deployments if name not in seen.deployments]
    if missing:
        shown = ", ".join(missing[:_SHOWN])
        yield f"missing deployments of its agents: {shown}; to create them: {_FLEET_COMMANDS}"
