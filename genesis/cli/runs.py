"""`genesis runs`."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, notes, print_document
from genesis.cli.prefect import before_ledger
from genesis.cli.purge import purge
from genesis.model.states import RunState

if TYPE_CHECKING:
    from pydantic import JsonValue

    from genesis.cli.rows import Rows
    from genesis.ledger import Header
    from genesis.ledger.catalogue import RunListEntry, RunLogs
    from genesis.model import Run
    from genesis.report.explain import Explanation
    from genesis.settings import Settings

__all__ = ["runs"]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_REQUEST = 100
"""Most characters of a request in the list of runs."""
_LONGEST_VALUE = 200
"""Most characters of the value of a variable or parameter."""


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Parse a time: an age such as `2h`, or ISO 8601, in UTC where it has no offset."""
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
        said = f"{value!r} is not a time: use 30m, 2h, 3d, or 2026-11-22T14:00"
        raise click.BadParameter(said, ctx, param) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.group(invoke_without_command=True, epilog="Example: genesis runs --state failed --since 2d")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Maximum number of runs to list, newest first.",
)
@click.option(
    "--state",
    "states",
    type=click.Choice(get_args(RunState)),
    multiple=True,
    help="Only runs in this state; may be repeated.",
)
@click.option(
    "--since",
    callback=_since,
    default=None,
    metavar="TIME",
    help="Only runs started or resumed since then: 30m, 2h, 3d, or a time in UTC.",
)
@click.option("--agent", default=None, metavar="NAME", help="Only runs with a task of this agent.")
@click.option("--request", default=None, metavar="TEXT", help="Only runs whose request contains this, ignoring case.")
@click.option("--correlation", default=None, metavar="ID", help="Only runs with this correlation id.")
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
    """List the runs in the ledger on this machine, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    before_ledger()
    from genesis.ledger.catalogue import RunFilter, choose

    choice = RunFilter(states, since, agent and _canonical(agent), request, correlation)
    found = asyncio.run(choose(choice, limit))
    if as_json:
        print_document([_document(listed) for listed in found])
    elif found:
        console().print(_table(found))
    elif choice == RunFilter():
        console().print('No runs yet. Start one: genesis run "Audit the repository at ."')
    else:
        console().print("No run matches. To list all: genesis runs")


@runs.command(epilog="Example: genesis runs show 20261122-142530-3f9a1c --results")
@click.argument("run", metavar="RUN")
@click.option("--results", is_flag=True, help="Show the tasks' results; the first lines of each.")
@click.option("--task", default=None, metavar="TASK", help="Show only this task, with its whole result.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the results to a file, as JSON."
)
@json_option
@debug_option
def show(run: str, results: bool, task: str | None, output: Path | None, as_json: bool) -> None:
    """Show RUN: every task with its agent, state, result and error.

    RUN is a run's id or its correlation id; where several runs have that one, they are listed. For a run that did not
    complete it shows the root failures, the attempts, the tasks skipped because of them, and how to continue.
    """
    before_ledger()
    from genesis.ledger.catalogue import find

    settings = load_settings()
    wanted = _Wanted(results or task is not None or output is not None, task, output)
    found = asyncio.run(find(run))
    if isinstance(found, str):
        _show_one(found, settings, wanted, as_json=as_json)
    elif len(found) == 1:
        _show_one(found[0].run_id, settings, wanted, as_json=as_json)
    else:
        _show_several(run, found, settings, as_json=as_json)


@dataclasses.dataclass(frozen=True, slots=True)
class _Wanted:
    """Which of a run's results to show."""

    results: bool
    task: str | None
    output: Path | None


def _show_one(run_id: str, settings: Settings, wanted: _Wanted, *, as_json: bool) -> None:
    from genesis.cli.explanation import run_document
    from genesis.cli.results import write_results
    from genesis.ledger import trace_id
    from genesis.ledger.catalogue import logs_of

    run, explanation, header, values = asyncio.run(_read(run_id, settings, wanted))
    if wanted.output is not None:
        write_results(wanted.output, run.tasks, one=wanted.task is not None)
        notes().print(f"The results are in {wanted.output}", soft_wrap=True, markup=False)
    logs, trace = logs_of(run.correlation_id, settings), trace_id(header)
    if as_json and wanted.task is not None:
        print_document(run.tasks[0].model_dump(mode="json"))
    elif as_json:
        found = {"request": header.document.get("request"), "trace_id": trace, "logs": dataclasses.asdict(logs)}
        print_document(run_document(run, explanation) | found | {"values": values})
    else:
        _print_one(run, explanation, wanted, request=str(header.document.get("request", "")), values=values)
        if wanted.task is None:
            if trace is not None:
                console().print(f"Trace: {trace}", soft_wrap=True)
            _show_logs(logs)
            console().print(f"As one page: genesis report {run.run_id}", soft_wrap=True)


