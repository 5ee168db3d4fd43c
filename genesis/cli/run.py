"""`genesis run` and `genesis resume`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from genesis.cli.bounds import bounds_options, overrides
from genesis.cli.logs import write_logs
from genesis.cli.options import (
    debug_option,
    is_plan_file,
    json_option,
    load_settings,
    parameters,
    planning_options,
    selection_options,
    selectors,
    slots_option,
    tenant_option,
    use_project_here,
    variables,
)
from genesis.cli.output import console, notes, print_document, print_notice, show_warnings
from genesis.cli.prefect import before_prefect
from genesis.cli.status_line import waiting
from genesis.cli.streams import flush, reserve_stdout, show_output_as_lines
from genesis.cli.telemetry import correlation_option, finish, run_with_metrics, trace_command
from genesis.ledger.control import Control

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from genesis.flows.launch import Launch
    from genesis.model import Budget, Leaf, Run
    from genesis.observability.span import Span
    from genesis.planning.overrides import Overrides
    from genesis.server import PendingApi
    from genesis.settings import Settings

__all__ = ["EXIT_CODES", "continue_run", "resume", "run"]

_MOST_FILES = 10
"""Files left by agents that are listed at the end of a run."""
_MOST_SEEN = 60
"""Live progress has shown each leaf of runs up to this size."""
EXIT_CODES = {"completed": 0, "refused": 3, "awaiting_approval": 5, "briefed": 5, "cancelled": 130}


@click.command(epilog='Example: genesis run "Audit the repository at ." --var run_tests=yes')
@click.argument("request", metavar="REQUEST|PLAN")
@slots_option
@click.option(
    "--rehearse",
    type=click.FloatRange(0),
    default=None,
    metavar="SCALE",
    help="Replace agents with timers: estimate × SCALE.",
)
@click.option("--pools", is_flag=True, help="Run each task on its agent's work pool; workers must be running.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    default=None,
    metavar="PORT",
    help="Serve /metrics on this port of 127.0.0.1 during the run.",
)
@tenant_option
@correlation_option
@bounds_options
@selection_options
@planning_options
@json_option
@debug_option
def run(
    request: str,
    slots: int | None,
    rehearse: float | None,
    pools: bool,
    metrics_port: int | None,
    tenant: str | None,
    correlation_id: str | None,
    budget: Budget | None,
    deadline: float | None,
    retries: int | None,
    select: tuple[str, ...],
    except_: tuple[str, ...],
    pairs: tuple[str, ...],
    params: tuple[str, ...],
    playbooks: Path | None,
    agents: Path | None,
    llm: str | None,
    as_json: bool,
) -> int:
    """Plan REQUEST, check the plan and run it; or run a PLAN file (.yaml, .yml, .json).

    The run's address in the Prefect UI is printed at the start, the place of the results at the end. An interrupted run
    continues with `genesis resume`.
    """
    from genesis.cli.planning import forecast, prepare_plan
    from genesis.cli.render import plan_view
    from genesis.pipeline import compile_prepared
    from genesis.server import begin_api

    settings = load_settings(llm=llm, slots=slots)
    click.get_current_context().with_resource(write_logs(settings))
    if pools:
        settings = use_project_here(settings, agents)
    if pools or settings.project is not None:
        agents = agents or settings.agents
    if is_plan_file(request):
        print_notice(f"Running the plan file {request!r}")
    with trace_command(settings, "run", correlation_id=correlation_id) as made:
        prepared = prepare_plan(
            request,
            settings,
            agents=agents,
            playbooks=playbooks,
            variables=variables(pairs),
            params=parameters(params),
            runs_here=not pools and rehearse is None,
            overrides=replace(overrides(budget, deadline, retries), correlation_id=correlation_id),
            selectors=selectors(select, except_),
        )
        if not prepared.report.ok and not as_json:
            notes().print(plan_view(prepared.routed, prepared.report))
        program = compile_prepared(prepared, settings)
        if not as_json:
            known = forecast(program, settings, rehearse=rehearse, pools=pools)
            notes().print(plan_view(prepared.routed, prepared.report, known))
        made.set("genesis.correlation_id", program.source.plan.correlation_id)
        pending = begin_api(settings)

        async def start(launch: Launch) -> Run:
            from genesis.flows.launch import start_run

            return await start_run(program, replace(launch, tenant=tenant))

        folders = (str(agents.resolve().parent),) if agents is not None else ()
        how = _How(settings, rehearse, folders, as_json, pools, metrics_port)
        return _mark_failure(made, _with_prefect(how, pending, start))


@click.command(epilog="Example: genesis resume 20261122-142530-3f9a1c --budget 5.00")
@click.argument("run_id", metavar="RUN")
@tenant_option
@bounds_options
@json_option
@debug_option
def resume(
    run_id: str,
    tenant: str | None,
    budget: Budget | None,
    deadline: float | None,
    retries: int | None,
    as_json: bool,
) -> int:
    """Resume RUN: finished tasks are kept, the rest runs.

    A budget counts what the run has spent before; a deadline counts from now.
    """
    settings = load_settings()
    click.get_current_context().with_resource(write_logs(settings))
    return continue_run(run_id, settings, overrides(budget, deadline, retries), tenant=tenant, as_json=as_json)


def continue_run(
    run_id: str, settings: Settings, bounds: Overrides, *, tenant: str | None = None, as_json: bool
) -> int:
    """Continue a run, show its progress and how it ended, and return the exit code."""
    before_prefect()
    from genesis.ledger.history import find_run
    from genesis.server import begin_api

    _, header = asyncio.run(find_run(run_id, settings))

    async def again(launch: Launch) -> Run:
        from genesis.flows.launch import resume_run

        return await resume_run(run_id, replace(launch, overrides=bounds, tenant=tenant))

    with trace_command(settings, "resume", correlation_id=header.correlation_id) as made:
        return _mark_failure(
            made, _with_prefect(_How(settings, header.rehearse, (), as_json, header.pools), begin_api(settings), again)
        )


def _mark_failure(made: Span, code: int) -> int:
    """Mark the command's span as failed if the exit code is not 0."""
    if code:
        made.mark_failed(f"exit code {code}")
    return code


