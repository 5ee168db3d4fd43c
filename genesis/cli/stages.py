"""`genesis route`, `genesis validate` and `genesis simulate`: one stage on a plan file."""

from __future__ import annotations

from pathlib import Path

import click

from genesis.cli.options import (
    agents_option,
    debug_option,
    json_option,
    load_settings,
    parameters,
    params_option,
    selection_options,
    selectors,
    slots_option,
)
from genesis.cli.output import console, print_document

__all__ = ["route", "simulate", "validate"]

_MOST_CHECKED = 40
"""Maximum number of tasks that `validate` shows, so that the findings stay on the screen."""

_plan_file = click.argument("plan", metavar="PLAN")


@click.command(epilog="Example: genesis route plan.yaml --json")
@_plan_file
@params_option
@agents_option
@json_option
@debug_option
def route(plan: str, params: tuple[str, ...], agents: Path | None, as_json: bool) -> int:
    """Route every task of PLAN again and print the plan with its routes."""
    from genesis.cli.planning import forecast_plan, load_agents, read_plan
    from genesis.cli.render import plan_view
    from genesis.pipeline import prepare
    from genesis.planning import plan_document

    settings = load_settings()
    given = read_plan(plan, settings, params=parameters(params))
    unrouted = given.model_copy(update={"report": None})  # the old report is about the old routes
    prepared = prepare(unrouted, load_agents(agents, settings), settings=settings)
    if as_json:
        print_document(plan_document(prepared.routed))
    else:
        console().print(plan_view(prepared.routed, prepared.report, forecast_plan(prepared, settings)))
    return 0 if all(found.agent for found in prepared.routed.routes.values()) else 1


@click.command(epilog="Example: genesis validate plan.yaml")
@_plan_file
@params_option
@agents_option
@json_option
@debug_option
def validate(plan: str, params: tuple[str, ...], agents: Path | None, as_json: bool) -> int:
    """Check PLAN: structure, agents, inputs, order, budget. Tasks without a route are routed first."""
    from genesis.agents.input_probe import InputProbe
    from genesis.cli.planning import forecast_plan, load_agents, read_plan
    from genesis.cli.render import plan_view
    from genesis.pipeline import prepare
    from genesis.planning import plan_document

    settings = load_settings()
    registry = load_agents(agents, settings)
    given = read_plan(plan, settings, params=parameters(params))
    prepared = prepare(given, registry, settings=settings, keep=True, probe=InputProbe())
    if as_json:
        print_document(plan_document(prepared.routed, prepared.report))
    else:
        known = forecast_plan(prepared, settings)
        console().print(plan_view(prepared.routed, prepared.report, known, most=_MOST_CHECKED))
    return 0 if prepared.report.ok else 1


@click.command(epilog="Example: genesis simulate plan.yaml --slots 8")
@_plan_file
@slots_option
@params_option
@agents_option
@selection_options
@click.option("--pools", is_flag=True, help="Predict the timeline on work pools, with their overhead on this machine.")
@json_option
@debug_option
def simulate(
    plan: str,
    slots: int | None,
    params: tuple[str, ...],
    agents: Path | None,
    select: tuple[str, ...],
    except_: tuple[str, ...],
    pools: bool,
    as_json: bool,
) -> int:
    """Predict the timeline, makespan, cost and critical path of PLAN; each task lasts its estimate."""
    from genesis.agents.machine import machine_resources
    from genesis.cli.forecast import forecast_of
    from genesis.cli.planning import load_agents, pool_costs, read_plan
    from genesis.cli.render import simulation_view
    from genesis.model.run import utc_now
    from genesis.pipeline import compile_prepared, prepare
    from genesis.pipeline import simulate as predicted

    settings = load_settings(slots=slots)
    given = read_plan(plan, settings, params=parameters(params))
    registry = load_agents(agents, settings)
    prepared = prepare(given, registry, settings=settings, keep=True, selectors=selectors(select, except_))
    program = compile_prepared(prepared, settings)
    costs = pool_costs(settings) if pools else None
    machine = None if pools else machine_resources()
    result = predicted(program, slots=settings.run.slots, pools=costs, machine=machine, now=utc_now())
    if as_json:
        print_document(result.model_dump(mode="json"))
    else:
        known = forecast_of(program, settings.run.slots, pools=costs, machine=machine)
        console().print(simulation_view(result, known, settings.run.default_seconds))
    return 0
