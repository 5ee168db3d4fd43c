"""Remove single files that are old: cached results that may not be used any more, and log files that were put aside."""

from __future__ import annotations

import asyncio
import re
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from genesis.ledger import FolderStore, LedgerStore
from genesis.ledger.cache import FOLDER, is_entry_expired
from genesis.observability.log_setup import log_file
from genesis.retention.removal import why_not
from genesis.retention.report import PurgeKind, Purging
from genesis.settings import Settings

__all__ = ["purge_cache", "purge_logs"]

_PUT_ASIDE = re.compile(r"\.\d[\w.\-:]*")
"""What follows the name of a log file that was put aside: a number or a time. A lock beside it is none."""


async def purge_cache(purging: Purging, store: LedgerStore) -> None:
    """Remove results for other runs that are old, and past the time that the tasks that wrote them allow."""
    if not isinstance(store, FolderStore):
        purging.note(f"{store.url(FOLDER)} cannot list its entries; use the lifecycle rules of the storage")
        return
    root = store.root / FOLDER
    now = datetime.now(UTC)

    def is_expired(path: Path) -> bool:
        return is_entry_expired(path.read_bytes(), purging.before, now)

    # Their folders stay, 256 at most: one that goes away just then would fail a run that writes into it.
    files = (path for folder in _list_folder(root) if folder.is_dir() for path in _list_folder(folder))
    await asyncio.to_thread(_purge, purging, "cache", files, is_expired)


async def purge_logs(purging: Purging, settings: Settings) -> None:
    """Remove log files that were put aside long ago; the one that is written to stays."""
    log = log_file(settings)
    length = len(log.name)
    files = (
        path
        for path in _list_folder(log.parent)
        if path.name.startswith(log.name) and _PUT_ASIDE.fullmatch(path.name[length:])
    )
    await asyncio.to_thread(_purge, purging, "logs", files, lambda _path: True)


def _purge(purging: Purging, kind: PurgeKind, files: Iterator[Path], unneeded: Callable[[Path], bool]) -> None:
    """Remove files that were last written before the time. This is the boundary for what cannot be removed."""
    for path in files:
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_mtime >= purging.before.timestamp() or not unneeded(path):
                continue
            if not purging.dry_run:
                path.unlink()
        except FileNotFoundError:  # another purge was quicker
            continue
        except OSError as error:
            purging.record_failed(kind, str(path), why_not(error))
        else:
            purging.record_removed(kind, str(path), status.st_size)


def _list_folder(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
