"""What the ledger knows of runs. Nothing here needs a server."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from genesis.errors import UsageError
from genesis.execute.ledger import Header, Ledger, RunLock, Store, leaf_name, open_store
from genesis.execute.ledger.lock import interrupted, is_abandoned
from genesis.model import KEPT, ErrorInfo, Outcome, Program, Run
from genesis.settings import Settings

if TYPE_CHECKING:
    from genesis.execute.explain import Explanation
    from genesis.execute.session import Course

__all__ = [
    "course_of",
    "explained",
    "explained_run",
    "files_folder",
    "find_run",
    "judged",
    "open_ledger",
    "run_lock",
    "show_run",
    "still_there",
]


def open_ledger(store: Store, run_id: str, settings: Settings) -> Ledger:
    """Name a run's ledger in a store; nothing is read.

    Raises:
        UsageError: The run id is not one.
    """
    limits = settings.limits
    return Ledger(store, run_id, inline_bytes=limits.result_inline_bytes, most_bytes=limits.result_bytes)


def run_lock(ledger: Ledger, settings: Settings, *, existing: bool = False) -> RunLock:
    """Give the lock of a run: in its folder, or on this machine where the storage is elsewhere.

    Args:
        ledger: The run's ledger.
        settings: Where the home is.
        existing: The run was found before; its folder is not made again where a purge has removed it since.
    """
    if ledger.folder is None:
        return RunLock(settings.home / "locks" / ledger.run_id, ledger.run_id)
    return RunLock(ledger.folder / ".lock", ledger.run_id, existing=existing)


def files_folder(ledger: Ledger, settings: Settings) -> Path:
    """Give the folder on this machine for what a run's agents leave."""
    return (ledger.folder or settings.home / "runs" / ledger.run_id) / "files"


async def find_run(run_id: str, settings: Settings) -> tuple[Ledger, Header]:
    """Find a run's ledger.

    Raises:
        UsageError: There is no such run.
        RunError: Its ledger is damaged.
    """
    ledger = open_ledger(await open_store(), run_id, settings)
    return ledger, await ledger.header()


async def still_there(ledger: Ledger) -> None:
    """Make sure, once a run's lock is held, that a purge was not quicker. What the lock left of the run is removed.

    Raises:
        UsageError: The run is no more.
    """
    try:
        await ledger.header_bytes()
    except UsageError:
        if ledger.folder is not None:
            for name in (".lock", "owner.json"):
                (ledger.folder / name).unlink(missing_ok=True)
            with suppress(OSError):
                ledger.folder.rmdir()
        raise


async def course_of(ledger: Ledger, header: Header, settings: Settings) -> Course:
    """Give what a run does, as it stands: its program with all that was added while it ran.

    Raises:
        RunError: Its ledger is damaged.
    """
    from genesis.execute.session import Course  # noqa: PLC0415  # with all of planning, which a list of runs needs not
    from genesis.pipeline import program_of  # noqa: PLC0415

    amendments = await ledger.amendments()
    return Course(program_of(header.document, header.registry, settings, amendments), amendments)


async def show_run(run_id: str, settings: Settings) -> Run:
    """Give all that is known of a run. One whose process ended without a word is failed, and says how to go on.

    Raises:
        UsageError: There is no such run.
        RunError: Its ledger is damaged.
    """
    run, _ = await explained_run(run_id, settings)
    return run


async def explained_run(run_id: str, settings: Settings) -> tuple[Run, Explanation | None]:
    """Give all that is known of a run, and where it did not complete, why and how to go on.

    Raises:
        UsageError: There is no such run.
        RunError: Its ledger is damaged.
    """
    ledger, header = await find_run(run_id, settings)
    course = await course_of(ledger, header, settings)
    return await explained(ledger, header, course.program, settings)


async def explained(
    ledger: Ledger, header: Header, program: Program, settings: Settings
) -> tuple[Run, Explanation | None]:
    """Do what `explained_run` does for a run whose program is at hand."""
    from genesis.execute.explain import explain  # noqa: PLC0415  # a list of runs needs it not

    run = await ledger.load() or _not_started(header, program)
    known = await ledger.known(program.leaves)
    records = {program.leaves[index].path: outcome for index, outcome in known.items()}
    tasks = tuple(_newest(run, task, records.get(task.id)) for task in run.tasks)
    cost = sum((task.usd or Decimal(0) for task in tasks), Decimal(0))
    run = await judged(run.model_copy(update={"tasks": tasks, "cost_usd": cost}), ledger, settings)
    files = files_folder(ledger, settings)
    found = {leaf.path: files / leaf_name(leaf) for leaf in program.leaves}
    folders = {path: str(folder) for path, folder in found.items() if folder.is_dir()}
    return run, explain(run, program.leaves, folders=folders, ledger=ledger.where())


def _newest(run: Run, task: Outcome, record: Outcome | None) -> Outcome:
    """Choose between what the run's state says of a leaf and its own record.

    A record that is not of finished work can be of an earlier execution of the run. The state is as old as the run's
    last beginning or end.
    """
    if record is None or record.state in KEPT:
        return record or task
    if run.state in ("running", "pending"):
        stale = record.ended_at is not None and run.started_at is not None and record.ended_at < run.started_at
        return task if stale else record
    return record if task.state in ("running", "pending") else task


async def judged(run: Run, ledger: Ledger, settings: Settings) -> Run:
    """Tell a run that is running from one whose process has gone. Of another host's processes nothing is known here."""
    if run.state not in ("running", "pending"):
        return run
    owner = await ledger.owner()
    if not is_abandoned(run_lock(ledger, settings), owner.host if owner is not None else None):
        return run
    return run.model_copy(update={"state": "failed", "error": ErrorInfo.model_validate(interrupted(run.run_id))})


def _not_started(header: Header, program: Program) -> Run:
    return Run(
        run_id=header.run_id,
        correlation_id=header.correlation_id,
        state="pending",
        planner=program.source.plan.planner,
        rehearsal=header.rehearse,
        started_at=header.created_at,
        cost_usd=Decimal(0),
        tasks=tuple(Outcome(id=leaf.path, agent=leaf.agent) for leaf in program.leaves),
    )
