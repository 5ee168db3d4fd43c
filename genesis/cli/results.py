"""The results of a run's tasks, on the terminal or in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from genesis.cli.limits import INDENT
from genesis.text import escape_terminal, one_line

if TYPE_CHECKING:
    from genesis.ledger import Ledger
    from genesis.model import Outcome, Run

__all__ = ["results_view", "whole_run", "write_results"]

_MOST_LINES = 25
"""Most lines of a result; `--task` shows one whole."""
_MOST_CHARACTERS = 2_000
"""Most characters of a result."""
_MOST_TASKS = 50
"""Most tasks whose results are shown."""


async def whole_run(run: Run, ledger: Ledger, task: str | None) -> Run:
    """Read results that are stored in separate files, and keep only the requested task.

    Raises:
        RunError: A result is missing.
    """
    wanted = [each for each in run.tasks if task in (None, each.id)]
    read = [
        each.model_copy(update={"result": await ledger.result(each)}) if each.result_ref is not None else each
        for each in wanted
    ]
    return run.model_copy(update={"tasks": tuple(read)})


def results_view(run: Run, *, whole: bool) -> RenderableType:
    """Show results, each with the name of its task.

    Args:
        run: The run, with the requested tasks.
        whole: Show them in full length.
    """
    given = [task for task in run.tasks if task.result is not None]
    if not given:
        return Text("no task has a result yet" if len(run.tasks) != 1 else "it has no result yet", style="dim")
    parts = [part for task in given[:_MOST_TASKS] for part in _result(task, whole=whole)]
    if len(given) > _MOST_TASKS:
        parts.append(Text(f"… and {len(given) - _MOST_TASKS:,} more: all of them with -o FILE", style="dim"))
    return Group(*parts)


def _result(task: Outcome, *, whole: bool) -> Iterator[RenderableType]:
    yield Text.assemble((one_line(task.id), "bold"), (f"  {task.agent} · {task.state}", "dim"))
    text = escape_terminal(as_text(task.result)).rstrip()
    lines = text[: None if whole else _MOST_CHARACTERS].split("\n")
    shown = lines if whole else lines[:_MOST_LINES]
    yield Padding(Text("\n".join(shown)), (0, 0, 0, INDENT), expand=False)
    if left := len(text) - len("\n".join(shown)):
        said = f"… {left:,} more characters: --task {task.id}, or all with -o FILE"
        yield Padding(Text(said, style="dim"), (0, 0, 0, INDENT), expand=False)


def as_text(value: JsonValue) -> str:
    """Show a text unchanged, a mapping of short values with one line per value, and all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value and all(isinstance(each, str | int | float | bool) for each in value.values()):
        return "\n".join(
            f"{name}: {each if isinstance(each, str) else json.dumps(each)}" for name, each in value.items()
        )
    return json.dumps(value, ensure_ascii=False, indent=2)


def write_results(path: Path, tasks: Sequence[Outcome], *, one: bool) -> None:
    """Write results as JSON: by task, or that of a single task.

    Raises:
        ResourceError: The file cannot be written.
    """
    from genesis.document import dump_json, write_for_people

    value: JsonValue = tasks[0].result if one else {task.id: task.result for task in tasks if task.result is not None}
    write_for_people(path, dump_json(value))
