"""`genesis deploy`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genesis.cli.changes import confirm_changes, describe_changes, show_changes, show_notes
from genesis.cli.options import (
    debug_option,
    is_plan_file,
    json_option,
    load_settings,
    parameters,
    params_option,
    project_agents_option,
    use_project_here,
    variables,
)
from genesis.cli.output import console, print_document, print_notice, show_warnings
from genesis.cli.prefect import before_prefect
from genesis.errors import UsageError

if TYPE_CHECKING:
    from genesis.fleet.desired import Fleet
    from genesis.fleet.diff import Difference
    from genesis.fleet.plan_deployment import DeploymentPlace, PlanDeployment
    from genesis.model import Diagnostic, Plan, Registry, Report, RoutedPlan
    from genesis.settings import Settings

__all__ = ["deploy"]

_GIVEN_LATER = "GEN-PARAM-MISSING"
"""What a plan may lack when it is deployed: whoever starts it gives the value."""
_REFUSED = "GEN-SCHEDULE-PARAM"
"""A warning of validation, since `genesis run` ignores schedules."""


@click.command(epilog="Example: genesis deploy nightly.yaml --check")
@click.argument("plan", metavar="PLAN")
@click.option("--name", default=None, metavar="NAME", help="Name of the deployment (default: that of the file).")
@params_option
@click.option("--var", "pairs", multiple=True, metavar="K=V", help="Variable for the plan; may be repeated.")
@project_agents_option
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if anything differs.")
@click.option("--delete", is_flag=True, help="Remove the deployment, its schedules and its automations.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@debug_option
def deploy(
    plan: str,
    name: str | None,
    params: tuple[str, ...],
    pairs: tuple[str, ...],
    agents: Path | None,
    check: bool,
    delete: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Make PLAN a Prefect deployment: its schedules start it, its notifications report how its runs end.

    Deploying it again changes only what differs. With --delete the file need not exist any more.
    """
    from genesis.cli.planning import load_agents, read_plan
    from genesis.fleet.desired import fleet_of
    from genesis.fleet.plan_deployment import place_deployment
    from genesis.fleet.project import project_name

    if not is_plan_file(plan):
        raise UsageError(f"{plan[:80]!r} is not a plan file", hint="first: genesis plan REQUEST -o plan.yaml")
    settings = use_project_here(load_settings(), agents)
    registry = load_agents(agents or settings.agents, settings)
    project = "" if settings.project is None else project_name(settings.project)
    fleet = fleet_of(registry, orchestrators=settings.pools.orchestrators, project=project)
    place = place_deployment(name, Path(plan), fleet)
    routed = None
    if not delete:
        given = read_plan(plan, settings, variables=variables(pairs), params=parameters(params))
        routed = _check_plan(given, registry, settings)
    before_prefect()
    from genesis.flows.connection import connect
    from genesis.server import ensure_api

    with show_warnings(print_notice):
        api = ensure_api(settings)
    with connect(api):
        wanted = None if routed is None else _deployment_of(routed, place, fleet)
        found, left = asyncio.run(
            _bring_up_to_date(place, wanted, check=check, ask=not (yes or as_json), quiet=as_json)
        )
    if as_json:
        applied = found is not left
        print_document(_document(place, found, left, api.api_url, applied=applied))
    else:
        _show_end(place, found, left, delete=delete)
    return 1 if left.changes else 0


def _check_plan(plan: Plan, registry: Registry, settings: Settings) -> RoutedPlan:
    """Route the plan and check it, as it is and with the parameters of each schedule.

    Raises:
        PlanInvalidError: It has errors, or a schedule has wrong parameters.
    """
    from genesis.pipeline import prepare, refuse_invalid
    from genesis.planning import set_parameters

    prepared = prepare(plan, registry, settings=settings, keep=True)
    report = prepared.report
    refused = [each for each in report.diagnostics if _is_refused(each)]
    refuse_invalid(report.model_copy(update={"ok": not refused, "diagnostics": tuple(_as_errors(refused))}))
    for schedule in plan.schedules:
        if schedule.params:
            given = set_parameters(plan, schedule.params)
            refuse_invalid(_in_schedule(schedule.name, prepare(given, registry, settings=settings, keep=True).report))
    return prepared.routed


def _is_refused(found: Diagnostic) -> bool:
    return (found.severity == "error" and found.code != _GIVEN_LATER) or found.code == _REFUSED


def _in_schedule(name: str, report: Report) -> Report:
    """Name the schedule in each finding."""
    about = f"with the parameters of schedule {name!r}: "
    named = (each.model_copy(update={"message": f"{about}{each.message}"}) for each in report.diagnostics)
    return report.model_copy(update={"diagnostics": tuple(named)})


def _as_errors(found: list[Diagnostic]) -> Iterator[Diagnostic]:
    return (each.model_copy(update={"severity": "error"}) for each in found)


def _deployment_of(routed: RoutedPlan, place: DeploymentPlace, fleet: Fleet) -> PlanDeployment:
    from genesis.fleet.plan_deployment import deployment_of
    from genesis.flows.deployed import orchestrate

    return deployment_of(routed, place, fleet, flow_schema=orchestrate.parameters.model_dump_for_openapi())


async def _bring_up_to_date(
    place: DeploymentPlace, wanted: PlanDeployment | None, *, check: bool, ask: bool, quiet: bool
) -> tuple[Difference, Difference]:
    """Compare with the server, and make the changes unless only a check is asked for.

    Returns:
        What differed, and what differs now; the same object if nothing was changed.
    """
    from genesis.fleet.plan_server import apply_changes, check_schedules, compare_with_server

    if wanted is not None:
        await check_schedules(wanted)
    found = await compare_with_server(place, wanted)
    if not quiet:
        show_changes(found)
    if check or not found.changes or (ask and not confirm_changes(found)):
        return found, found
    return found, await apply_changes(found, place, wanted)


def _show_end(place: DeploymentPlace, found: Difference, left: Difference, *, delete: bool) -> None:
    if found is left:
        is_done = f"There is no deployment {place.full_name}." if delete else f"{place.full_name} is up to date."
        console().print(f"Nothing was changed: {len(left.changes)} differences." if left.changes else is_done)
    elif left.changes:
        console().print(f"{len(left.changes)} differences are left; run it again.")
    elif delete:
        console().print(f"{place.full_name} was removed.")
    else:
        start = f"prefect deployment run '{place.full_name}'"
        console().print(f"{place.full_name} is deployed. To start it now: {start}", soft_wrap=True)
    show_notes(left)


def _document(
    place: DeploymentPlace, found: Difference, left: Difference, api_url: str, *, applied: bool
) -> dict[str, object]:
    return {
        "deployment": place.full_name,
        "in_step": not left.changes,
        "applied": applied,
        "api_url": api_url,
        "changes": describe_changes(found),
        "notes": list(left.notes),
    }
