"""A plan as a Prefect deployment: what `genesis deploy` wants on a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from genesis.document import dump_yaml
from genesis.errors import UsageError
from genesis.fleet.automations import AutomationSpec
from genesis.fleet.desired import Fleet, is_unnameable
from genesis.model import Notification, Plan, PlanParameter, PlanSchedule, RoutedPlan
from genesis.model.base import Model
from genesis.model.plan_schedule import ANCHOR
from genesis.planning import plan_document
from genesis.prefect_api.names import DEPLOYMENT, FLOW_RUN, OWN_TAG, PROJECT_TAG
from genesis.structure import missing_parameters
from genesis.text import one_line

__all__ = [
    "FLOW",
    "PLAN_TAG",
    "DeploymentPlace",
    "PlanDeployment",
    "automation_of",
    "deployment_of",
    "is_webhook",
    "mark_of",
    "place_deployment",
    "prefect_schedule",
]

FLOW = "orchestrate"
"""The flow that runs plans."""
PLAN_TAG = "genesis-plan"
"""On a deployment that `genesis deploy` made, and on its flow runs."""
_MOST_BYTES = 512 * 1024
"""Prefect's default limit on the parameters of a deployment, as JSON."""
_LONGEST_TEXT = 300
"""Most characters of the description."""
_WEBHOOK = "webhook/"
"""Before the names of blocks that an automation calls; it sends through all others."""
_HIDDEN = ("request", "plan")
"""Parameters of the flow that the deployment sets, and that are no question to whoever starts it."""
_STATES: dict[str, tuple[str, ...]] = {
    "completed": ("Completed",),
    "failed": ("Failed", "TimedOut", "Crashed"),
    "cancelled": ("Cancelled",),
    "briefed": ("Briefed",),
    "late": ("Late",),
}
"""Names of the states of a flow run by what a plan calls them."""
_SUBJECT = "{{ deployment.name }}: {{ flow_run.state.name }}"
_BODY = """Flow run {{ flow_run.name }} of {{ deployment.name }} is {{ flow_run.state.name }}.
{{ flow_run.state.message or "" }}
{{ flow_run|ui_url or "" }}"""
_PAYLOAD = """{
  "deployment": {{ deployment.name|tojson }},
  "flow_run": {{ flow_run.id|string|tojson }},
  "state": {{ flow_run.state.name|tojson }},
  "url": {{ flow_run|ui_url|tojson }}
}"""


class DeploymentPlace(Model):
    """Where the deployment of a plan belongs."""

    name: str
    project: str = ""
    pool: str
    """The pool of the orchestrating flows."""
    base: str
    """Name of the project's own deployment of the flow."""

    @property
    def full_name(self) -> str:
        """`orchestrate/NAME`."""
        return f"{FLOW}/{self.name}"


class PlanDeployment(Model):
    """The deployment of a plan as it should be."""

    place: DeploymentPlace
    description: str
    parameters: dict[str, Any]
    form: dict[str, Any]
    """JSON Schema of the parameters that a person may give."""
    schedules: tuple[PlanSchedule, ...] = ()
    notify: tuple[Notification, ...] = ()
    agent_deployments: tuple[str, ...] = ()
    """Deployments that its tasks need, `agent_task/NAME`."""

    @property
    def full_name(self) -> str:
        """`orchestrate/NAME`."""
        return self.place.full_name

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the deployment and of its flow runs."""
        project = self.place.project
        return (OWN_TAG, PLAN_TAG, *((f"{PROJECT_TAG}{project}",) if project else ()))


def place_deployment(given: str | None, plan: Path, fleet: Fleet) -> DeploymentPlace:
    """Name the deployment of a plan: as given, else as its file; after the project's name if the project has one.

    Raises:
        UsageError: Prefect refuses the name, or the project has a deployment of that name.
    """
    name = (plan.stem if given is None else given).strip()
    if not name or is_unnameable(name) or "{" in name:
        raise UsageError(
            f"{name!r} cannot be the name of a deployment",
            hint="give another one with --name: without / % & < > {, and not empty",
            code="GEN-DEPLOY-NAME",
        )
    found = f"{fleet.project}-{name}" if fleet.named else name
    if found in (fleet.deployment, "default"):
        raise UsageError(
            f"{FLOW}/{found} is the deployment of the project, for any request",
            hint="give the plan's one another name with --name",
            code="GEN-DEPLOY-NAME",
        )
    return DeploymentPlace(name=found, project=fleet.project, pool=fleet.pools[0].name, base=fleet.deployment)


def deployment_of(
    routed: RoutedPlan, place: DeploymentPlace, fleet: Fleet, *, flow_schema: Mapping[str, Any]
) -> PlanDeployment:
    """Derive the deployment of a plan, which has the plan's text among its parameters.

    Args:
        routed: The plan, and which agents its tasks have.
        place: From `place_deployment`.
        fleet: The project's pools.
        flow_schema: JSON Schema of the parameters of the flow `orchestrate`.

    Raises:
        UsageError: The plan is larger than Prefect lets the parameters of a deployment be.
    """
    plan = routed.plan
    document = plan_document(plan.model_copy(update={"schedules": (), "notify": (), "report": None}), terse=True)
    parameters = {"plan": dump_yaml(document)}
    if (size := len(json.dumps(parameters).encode())) > _MOST_BYTES:
        raise UsageError(
            f"the plan has {size:,} bytes; the parameters of a deployment may have {_MOST_BYTES:,}",
            hint="move long texts of its inputs into files that the tasks read, or use for_each",
            code="GEN-DEPLOY-SIZE",
        )
    agents = {route.agent for route in routed.routes.values()}
    return PlanDeployment(
        place=place,
        description=one_line(plan.request, _LONGEST_TEXT),
        parameters=parameters,
        form=_form(plan, flow_schema),
        schedules=plan.schedules,
        notify=plan.notify,
        agent_deployments=tuple(
            f"agent_task/{pool.deployment}" for pool in fleet.agent_pools if not agents.isdisjoint(pool.agents)
        ),
    )


def _form(plan: Plan, flow_schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of the flow's parameters without those that the deployment sets, and with the plan's own.

    Parameters of the plan files that it uses, which have a path for a name, have their values in the plan.
    """
    properties = {name: each for name, each in flow_schema["properties"].items() if name not in _HIDDEN}
    own = {name: each for name, each in plan.params.items() if "/" not in name}
    required = missing_parameters(plan)
    properties["params"] = {
        "title": "params",
        "type": "object",
        "description": properties["params"].get("description", ""),
        "position": properties["params"].get("position", 0),
        "properties": {name: _property(each, at) for at, (name, each) in enumerate(own.items())},
        "required": required,
        "additionalProperties": False,
    }
    return {**flow_schema, "properties": properties, "required": ["params"] if required else []}


