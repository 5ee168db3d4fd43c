"""What the ledger knows of runs. Nothing here needs a server."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from genesis.errors import UsageError
from genesis.ledger import Header, Ledger, LedgerStore, RunLock, open_store
from genesis.ledger.lock import describe_interruption, is_abandoned
from genesis.ledger.program_state import ProgramState
from genesis.model import ErrorInfo, Run
from genesis.settings import Settings

__all__ = [
    "files_folder",
    "find_run",
    "load_program_state",
    "mark_if_interrupted",
    "open_ledger",
    "run_lock",
    "still_there",
]


def open_ledger(store: LedgerStore, run_id: str, settings: Settings) -> Ledger:
    """Name a run's ledger in a store; nothing is read.

    Raises:
        UsageError: The run id is not one.
    """
    limits = settings.limits
    return Ledger(store, run_id, inline_bytes=limits.result_inline_bytes, most_bytes=limits.result_bytes)


def run_lock(ledger: Ledger, settings: Settings, *, existing: bool = False) -> RunLock:
    """Return the lock of a run: in its folder, or on this machine where the storage is elsewhere.

    Args:
        ledger: The run's ledger.
        settings: Where the home is.
        existing: The run was found before; its folder is not made again where a purge has removed it since.
    """
    if ledger.folder is None:
        return RunLock(settings.home / "locks" / ledger.run_id, ledger.run_id)
    return RunLock(ledger.folder / ".lock", ledger.run_id, existing=existing)


def files_folder(ledger: Ledger, settings: Settings) -> Path:
    """Return the folder on this machine for what a run's agents leave."""
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


async def load_program_state(ledger: Ledger, header: Header, settings: Settings) -> ProgramState:
    """Return what a run does, as it stands: its program with all that was added while it ran.

    Raises:
        RunError: Its ledger is damaged.
    """
    from genesis.pipeline import program_of  # noqa: PLC0415  # with all of planning, which a list of runs needs not

    amendments = await ledger.amendments()
    return ProgramState(program_of(header.document, header.registry, settings, amendments), amendments)


async def mark_if_interrupted(run: Run, ledger: Ledger, settings: Settings) -> Run:
    """Tell a run that is running from one whose process has gone. Of another host's processes nothing is known here."""
    if run.state not in ("running", "pending"):
        return run
    owner = await ledger.owner()
    if not is_abandoned(run_lock(ledger, settings), owner.host if owner is not None else None):
        return run
    return run.model_copy(
        update={"state": "failed", "error": ErrorInfo.model_validate(describe_interruption(run.run_id))}
    )
