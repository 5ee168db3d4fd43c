"""Remove ledgers of runs that ended long ago, and what agents left where ledgers are elsewhere.

A run is removed under its lock, after a second look at it, so that one that is being resumed stays. Who wants to resume
it a moment later finds it whole or not at all: `genesis.ledger.history.still_there` asks once more under the lock.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from genesis.errors import GenesisError, RunError, UsageError
from genesis.ledger import FolderStore, Ledger, LedgerStore, list_runs
from genesis.ledger.history import open_ledger, run_lock
from genesis.retention.removal import delete, put_aside, size_of, trash_in, why_not
from genesis.retention.report import PurgeKind, Purging
from genesis.settings import Settings

__all__ = ["RunPurgeStatus", "purge_files", "purge_runs", "standing"]

_OVER = frozenset({"completed", "failed", "cancelled", "refused", "budget_exceeded"})
_DAMAGED = "its ledger is damaged; remove it by hand"
_OPEN = "it has not ended: resume it, or remove it by hand"
_UNKNOWN = "its ledger is not in this storage, or has no plan"
_LINK = "it is a link"
_LOCKED = "it is being worked on"


class RunPurgeStatus(NamedTuple):
    """How a run stands before a purge."""

    old: bool
    """Whether it has ended long enough ago."""
    why: str = ""
    """Why it stays however old it is; empty where it is only young."""


async def standing(ledger: Ledger, before: datetime) -> RunPurgeStatus:
    """Return whether a run ended before a time. What cannot be read counts as not ended.

    Raises:
        GenesisError: The storage does not answer.
    """
    if not await ledger.exists():
        return RunPurgeStatus(old=False, why=_UNKNOWN)
    run = await ledger.load()
    if run is None:
        return RunPurgeStatus(old=False, why=_DAMAGED if await ledger.has_state() else _OPEN)
    if run.state not in _OVER or run.ended_at is None:
        return RunPurgeStatus(old=False, why=_OPEN)
    if run.ended_at >= before:
        return RunPurgeStatus(old=False)
    try:
        await ledger.header()
        await ledger.amendments()
    except RunError:
        return RunPurgeStatus(old=False, why=_DAMAGED)
    except UsageError:  # it went away just now
        return RunPurgeStatus(old=False, why=_UNKNOWN)
    return RunPurgeStatus(old=True)


async def purge_runs(purging: Purging, store: LedgerStore, settings: Settings) -> None:
    """Remove the ledgers of old runs, oldest first.

    Args:
        purging: What is old, and whether to remove it. It receives what was done.
        store: Where ledgers are. Of one that cannot list, only that is reported.
        settings: How ledgers are read.
    """
    runs = await list_runs(store)
    if runs is None or not isinstance(store, FolderStore):
        purging.note(f"{store.url('genesis')} cannot list its runs; use the lifecycle rules of the storage")
        return
    folder = store.root / "genesis"
    await _leftovers(purging, folder)
    for run_id in reversed(runs):
        await _purge_folder(purging, "runs", open_ledger(store, run_id, settings), folder / run_id, settings)


async def purge_files(purging: Purging, store: LedgerStore, settings: Settings) -> None:
    """Remove what agents left on this machine for old runs whose ledgers are elsewhere, and the locks of such runs.

    Of a run that the storage does not know nothing is removed: it may be in another one.
    """
    folder, locks = settings.home / "runs", settings.home / "locks"
    await _leftovers(purging, folder)
    for ledger in _ledgers(folder, store, settings):
        await _purge_folder(purging, "files", ledger, folder / ledger.run_id, settings)
    if purging.dry_run or isinstance(store, FolderStore):
        return
    for ledger in _ledgers(locks, store, settings):
        with suppress(GenesisError, OSError):  # an empty file, for which the next purge can look again
            if not (folder / ledger.run_id).exists() and (await standing(ledger, purging.before)).old:
                with run_lock(ledger, settings):
                    (locks / ledger.run_id).unlink()


async def _purge_folder(purging: Purging, kind: PurgeKind, ledger: Ledger, folder: Path, settings: Settings) -> None:
    """Remove a run's folder if it is old. This is the boundary for what cannot be removed: the next one is tried."""
    try:
        if await _is_old(purging, kind, ledger, folder):
            await _remove(purging, kind, ledger, folder, settings)
    except FileNotFoundError:  # another purge was quicker
        return
    except (GenesisError, OSError) as error:
        purging.record_failed(kind, ledger.run_id, why_not(error))


async def _is_old(purging: Purging, kind: PurgeKind, ledger: Ledger, folder: Path) -> bool:
    """Whether a run is old; report why one stays although it looks old."""
    status = await asyncio.to_thread(folder.lstat)
    if stat.S_ISLNK(status.st_mode):
        purging.record_kept(kind, ledger.run_id, _LINK)
        return False
    found = await standing(ledger, purging.before)
    looks_old = found.why == _DAMAGED or status.st_mtime < purging.before.timestamp()
    if found.why and looks_old and await asyncio.to_thread(folder.exists):
        purging.record_kept(kind, ledger.run_id, found.why)
    return found.old


async def _remove(purging: Purging, kind: PurgeKind, ledger: Ledger, folder: Path, settings: Settings) -> None:
    size = await asyncio.to_thread(size_of, folder)
    lock = run_lock(ledger, settings, existing=True)
    if purging.dry_run:
        if lock.held_elsewhere:
            purging.record_kept(kind, ledger.run_id, _LOCKED)
        else:
            purging.record_removed(kind, ledger.run_id, size)
        return
    try:
        with lock:
            if not await _is_old(purging, kind, ledger, folder):  # it was resumed since
                return
            trash = await asyncio.to_thread(put_aside, folder)
    except UsageError:  # another purge was quicker
        return
    except RunError as error:
        if error.code != "GEN-RUN-LOCKED":
            raise
        purging.record_kept(kind, ledger.run_id, _LOCKED)
        return
    await asyncio.to_thread(delete, trash)
    purging.record_removed(kind, ledger.run_id, size)


async def _leftovers(purging: Purging, folder: Path) -> None:
    """Delete what an interrupted purge put aside, of whatever age: it has been removed already."""
    for trash in trash_in(folder):
        size = await asyncio.to_thread(size_of, trash)
        try:
            if not purging.dry_run:
                await asyncio.to_thread(delete, trash)
        except OSError as error:
            purging.record_failed("leftovers", str(trash), why_not(error))
        else:
            purging.record_removed("leftovers", str(trash), size)


def _ledgers(folder: Path, store: LedgerStore, settings: Settings) -> Iterator[Ledger]:
    """Name the ledgers of the runs that a folder of this machine has something of."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        with suppress(UsageError):  # no run is called so
            yield open_ledger(store, name, settings)
