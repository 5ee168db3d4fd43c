"""`genesis runs`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, print_document
from genesis.cli.prefect import before_prefect
from genesis.cli.purge import purge
from genesis.model import RunState

if TYPE_CHECKING:
    from genesis.cli.rows import Rows
    from genesis.execute.catalogue import Listed, Logs
    from genesis.settings import Settings

__all__ = ["runs"]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_REQUEST = 100


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Understand a time: `2h` and the like before now, or ISO 8601, in UTC where it has no offset."""
    if value is None:
        return None
    if ago := _AGO.fullmatch(value.strip().lower()):
        try:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        said = f"{value!r} is not a time: give 30m, 2h, 3d, or 2026-11-22T14:00"
        raise click.BadParameter(said, ctx, param) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.group(invoke_without_command=True, epilog="Example: genesis runs --state failed --since 2d")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Newest runs to list.")
@click.option(
    "--state", "states", type=click.Choice(get_args(RunState)), multiple=True, help="In this state; may be repeated."
)
@click.option(
    "--since",
    callback=_since,
    default=None,
    metavar="TIME",
    help="Started, or resumed, since then: 30m, 2h, 3d, or a time in UTC.",
)
@click.option("--agent", default=None, metavar="NAME", help="With a task that this agent had.")
@click.option("--request", default=None, metavar="TEXT", help="With this in the request, in whatever case.")
@click.option("--correlation", default=None, metavar="ID", help="With this correlation id.")
@json_option
@debug_option
@click.pass_context
def runs(
    ctx: click.Context,
    limit: int,
    states: tuple[RunState, ...],
    since: datetime | None,
    agent: str | None,
    request: str | None,
    correlation: str | None,
    as_json: bool,
) -> None:
    """List the runs that the ledger on this machine knows, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    before_prefect()
    from genesis.execute.catalogue import Choice, choose

    choice = Choice(states, since, agent, request, correlation)
    found = asyncio.run(choose(load_settings(), choice, limit))
    if as_json:
        print_document([_document(listed) for listed in found])
    elif found:
        console().print(_table(found))
    elif choice == Choice():
        console().print('No runs yet. Start one: genesis run "Audit the repository at ."')
    else:
        console().print("No run is like that. All of them: genesis runs")


@runs.command(epilog="Example: genesis runs show 20261122-142530-3f9a1c --json")
@click.argument("run", metavar="RUN")
@json_option
@debug_option
def show(run: str, as_json: bool) -> None:
    """Show what is known of RUN: every task with its agent, state, result and error.

    RUN is a run's id or its correlation id; where several runs have that one, they are listed. Of a run that did not
    complete it says what failed for its own reason, what was tried, what was left out because of it, and how to go on.
    """
    before_prefect()
    from genesis.execute.catalogue import find

    settings = load_settings()
    found = asyncio.run(find(run, settings))
    if isinstance(found, str):
        _show_one(found, settings, as_json=as_json)
    elif len(found) == 1:
        _show_one(found[0].run.run_id, settings, as_json=as_json)
    else:
        _show_several(run, found, settings, as_json=as_json)


def _show_one(run_id: str, settings: Settings, *, as_json: bool) -> None:
    from rich.text import Text

    from genesis.cli.explained import explanation_view, run_document
    from genesis.cli.render import run_view
    from genesis.execute.catalogue import logs_of
    from genesis.execute.history import explained_run, find_run
    from genesis.execute.ledger import trace_id
    from genesis.execute.plain import one_line

    run, explanation = asyncio.run(explained_run(run_id, settings))
    _, header = asyncio.run(find_run(run_id, settings))
    logs, trace = logs_of(run.correlation_id, settings), trace_id(header)
    if as_json:
        found = {"request": header.document.get("request"), "trace_id": trace, "logs": logs.model_dump(mode="json")}
        print_document(run_document(run, explanation) | found)
        return
    out = console()
    out.print(Text.assemble((run.run_id, "bold"), f"  {run.correlation_id}  {run.ui_url or ''}"), soft_wrap=True)
    out.print(one_line(str(header.document.get("request", ""))))
    out.print(run_view(run, explained=None if explanation is None else explanation_view(explanation)))
    if trace is not None:
        out.print(f"Trace: {trace}", soft_wrap=True)
    _show_logs(logs)
    out.print(f"All about it on one page: genesis report {run.run_id}", soft_wrap=True)


def _show_several(word: str, found: Sequence[Listed], settings: Settings, *, as_json: bool) -> None:
    from genesis.execute.catalogue import logs_of

    logs = logs_of(word, settings)
    if as_json:
        print_document({"runs": [_document(listed) for listed in found], "logs": logs.model_dump(mode="json")})
        return
    console().print(f"{len(found)} runs have the correlation id {word}:")
    console().print(_table(found))
    _show_logs(logs)


def _show_logs(logs: Logs) -> None:
    said = f"Its log lines: {logs.command}"
    if not logs.exists:
        said = (
            f"No log file is at {logs.file}; deployed runs and workers write one, others where GENESIS_LOG__FILE says"
        )
    console().print(said, soft_wrap=True)


def _document(listed: Listed) -> dict[str, Any]:
    more = {"request": listed.request, "tasks_done": listed.tasks_done, "tasks_total": listed.tasks_total}
    return listed.run.model_dump(mode="json", exclude={"tasks"}) | more


def _table(found: Sequence[Listed]) -> Rows:
    from rich.text import Text

    from genesis.cli.render import STATE_STYLES, duration
    from genesis.cli.rows import Rows
    from genesis.execute.plain import cost, one_line

    table = Rows(("run", "state", "started", "took", "tasks", "cost", "request"), right=("took", "tasks", "cost"))
    for listed in found:
        run = listed.run
        state = Text(run.state.replace("_", " "), style=STATE_STYLES.get(run.state, ""))
        if run.rehearsal is not None:
            state.append(" (rehearsed)", style="magenta")
        table.add(
            Text(run.run_id, style="bold"),
            state,
            _ago(run.started_at),
            duration(run.duration_s) if run.ended_at else "–",
            f"{listed.tasks_done}/{listed.tasks_total}",
            cost(run),
            one_line(listed.request, _REQUEST),
        )
    return table


def _ago(at: datetime | None) -> str:
    """Say how long ago something was, in one unit; what is older than some days has its date."""
    if at is None:
        return ""
    seconds = max(0.0, (datetime.now(UTC) - at).total_seconds())
    for size, unit, most in ((1, "s", 60), (60, "min", 60), (3600, "h", 48), (86_400, "days", 14)):
        if seconds < size * most:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{at:%Y-%m-%d}"


runs.add_command(purge)