def _property(parameter: PlanParameter, position: int) -> dict[str, Any]:
    default = parameter.default if parameter.value is None else parameter.value
    found = {
        "type": parameter.type,
        "description": parameter.description or None,
        "enum": list(parameter.enum) or None,
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
        "default": default,
    }
    return {"position": position, **{key: value for key, value in found.items() if value is not None}}


def prefect_schedule(schedule: PlanSchedule) -> dict[str, Any]:
    """Return a schedule in the words of Prefect's API."""
    if schedule.cron is not None:
        return {"cron": schedule.cron, "timezone": schedule.timezone}
    if schedule.rrule is not None:
        is_anchored = "DTSTART" in schedule.rrule
        rule = schedule.rrule if is_anchored else f"{ANCHOR:DTSTART:%Y%m%dT%H%M%S}\n{schedule.rrule}"
        return {"rrule": rule, "timezone": schedule.timezone}
    anchor = schedule.anchor or ANCHOR
    if anchor.tzinfo is None:
        anchor = anchor.replace(tzinfo=ZoneInfo(schedule.timezone))
    return {
        "interval": schedule.interval_s,
        "anchor_date": anchor.astimezone(UTC).isoformat(),
        "timezone": schedule.timezone,
    }


def automation_of(
    deployment: PlanDeployment, deployment_id: str, notification: Notification, block_id: str
) -> AutomationSpec:
    """Return the automation that sends a notification.

    Args:
        deployment: The plan's deployment.
        deployment_id: Its id on the server.
        notification: What is reported, and through which block.
        block_id: The block's id on the server.
    """
    action: dict[str, Any] = {"block_document_id": block_id}
    if is_webhook(notification):
        action |= {"type": "call-webhook", "payload": _PAYLOAD}
    else:
        action |= {"type": "send-notification", "subject": _SUBJECT, "body": _BODY}
    states = [state for each in dict.fromkeys(notification.on) for state in _STATES[each]]
    return AutomationSpec(
        name=f"genesis: notify {notification.through} of {deployment.full_name}",
        description=f"{', '.join(dict.fromkeys(notification.on))} runs {mark_of(deployment.place)}",
        trigger={
            "type": "event",
            "posture": "Reactive",
            "match": {"prefect.resource.id": f"{FLOW_RUN}*"},
            "match_related": {
                "prefect.resource.id": f"{DEPLOYMENT}{deployment_id}",
                "prefect.resource.role": "deployment",
            },
            "for_each": ["prefect.resource.id"],
            "after": [],
            "expect": sorted(f"{FLOW_RUN}{state}" for state in states),
            "threshold": 1,
            "within": 0,
        },
        actions=(action,),
    )


def mark_of(place: DeploymentPlace) -> str:
    """Return the end of the descriptions of a deployment's automations: only these are changed and removed."""
    return f"(kept by genesis deploy for {place.full_name})"


def is_webhook(notification: Notification) -> bool:
    """Whether a notification goes through a block that is called, and not through one that sends messages."""
    return notification.through.startswith(_WEBHOOK)