@dataclass(frozen=True, slots=True)
class _How:
    """The options of a command that concern running."""

    settings: Settings
    rehearse: float | None
    python_path: tuple[str, ...]
    as_json: bool
    pools: bool = False
    metrics_port: int | None = None


def _with_prefect(how: _How, pending: PendingApi, start: Callable[[Launch], Awaitable[Run]]) -> int:
    """Run something while the terminal shows progress; the first Ctrl-C ends it in order, the second immediately.

    The server starts in a separate process while Prefect is imported here.
    """
    reserve_stdout()
    with waiting(notes(), "Starting Prefect"), show_warnings(print_notice):
        before_prefect()
        from genesis.agents.machine import machine_resources
        from genesis.cli.live_progress import LiveProgress
        from genesis.cli.planning import pool_costs
        from genesis.engine.observer import Observers
        from genesis.flows.connection import connect, interruptible
        from genesis.flows.launch import Launch
        from genesis.flows.signals import StopSignals
        from genesis.prefect_api.drain import drain
        from genesis.server import ensure_api, space_note

        api = pending.wait()
    if api.note and not how.as_json:
        notes().print(api.note, style="yellow")
    scale = 1.0 if how.rehearse is None else how.rehearse
    out = notes()
    costs = pool_costs(how.settings) if how.pools else None
    machine = None if how.pools else machine_resources()
    live = LiveProgress(out, how.settings.run.slots, scale, costs, machine)

    def show(line: str) -> None:
        out.print(line, style="dim", markup=False, soft_wrap=True)

    async def restart_server() -> None:
        await asyncio.to_thread(ensure_api, how.settings)

    async def whole() -> Run:
        stop = StopSignals(Control(), live.show_message)
        stop.listen()
        launch = Launch(
            how.settings,
            how.rehearse,
            Observers(live, stop),
            stop.control,
            python_path=how.python_path,
            restart_server=restart_server if api.embedded else None,
            pools=how.pools,
            notify=live.show_message,
        )
        return await start(launch)

    try:
        with interruptible(), connect(api), show_output_as_lines(show), show_warnings(live.show_message):
            done = asyncio.run(run_with_metrics(whole, how.metrics_port))
    finally:
        live.close()
    if api.embedded and not how.as_json and (note := space_note(how.settings.home)) and note not in api.note:
        notes().print(note, style="yellow")
    code = _show(done, live.leaves, as_json=how.as_json)
    if not drain(api.api_url, lambda text: notes().print(text, style="dim")):
        finish(how.settings)
        _leave(code)
    return code


def _leave(code: int) -> NoReturn:
    """Exit immediately: otherwise the exit would wait to send events that no server accepts."""
    flush()
    os._exit(code)


def _show(run: Run, leaves: tuple[Leaf, ...], *, as_json: bool) -> int:
    from genesis.cli.explanation import explanation_view, run_document
    from genesis.cli.render import run_view
    from genesis.ledger.deliverables import deliverables, list_kept
    from genesis.report.explain import explain

    explanation = explain(run, leaves)
    if as_json:
        print_document(run_document(run, explanation))
        return EXIT_CODES.get(run.state, 1)
    out = console()
    seen = out.is_terminal and notes().is_terminal and len(run.tasks) <= _MOST_SEEN
    explained = None if explanation is None else explanation_view(explanation, short=True)
    out.print(run_view(run, with_tasks=not seen, explained=explained), crop=False)
    left = deliverables(run, leaves)
    for found in left[:_MOST_FILES]:
        what = "Work order for" if found.briefed else f"{found.name.capitalize()} by"
        out.print(f"{what} {found.task!r}: {found.file}", soft_wrap=True, markup=False)
    if len(left) > _MOST_FILES:
        out.print(f"… and {len(left) - _MOST_FILES:,} more files, which --json names", soft_wrap=True)
    if list_kept(run):
        out.print(f"Files: genesis files {run.run_id}", soft_wrap=True)
    if explanation is not None:
        out.print(f"Details: genesis runs show {run.run_id}", soft_wrap=True)
    if run.ui_url:
        out.print(f"Watch it in the Prefect UI: {run.ui_url}", soft_wrap=True)
    return EXIT_CODES.get(run.state, 1)
