"""`genesis server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, print_document

if TYPE_CHECKING:
    from genesis.server import Backends, ServerInfo

__all__ = ["server"]


@click.group(epilog="Example: genesis server up")
def server() -> None:
    """The embedded Prefect server: on this machine only, in the background, with its UI."""


@server.command(epilog="Example: genesis server up --postgres postgresql://prefect@localhost/prefect")
@click.option(
    "--postgres",
    metavar="URL",
    envvar="GENESIS_POSTGRES",
    help="Use a PostgreSQL database; kept for later starts. [env: GENESIS_POSTGRES]",
)
@click.option(
    "--redis",
    metavar="URL",
    envvar="GENESIS_REDIS",
    help="Use a Redis server for events; needs --postgres. [env: GENESIS_REDIS]",
)
@click.option("--sqlite", is_flag=True, help="Return to SQLite and in-memory events.")
@json_option
@debug_option
def up(postgres: str | None, redis: str | None, sqlite: bool, as_json: bool) -> int:
    """Start the server unless it runs.

    It uses SQLite, or the databases of the last start with options. The password of a database may also be in
    PGPASSWORD or in ~/.pgpass.
    """
    from genesis.server import up as started

    return _show(started(load_settings(), _backends(postgres, redis, sqlite)), as_json)


@server.command(epilog="Example: genesis server down")
@json_option
@debug_option
def down(as_json: bool) -> int:
    """Stop the server. Its database stays."""
    from genesis.server import down as stopped

    _show(stopped(load_settings()), as_json)
    return 0


@server.command(epilog="Example: genesis server status --json")
@json_option
@debug_option
def status(as_json: bool) -> int:
    """Show whether the server runs, its address and its databases; exit code 4 when it is down or unhealthy."""
    from genesis.server import status as looked

    return _show(looked(load_settings()), as_json)


def _backends(postgres: str | None, redis: str | None, sqlite: bool) -> Backends | None:
    """Return the databases that the options name; None where they name none."""
    from genesis.errors import UsageError
    from genesis.prefect_api.environment import secret
    from genesis.server import Backends
    from genesis.server.backends import password_in
    from genesis.server.processes import hide_on_command_line

    for address in filter(None, (postgres, redis)):
        hide_on_command_line(password_in(address) or "")
    if sqlite:
        if postgres is not None or redis is not None:
            raise UsageError(
                "--sqlite excludes an address of PostgreSQL or Redis",
                hint="use one or the other, and unset GENESIS_POSTGRES and GENESIS_REDIS",
            )
        return Backends()
    if postgres is None and redis is None:
        return None
    return Backends.of(postgres=postgres, redis=redis, password=secret("PGPASSWORD"))


def _show(info: ServerInfo, as_json: bool) -> int:
    from rich.text import Text

    if as_json:
        print_document(info.model_dump(mode="json"))
    else:
        line = Text(info.state, style="bold")
        if info.state == "running":
            line.append(
                f"  UI {info.ui_url}  API {info.api_url}  process {info.pid}  Prefect {info.version}", style="not bold"
            )
        console().print(line, soft_wrap=True)
        for name, address, detail in (
            ("database", info.database, info.database_detail),
            ("redis", info.redis, info.redis_detail),
        ):
            if address and (detail or "://" in address):
                console().print(
                    f"{name} {address}" + (f": {detail}" if detail else ""),
                    soft_wrap=True,
                )
        if info.password_file is not None:
            console().print(f"password in {info.password_file}: the UI asks for all of it", soft_wrap=True)
        if info.note:
            console().print(info.note, style="yellow", soft_wrap=True)
    return 0 if info.state == "running" else 4
