"""`genesis files`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, notes, print_document
from genesis.cli.prefect import before_ledger

if TYPE_CHECKING:
    from genesis.ledger import Ledger
    from genesis.ledger.deliverables import KeptOutput
    from genesis.settings import Settings

__all__ = ["files"]


@click.command(epilog="Example: genesis files 20261122-142530-3f9a1c build -o out")
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="[TASK]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="Copy them to DIR/TASK/NAME/…; the folder is created.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
@debug_option
def files(run: str, task: str | None, output: Path | None, force: bool, as_json: bool) -> None:
    """List the files that tasks of RUN kept by `files.out` of its plan, or copy them into a folder.

    RUN is a run's id, or a correlation id that one run has. With TASK only files of that task, or of tasks in it.
    Existing files are kept unless --force is given, and links below DIR are never followed.
    """
    before_ledger()
    from genesis.ledger.catalogue import one_of

    settings = load_settings()
    run_id = asyncio.run(one_of(run))
    ledger, kept = asyncio.run(_find(run_id, task, settings))
    copied: dict[KeptOutput, Path] = {}
    if output is not None:
        _make_folder(output)
        copied = asyncio.run(_copy(ledger, kept, output, force=force))
    if as_json:
        print_document({"run_id": run_id, "files": [_shape(each, copied.get(each)) for each in kept]})
        return
    if not kept:
        of = "" if task is None else f" of task {task!r}"
        notes().print(f"Run {run_id} keeps no files{of}", soft_wrap=True, markup=False)
        return
    if output is None:
        _show(kept)
        notes().print(f"To copy them: genesis files {run_id} -o DIR", soft_wrap=True, markup=False)
        return
    for each, path in copied.items():
        console().print(f"{each.task}: {each.name} is in {path}", soft_wrap=True, markup=False)


async def _find(run_id: str, task: str | None, settings: Settings) -> tuple[Ledger, list[KeptOutput]]:
    """Find what a run keeps.

    Raises:
        UsageError: It has no such run or task.
    """
    from genesis.errors import UsageError
    from genesis.ledger.deliverables import list_kept
    from genesis.ledger.history import find_run, load_program_state
    from genesis.report.history import explain_ledger

    ledger, header = await find_run(run_id, settings)
    program = (await load_program_state(ledger, header, settings)).program
    if task is not None and not any(f"{leaf.path}/".startswith(f"{task}/") for leaf in program.leaves):
        raise UsageError(
            f"run {run_id!r} has no task {task!r}",
            hint=f"genesis runs show {run_id} lists its tasks",
            code="GEN-TASK-UNKNOWN",
        )
    run, _ = await explain_ledger(ledger, header, program, settings)
    return ledger, list_kept(run, task)


def _make_folder(folder: Path) -> None:
    from genesis.errors import ResourceError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError.of(error, f"{str(folder)!r} cannot be created", path=folder) from error


async def _copy(ledger: Ledger, kept: list[KeptOutput], folder: Path, *, force: bool) -> dict[KeptOutput, Path]:
    """Copy files into a folder, and return where each is.

    Raises:
        UsageError: A file is there already, or a link is in the way.
        TaskError: A file is missing in the storage, or was changed there.
        ResourceError: The folder cannot be written.
    """
    from genesis.ledger.files import write_kept

    copied: dict[KeptOutput, Path] = {}
    for each in kept:
        place = f"{_as_path(each.task)}/{each.name}"
        path = place if each.kept.count is not None else f"{place}/{each.kept.name}"
        await write_kept(ledger, each.kept, folder, path, replace=force)
        copied[each] = folder / path
    return copied


def _as_path(task: str) -> str:
    """Return the path of a task as one of folders: a task may be called `..`, which is none."""
    return "/".join(part if part.strip(".") else "_" * len(part) for part in task.split("/"))


def _show(kept: list[KeptOutput]) -> None:
    from genesis.cli.rows import Rows
    from genesis.text import one_line, size_text

    table = Rows(("task", "name", "size", "file"), right=("size",))
    for each in kept:
        count = each.kept.count
        file = one_line(each.kept.name) if count is None else f"a folder of {count:,} file{'' if count == 1 else 's'}"
        table.add(one_line(each.task), each.name, size_text(each.kept.bytes), file)
    console().print(table)


def _shape(each: KeptOutput, path: Path | None) -> dict[str, Any]:
    kept = each.kept
    shape = {"task": each.task, "name": each.name, "file": kept.name, "bytes": kept.bytes, "count": kept.count}
    return shape if path is None else shape | {"path": str(path)}
