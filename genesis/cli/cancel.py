"""`genesis cancel`."""

from __future__ import annotations

import asyncio
import dataclasses

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, notes, print_document, print_notice, show_warnings
from genesis.cli.prefect import before_prefect

__all__ = ["cancel"]


@click.command(epilog="Example: genesis cancel 20261122-142530-3f9a1c")
@click.argument("run_id", metavar="RUN")
@json_option
@debug_option
def cancel(run_id: str, as_json: bool) -> int:
    """Cancel RUN: its running tasks are cancelled on every host, and no others start.

    Finished tasks are kept; `genesis resume` continues from there.
    """
    before_prefect()
    from genesis.engine.cancel import cancel_run
    from genesis.flows.connection import connect
    from genesis.ledger.history import find_run
    from genesis.server import ensure_api

    settings = load_settings()
    asyncio.run(find_run(run_id, settings))  # an unknown run starts no server
    with show_warnings(print_notice):
        api = ensure_api(settings)
    with connect(api):
        stopped = asyncio.run(cancel_run(run_id, settings, lambda text: notes().print(text, style="dim")))
    if as_json:
        print_document(dataclasses.asdict(stopped))
        return 1 if stopped.alive else 0
    out = console()
    out.print(f"run {run_id}: {stopped.flow_run.lower()}", soft_wrap=True)
    for name in stopped.children:
        out.print(f"  ended    {name}", soft_wrap=True)
    for name in stopped.alive:
        out.print(f"  ending   {name} (its worker has not confirmed yet)", soft_wrap=True)
    out.print(f"To continue: genesis resume {run_id}", soft_wrap=True)
    return 1 if stopped.alive else 0
