"""`genesis worker`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genesis.cli.logs import write_logs
from genesis.cli.options import debug_option, load_settings, project_option, use_project_here
from genesis.cli.output import notes, print_notice, show_warnings
from genesis.cli.prefect import before_prefect
from genesis.errors import UsageError

if TYPE_CHECKING:
    from genesis.model import Registry
    from genesis.settings import Settings

__all__ = ["worker"]

_LOOPBACK = "127.0.0.1"


@click.command(epilog="Example: genesis worker --all --health-port 8080")
@click.option("--all", "everything", is_flag=True, help="Serve the orchestrator pool and every agent's pool.")
@click.option("--agents", default=None, metavar="A,B", help="Serve the pools of these agents; `all` for every agent.")
@click.option("--pool", "pools", multiple=True, metavar="NAME", help="Serve this pool; may be repeated.")
@click.option(
    "--agents-file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Agents file (default: GENESIS_AGENTS, that of the project, or those of the installed fleets).",
)
@project_option
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=None,
    help="Maximum number of flow runs at once (default 16 in processes, 200 that share one).",
)
@click.option("--name", default=None, help="Name of the worker (default: host, process and a random part).")
@click.option(
    "--health-port",
    type=click.IntRange(0, 65_535),
    default=None,
    metavar="PORT",
    help="Serve /health and /metrics on this port; 0 picks a free one.",
)
@click.option("--health-host", default=_LOOPBACK, metavar="HOST", help="Address to serve them on (default 127.0.0.1).")
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=60.0,
    metavar="SECONDS",
    help="Seconds that flow runs may continue after SIGTERM or the first Ctrl-C (default 60).",
)
@debug_option
def worker(
    everything: bool,
    agents: str | None,
    pools: tuple[str, ...],
    agents_file: Path | None,
    limit: int | None,
    name: str | None,
    health_port: int | None,
    health_host: str,
    grace: float,
) -> int:
    """Serve work pools of type `genesis` from one process, in warm children.

    SIGTERM or Ctrl-C lets flow runs finish; a second one ends them immediately.
    """
    settings = use_project_here(load_settings(), agents_file)
    settings = settings.model_copy(update={"agents": agents_file or settings.agents})
    click.get_current_context().with_resource(write_logs(settings, "worker"))
    registry = _registry(settings)
    served = _select_pools(registry, everything=everything, agents=agents, pools=pools)
    before_prefect()
    from genesis.flows.connection import connect
    from genesis.observability.metrics import metrics_of_process
    from genesis.observability.tracing import tracing_of_process
    from genesis.server import ensure_api, revive
    from genesis.workers import ServiceOptions, serve
    from genesis.workers.options import default_name

    with show_warnings(print_notice):
        api = ensure_api(settings)

    async def restart_server() -> bool:
        return await asyncio.to_thread(revive, settings, api.api_url)

    options = ServiceOptions(
        pools=served,
        name=name or default_name(),
        limit=limit,
        settings=settings.pools,
        accepts=settings.worker,
        environment=_registry_variables(settings),
        home=settings.home,
        resilience=settings.resilience,
        health=None if health_port is None else (health_host, health_port),
        preload=_code(registry),
        grace_s=grace,
        restart_server=restart_server,
    )
    metrics_of_process().most_series = settings.observability.most_series
    tracing_of_process().start(settings.observability, role="worker")
    try:
        with connect(api):
            asyncio.run(serve(options, notify=_notify))
    finally:
        tracing_of_process().stop()
    return 0


def _registry(settings: Settings) -> Registry:
    from genesis.routing import load_registry

    return load_registry(settings.agents, limits=settings.limits)


def _registry_variables(settings: Settings) -> dict[str, str]:
    """Return the variables by which what the worker starts has the agents and playbooks that it was started with."""
    named = {"GENESIS_AGENTS": settings.agents, "GENESIS_PLAYBOOKS": settings.playbooks}
    return {name: str(path.absolute()) for name, path in named.items() if path is not None}


def _select_pools(registry: Registry, *, everything: bool, agents: str | None, pools: Sequence[str]) -> list[str]:
    """Return the pools to serve, without duplicates."""
    known = {agent.name: agent.pool_name for agent in registry.agents}
    from genesis.model.agent import orchestrator_pool

    chosen = [orchestrator_pool(registry.project), *known.values()] if everything else []
    for word in (agents or "").split(","):
        wanted = word.strip()
        if not wanted:
            continue
        if wanted == "all" and wanted not in known:
            chosen += known.values()
            continue
        name = wanted if wanted in known else f"{wanted}_agent"
        if name not in known:
            from genesis.document import close_matches

            guess = close_matches(wanted, known) or f"known agents: {', '.join(known)}"
            raise UsageError(f"there is no agent {wanted!r}", hint=guess)
        chosen.append(known[name])
    chosen += pools
    if not chosen:
        raise UsageError("name what to serve", hint="for example: genesis worker --all")
    return list(dict.fromkeys(chosen))


def _code(registry: Registry) -> list[str]:
    """Return the modules of Genesis and of installed fleets that the registry's executors call.

    A team's modules are imported when they are used.
    """
    from genesis.agents.functions import current_module
    from genesis.fleets import DISTRIBUTION, find_fleets

    own = {"genesis", *(fleet.package for fleet in find_fleets() if fleet.distribution == DISTRIBUTION)}
    calls = []
    for agent in registry.agents:
        specs = [agent.executor, *agent.executors.values()]
        calls += [spec.call for spec in specs if spec is not None and spec.kind == "python"]
    modules = sorted({current_module(call.partition(":")[0]) for call in calls})
    return [module for module in modules if module.partition(".")[0] in own]


def _notify(text: str) -> None:
    logging.getLogger(__name__).info("%s", text, extra={"event": "worker.said"})
    notes().print(f"{datetime.now().astimezone():%H:%M:%S}  {text}", soft_wrap=True)
