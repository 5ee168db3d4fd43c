"""`genesis server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, print_document

if TYPE_CHECKING:
    from genesis.execute.server import ServerInfo

__all__ = ["server"]


@click.group(epilog="Example: genesis server up")
def server() -> None:
    """The embedded Prefect server: SQLite, on this machine only, in the background, with its UI."""


@server.command(epilog="Example: genesis server up")
@json_option
@debug_option
def up(as_json: bool) -> int:
    """Start the server, or find that it runs."""
    from genesis.execute.server import up as started

    return _show(started(load_settings()), as_json)


@server.command(epilog="Example: genesis server down")
@json_option
@debug_option
def down(as_json: bool) -> int:
    """Stop the server. Its database stays."""
    from genesis.execute.server import down as stopped

    _show(stopped(load_settings()), as_json)
    return 0


@server.command(epilog="Example: genesis server status --json")
@json_option
@debug_option
def status(as_json: bool) -> int:
    """Say whether the server runs, and where; exit code 4 when it does not."""
    from genesis.execute.server import status as looked

    return _show(looked(load_settings()), as_json)


def _show(info: ServerInfo, as_json: bool) -> int:
    if as_json:
        print_document(info.model_dump(mode="json"))
    else:
        line = f"[bold]{info.state}[/]"
        if info.state == "running":
            line += f"  UI {info.ui_url}  API {info.api_url}  process {info.pid}  Prefect {info.version}"
        console().print(line, soft_wrap=True)
        if info.note:
            console().print(info.note, style="yellow", soft_wrap=True, markup=False)
    return 0 if info.state == "running" else 4
