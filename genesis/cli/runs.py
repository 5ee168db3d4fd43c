"""`genesis runs`."""

from __future__ import annotations

import asyncio

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, print_document
from genesis.cli.prefect import before_prefect
from genesis.cli.purge import purge

__all__ = ["runs"]


@click.group(invoke_without_command=True, epilog="Example: genesis runs show 20261122-142530-3f9a1c")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Newest runs to list.")
@json_option
@debug_option
@click.pass_context
def runs(ctx: click.Context, limit: int, as_json: bool) -> None:
    """List the runs that the ledger on this machine knows, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    from rich.table import Table

    before_prefect()
    from genesis.execute.history import newest_runs

    found = asyncio.run(newest_runs(load_settings(), limit))
    if as_json:
        print_document([run.model_dump(mode="json", exclude={"tasks"}) for run in found])
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "state", "started", "seconds", "tasks", "cost"):
        table.add_column(column, justify="right" if column in ("seconds", "tasks", "cost") else "left")
    for run in found:
        started = f"{run.started_at:%Y-%m-%d %H:%M:%S}" if run.started_at else ""
        table.add_row(
            run.run_id, run.state, started, f"{run.duration_s:.1f}", str(len(run.tasks)), f"${run.cost_usd:.2f}"
        )
    console().print(table if found else 'No runs yet. Start one: genesis run "Audit the repository at ."')


@runs.command(epilog="Example: genesis runs show 20261122-142530-3f9a1c --json")
@click.argument("run", metavar="RUN")
@json_option
@debug_option
def show(run: str, as_json: bool) -> None:
    """Show what is known of RUN: every task with its agent, state, result and error.

    Of a run that did not complete it says what failed for its own reason, what was tried, what was left out because of
    it, and how to go on.
    """
    from genesis.cli.explained import explanation_view, run_document
    from genesis.cli.render import run_view

    before_prefect()
    from genesis.execute.history import explained_run

    found, explanation = asyncio.run(explained_run(run, load_settings()))
    if as_json:
        print_document(run_document(found, explanation))
        return
    console().print(f"[bold]{found.run_id}[/]  {found.correlation_id}  {found.ui_url or ''}", soft_wrap=True)
    explained = None if explanation is None else explanation_view(explanation)
    console().print(run_view(found, explained=explained))


runs.add_command(purge)
