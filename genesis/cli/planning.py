"""Turn the arguments of a command into a prepared plan: read a file or plan a request, then route and validate."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from genesis.agents.input_probe import InputProbe
from genesis.agents.machine import machine_resources
from genesis.cli.forecast import SERVER_START_UP, START_UP, Forecast, StartUp, forecast_of
from genesis.cli.options import is_plan_file
from genesis.cli.output import notes, print_notice, show_warnings
from genesis.cli.planning_progress import PlanningProgress
from genesis.errors import ResourceError, UsageError
from genesis.model import Plan, Program, Registry
from genesis.pipeline import Prepared, compile_prepared, make_plan, prepare
from genesis.planning import Selectors
from genesis.planning.overrides import Overrides
from genesis.schedule import PoolCosts
from genesis.settings import Settings

if TYPE_CHECKING:
    from genesis.routing.registry_file import LoadedRegistry

__all__ = [
    "forecast",
    "forecast_plan",
    "load_agents",
    "load_agents_with_sources",
    "pool_costs",
    "prepare_plan",
    "read_plan",
]

_NO_OVERRIDES = Overrides()
_FLEETS = "genesis.fleets"
"""The logger that warns about unusable plug-ins."""


def load_agents(path: Path | None, settings: Settings) -> Registry:
    """Load the registry named by the command line or the settings, else that of the installed fleets."""
    return load_agents_with_sources(path, settings).registry


def load_agents_with_sources(path: Path | None, settings: Settings) -> LoadedRegistry:
    """Load the registry and the source of each agent; warn on stderr about parts of a fleet that are left out."""
    from genesis.routing.registry_file import load_registry_with_sources

    with show_warnings(print_notice, of=_FLEETS):
        return load_registry_with_sources(path or settings.agents)


def read_plan(
    word: str, settings: Settings, *, variables: dict[str, str] | None = None, params: dict[str, str] | None = None
) -> Plan:
    """Read a plan file; variables and parameters of the command line replace those of the file."""
    from genesis.planning import load_plan

    return load_plan(word, limits=settings.limits, variables=variables, params=params, params_as_text=True)


def prepare_plan(
    word: str,
    settings: Settings,
    *,
    agents: Path | None,
    playbooks: Path | None,
    variables: dict[str, str],
    params: dict[str, str] | None = None,
    runs_here: bool = True,
    overrides: Overrides = _NO_OVERRIDES,
    selectors: Selectors | None = None,
) -> Prepared:
    """Turn an argument into a prepared plan.

    Args:
        word: A request, or the name of a plan file.
        settings: Limits, model and the like.
        agents: Agents file named on the command line.
        playbooks: Playbooks folder named on the command line.
        variables: Variables of the command line.
        params: Parameters of the command line, for a plan file.
        runs_here: Whether its tasks run on this machine, so that inputs such as folders are checked.
        overrides: Bounds of the command line.
        selectors: What of the plan is to stay.
    """
    probe = InputProbe() if runs_here else None
    registry = load_agents(agents, settings)
    if settings.llm.model:
        from genesis.resilience.call_retries import silence_stamina

        silence_stamina()
    if is_plan_file(word):
        given = overrides.apply(read_plan(word, settings, variables=variables, params=params))
        return prepare(given, registry, settings=settings, keep=True, probe=probe, selectors=selectors)
    if params:
        raise UsageError(
            f"--param {next(iter(params))} is for a plan file with `params`, and this is a request",
            hint="for a variable use --var",
            code="GEN-PARAM-UNKNOWN",
        )
    with show_warnings(print_notice, of=_FLEETS), PlanningProgress(notes()) as progress:
        plan = make_plan(
            word,
            registry=registry,
            settings=settings,
            variables=variables,
            playbooks=playbooks,
            on_call=progress.asking,
        )
    return prepare(overrides.apply(plan), registry, settings=settings, probe=probe, selectors=selectors)


def forecast(program: Program, settings: Settings, *, rehearse: float | None = None, pools: bool = False) -> Forecast:
    """Forecast the duration and cost of a program.

    Args:
        program: What is to run.
        settings: Slots, and where the embedded server is.
        rehearse: Scale of a rehearsal.
        pools: Whether it runs on work pools.
    """
    model, agents = settings.llm.model, program.agents
    orders = [
        leaf.index
        for leaf in program.leaves
        if rehearse is None and leaf.agent and agents[leaf.agent].executor_for(leaf.type, model=model).kind == "brief"
    ]
    return forecast_of(
        program,
        settings.run.slots,
        orders=frozenset(orders),
        rehearse=rehearse,
        start_up=_start_up(settings),
        pools=pool_costs(settings) if pools else None,
        machine=None if pools else machine_resources(),
    )


def forecast_plan(prepared: Prepared, settings: Settings) -> Forecast | None:
    """Compile a plan and forecast its run; None when it cannot run."""
    return forecast(compile_prepared(prepared, settings), settings) if prepared.report.ok else None


def pool_costs(settings: Settings) -> PoolCosts:
    """Return the overhead of work pools on this machine now."""
    costs = PoolCosts().on_busy_machine(_load())
    return replace(costs, idle_s=min(costs.idle_s, settings.pools.lane_idle_s))


def _load() -> float:
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def _start_up(settings: Settings) -> StartUp:
    """Return the start-up time on this machine."""
    from genesis.server import find_configured_api, status

    try:
        is_there = find_configured_api() is not None or status(settings, ask=False).state == "running"
    except (OSError, ResourceError):  # without a home folder there is no server, and checking a plan needs none
        is_there = False
    return (START_UP if is_there else SERVER_START_UP).on_busy_machine(_load())
