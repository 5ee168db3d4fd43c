"""`genesis pools`."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genesis.cli.changes import confirm_changes, describe_changes, show_changes, show_notes
from genesis.cli.options import debug_option, json_option, load_settings, project_agents_option, use_project_here
from genesis.cli.output import console, notes, print_document, print_notice, show_warnings
from genesis.cli.prefect import before_prefect

if TYPE_CHECKING:
    from genesis.fleet.desired import Fleet
    from genesis.fleet.diff import Difference
    from genesis.server import ApiEndpoint
    from genesis.settings import Settings

__all__ = ["pools"]


@click.group(epilog="Example: genesis pools sync --check")
def pools() -> None:
    """The work pools of the fleet on the Prefect server."""


@pools.command(epilog="Example: genesis pools sync --yes")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if anything differs.")
@project_agents_option
@click.option("--prune", is_flag=True, help="Delete the pools of removed agents, only those that this command created.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@debug_option
def sync(check: bool, agents: Path | None, prune: bool, yes: bool, as_json: bool) -> int:
    """Create or update the pools, limits and automations that the agents need."""
    from genesis.cli.planning import load_agents
    from genesis.fleet.desired import fleet_of
    from genesis.fleet.project import project_name

    settings = use_project_here(load_settings(), agents)
    source = agents or settings.agents
    registry = load_agents(source, settings)
    project = "" if settings.project is None else project_name(settings.project)
    fleet = fleet_of(registry, orchestrators=settings.pools.orchestrators, project=project)
    before_prefect()
    from genesis.fleet.prefect_toml import point_prefect_here
    from genesis.flows.connection import connect
    from genesis.server import ensure_api

    with show_warnings(print_notice):
        api = ensure_api(settings)
    with connect(api):
        found = asyncio.run(_compare_with_server(fleet, prune))
        wanted = bool(found.changes) and not check
        if not as_json:
            _show(found, fleet, api, source)
        if wanted and not (yes or as_json) and not confirm_changes(found):
            console().print("Nothing was changed.")
            return 1
        left = asyncio.run(_apply_changes(found, fleet, prune)) if wanted else found
    pointed = (
        api.embedded
        and not check
        and settings.project is not None
        and point_prefect_here(api.api_url, settings.project, api.password)
    )
    if as_json:
        print_document(_document(found, left, api, source, wanted))
    else:
        _show_end(found, left, wanted)
        _show_address(api, pointed, settings)
    return 1 if left.changes else 0


async def _compare_with_server(fleet: Fleet, prune: bool) -> Difference:
    from genesis.fleet.automations import takeover
    from genesis.fleet.diff import compare
    from genesis.fleet.server import look_at_server
    from genesis.workers import GenesisWorker

    base = GenesisWorker.get_default_base_job_template()
    return compare(fleet, takeover(), await look_at_server(fleet), base=base, prune=prune)


async def _apply_changes(found: Difference, fleet: Fleet, prune: bool) -> Difference:
    """Make the changes and compare again, so that the report shows the actual state."""
    from genesis.fleet.server import change_server

    await change_server(found.changes)
    return await _compare_with_server(fleet, prune)


def _show(found: Difference, fleet: Fleet, api: ApiEndpoint, source: Path | None) -> None:
    agents = source or "the agents of the installed fleets"
    console().print(f"{len(fleet.pools)} pools for {agents}, on {api.api_url}", soft_wrap=True)
    show_changes(found)


def _show_end(found: Difference, left: Difference, applied: bool) -> None:
    missing = len(left.changes)
    if not applied:
        said = "Pools, limits and automations are up to date." if not missing else f"{missing} items are out of date."
    else:
        said = f"{len(found.changes)} changes made." if not missing else f"{missing} items are still out of date."
    console().print(said)
    show_notes(left)


def _show_address(api: ApiEndpoint, pointed: bool, settings: Settings) -> None:
    """Format how Prefect's commands find this server."""
    from genesis.server.files import ServerFiles

    if pointed:
        notes().print(f"Prefect's commands in this folder use {api.api_url} (from prefect.toml).", soft_wrap=True)
    elif api.embedded:
        said = f"For Prefect's commands: export PREFECT_API_URL={api.api_url}"
        if api.password is not None:
            said += f' PREFECT_API_AUTH_STRING="$(cat {shlex.quote(str(ServerFiles(settings.home).password_file))})"'
        notes().print(said, soft_wrap=True)


def _document(
    found: Difference, left: Difference, api: ApiEndpoint, source: Path | None, applied: bool
) -> dict[str, object]:
    return {
        "in_step": not left.changes,
        "applied": applied,
        "api_url": api.api_url,
        "agents": str(source) if source else None,
        "changes": describe_changes(found),
        "notes": list(left.notes),
    }