async def _read(
    run_id: str, settings: Settings, wanted: _Wanted
) -> tuple[Run, Explanation | None, Header, dict[str, JsonValue]]:
    from genesis.cli.results import whole_run
    from genesis.engine.delivery import find_leaf
    from genesis.ledger.history import find_run, load_program_state
    from genesis.report.gather import redact_plan_values
    from genesis.report.history import explain_ledger

    ledger, header = await find_run(run_id, settings)
    program = (await load_program_state(ledger, header, settings)).program
    run, explanation = await explain_ledger(ledger, header, program, settings)
    if wanted.task is not None:
        find_leaf(program, wanted.task, run_id)
    run = await whole_run(run, ledger, wanted.task) if wanted.results else run
    return run, explanation, header, redact_plan_values(program)


def _print_one(
    run: Run, explanation: Explanation | None, wanted: _Wanted, *, request: str, values: Mapping[str, JsonValue]
) -> None:
    from rich.text import Text

    from genesis.cli.explanation import explanation_view
    from genesis.cli.render import run_view, tasks_table
    from genesis.cli.results import results_view
    from genesis.structure import as_json_text
    from genesis.text import one_line

    out = console()
    if wanted.task is not None:
        out.print(tasks_table(run))
        if (error := run.tasks[0].error) is not None:
            out.print(f"{error.message}\n{error.hint and '→ ' + error.hint}".strip(), soft_wrap=True, markup=False)
    else:
        out.print(Text.assemble((run.run_id, "bold"), f"  {run.correlation_id}  {run.ui_url or ''}"), soft_wrap=True)
        out.print(one_line(request))
        for name, value in values.items():
            out.print(
                Text.assemble((f"{name} = ", "dim"), one_line(as_json_text(value), _LONGEST_VALUE)), soft_wrap=True
            )
        explained = None if explanation is None else explanation_view(explanation)
        out.print(run_view(run, explained=explained), crop=False)
    if wanted.results and wanted.output is None:
        out.print(results_view(run, whole=wanted.task is not None))


def _show_several(word: str, found: Sequence[RunListEntry], settings: Settings, *, as_json: bool) -> None:
    from genesis.ledger.catalogue import logs_of

    logs = logs_of(word, settings)
    if as_json:
        print_document({"runs": [_document(listed) for listed in found], "logs": dataclasses.asdict(logs)})
        return
    console().print(f"{len(found)} runs have the correlation id {word}:")
    console().print(_table(found))
    _show_logs(logs)


def _show_logs(logs: RunLogs) -> None:
    said = f"Its log lines: {logs.command}"
    if not logs.exists:
        said = f"{logs.file} has no log lines of it; to log later runs: export GENESIS_LOG__FILE={logs.file}"
    console().print(said, soft_wrap=True, markup=False)


def _document(listed: RunListEntry) -> dict[str, Any]:
    more = {"request": listed.request, "tasks_done": listed.tasks_done, "tasks_total": listed.tasks_total}
    return {**listed.document, **more}


def _canonical(name: str) -> str:
    from genesis.model.scalars import canonical

    return canonical(name)


def _table(found: Sequence[RunListEntry]) -> Rows:
    from rich.text import Text

    from genesis.cli.output import STATE_STYLES
    from genesis.cli.rows import Rows
    from genesis.text import duration, one_line

    table = Rows(("run", "state", "started", "took", "tasks", "cost", "request"), right=("took", "tasks", "cost"))
    for listed in found:
        state = Text(listed.state.replace("_", " "), style=STATE_STYLES.get(listed.state, ""))
        if listed.is_rehearsal:
            state.append(" (rehearsed)", style="magenta")
        table.add(
            Text(listed.run_id, style="bold"),
            state,
            _ago(listed.started_at),
            duration(listed.duration_s) if listed.ended_at else "–",
            f"{listed.tasks_done}/{listed.tasks_total}",
            listed.cost,
            one_line(listed.request, _REQUEST),
        )
    return table


def _ago(at: datetime | None) -> str:
    """Format how long ago something was, in one unit; after some days, its date."""
    if at is None:
        return ""
    seconds = max(0.0, (datetime.now(UTC) - at).total_seconds())
    for size, unit, most in ((1, "s", 60), (60, "min", 60), (3600, "h", 48), (86_400, "days", 14)):
        if seconds < size * most:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{at:%Y-%m-%d}"


runs.add_command(purge)
