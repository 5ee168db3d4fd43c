"""`genesis deliver`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from genesis.cli.logs import write_logs
from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, notes, print_document
from genesis.cli.prefect import before_prefect
from genesis.errors import RunError, UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from genesis.model import Run
    from genesis.settings import Settings

__all__ = ["deliver", "read_result"]

_FILES = (".json", ".yaml", ".yml", ".md", ".txt", ".csv", ".html", ".pdf")
_WAITING = 5
"""Exit code of a run that waits for a person."""
_TRIES = 5
"""Attempts to continue the run while other processes begin and end work on it."""


@click.command(epilog="Example: genesis deliver 20261122-142530-3f9a1c design --result design.json")
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="TASK")
@click.option(
    "--result",
    required=True,
    metavar="FILE|TEXT",
    help="A file with the result, - for standard input, or the result itself: a JSON object or text.",
)
@click.option("--by", default=None, metavar="NAME", help="Who submits it (default: the current user).")
@click.option("--no-resume", is_flag=True, help="Only record the result; continue later with `genesis resume`.")
@json_option
@debug_option
def deliver(run: str, task: str, result: str, by: str | None, no_resume: bool, as_json: bool) -> int:
    """Submit the result of TASK, a work order for a person, and continue RUN.

    The result is one JSON object with the task's `outputs`; a task with one output or none also accepts plain text.
    It is in the ledger before the run continues, and it counts once.
    """
    before_prefect()
    from genesis.engine import delivery
    from genesis.ledger.catalogue import one_of

    settings = load_settings()
    click.get_current_context().with_resource(write_logs(settings))
    run_id = asyncio.run(one_of(run))
    value = read_result(result, settings.limits.result_bytes)
    outcome = asyncio.run(delivery.deliver(run_id, task, value, by=by or _user(), settings=settings))
    if not as_json:
        handed = f", by {outcome.delivered.by}" if outcome.delivered is not None else ""
        notes().print(f"Delivered: {task!r} of run {run_id}{handed}", soft_wrap=True, markup=False)
    if no_resume:
        _show(run_id, settings, f"To continue: genesis resume {run_id}", as_json=as_json)
        return 0
    return _continue_run(run_id, settings, as_json=as_json)


def _continue_run(run_id: str, settings: Settings, *, as_json: bool) -> int:
    """Continue a run that waits for people, unless another process does or nothing can run yet."""
    from genesis.cli.run import EXIT_CODES, continue_run
    from genesis.planning.overrides import Overrides

    for _ in range(_TRIES):
        run, possible, is_elsewhere = asyncio.run(_standing(run_id, settings))
        if is_elsewhere:
            _show(run_id, settings, "The process that runs it picks it up.", as_json=as_json)
            return 0
        if run.state != "briefed":
            ended = run.state in ("completed", "running", "pending")
            said = "" if ended else f"The run is {run.state.replace('_', ' ')}; to continue: genesis resume {run_id}"
            _show(run_id, settings, said, as_json=as_json)
            return 0
        if not possible:
            _show(run_id, settings, "Nothing can run yet: other work orders are still open.", as_json=as_json)
            return EXIT_CODES["briefed"]
        try:
            return continue_run(run_id, settings, Overrides(), as_json=as_json)
        except RunError as error:
            if error.code != "GEN-RUN-LOCKED":  # otherwise another delivery was first, and its resume includes this one
                raise
    _show(run_id, settings, f"Another process has the run; later: genesis resume {run_id}", as_json=as_json)
    return 0


async def _standing(run_id: str, settings: Settings) -> tuple[Run, bool, bool]:
    """Return a run's state, whether any of its leaves can run, and whether another process runs it."""
    from genesis.engine.delivery import can_continue, is_worked_on
    from genesis.ledger.history import find_run, load_program_state
    from genesis.report.history import explain_ledger

    ledger, header = await find_run(run_id, settings)
    is_elsewhere = await is_worked_on(ledger, settings)
    program = (await load_program_state(ledger, header, settings)).program
    run, _ = await explain_ledger(ledger, header, program, settings)
    return run, can_continue(program, await ledger.read_outcomes(program.leaves)), is_elsewhere


def _show(run_id: str, settings: Settings, said: str, *, as_json: bool) -> None:
    from genesis.cli.explanation import explanation_view, run_document
    from genesis.cli.render import run_view
    from genesis.report.history import explain_run

    run, explanation = asyncio.run(explain_run(run_id, settings))
    if as_json:
        print_document(run_document(run, explanation))
        return
    told = explanation_view(explanation, short=True) if explanation is not None and run.state == "briefed" else None
    console().print(run_view(run, with_tasks=False, explained=told), crop=False)
    if said:
        console().print(said, soft_wrap=True, markup=False)


def _user() -> str:
    """Return the name of the current user, or their number where the system has no name for it."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def read_result(word: str, most: int) -> JsonValue:
    """Read what `--result` means: standard input, a file that exists, or the word itself.

    Args:
        word: The value of the option.
        most: Maximum number of bytes to read.

    Raises:
        UsageError: It cannot be read, is too large, not UTF-8, empty, or a `.json` file without JSON in it.
    """
    if word == "-":
        return _parse_deliverable(_text(sys.stdin.buffer.read(most + 1), most, "standard input"), "standard input")
    path = _file(word)
    if path is None:
        return _parse_deliverable(word, "the result")
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        _refuse(f"{word!r} cannot be read: {error.strerror or error}", "pass a readable file, or a text")
    return _parse_deliverable(_text(data, most, repr(word)), repr(word), is_json=path.suffix.lower() == ".json")


def _file(word: str) -> Path | None:
    """Return the file that a word names; None where it is a text.

    Raises:
        UsageError: It looks like a file, and there is none.
    """
    is_one_word = len(word.split()) == 1
    path = Path(os.path.expanduser(word)) if word.startswith("~/") else Path(word)  # noqa: PTH111  # never raises
    looks_like_one = is_one_word and (word.startswith(("./", "../", "/", "~/")) or path.suffix.lower() in _FILES)
    try:
        exists = bool(word) and path.exists() and (looks_like_one or not path.is_dir())
    except (OSError, ValueError):  # too long for a file name, or with characters that no file name has
        return None
    if looks_like_one and not exists:
        _refuse(f"there is no file {word!r}", "pass an existing file, or a text of more than one word")
    return path if exists else None


def _text(data: bytes, most: int, name: str) -> str:
    if len(data) > most:
        hint = "save it to a file and deliver its path, or raise GENESIS_LIMITS__RESULT_BYTES"
        _refuse(f"{name} has more than {most:,} bytes", hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8; for a binary file, deliver its path"
        _refuse(f"{name} is not UTF-8: byte {error.start} is {data[error.start]:#04x}", hint)


def _parse_deliverable(text: str, name: str, *, is_json: bool = False) -> JsonValue:
    """Parse a text that is a JSON object, else return the text; the content of a `.json` file must be JSON."""
    if not text.strip():
        _refuse(f"{name} is empty", "pass the result: a JSON object or a text")
    if not is_json and not (text.lstrip().startswith("{") and text.rstrip().endswith("}")):
        return text
    try:
        value: JsonValue = json.loads(
            text, parse_constant=_no_number, parse_float=_number, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        _refuse(f"{name} is not JSON: {why}", "correct it; for plain text use no braces and no .json file")
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _number(word: str) -> float:
    number = float(word)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {word} is too large")
    return number


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {repeated!r} occurs twice")
    return found


def _refuse(message: str, hint: str) -> NoReturn:
    raise UsageError(message, hint=hint, code="GEN-DELIVERY")
