"""Remove what is no longer needed."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.states import Completed

from genesis.errors import UsageError
from genesis.execute.artifacts import Publisher
from genesis.execute.history import open_ledger
from genesis.execute.ledger import Store, list_runs, open_store
from genesis.settings import Settings

__all__ = ["purge"]

_OVER = ("completed", "failed", "cancelled", "refused", "budget_exceeded")


async def purge(keep_days: int, *, dry_run: bool) -> object:
    """Remove the ledgers of runs that ended long ago, inside the current flow run; the list is an artifact.

    Args:
        keep_days: Runs that ended fewer days ago are kept, and so is every run that has not ended.
        dry_run: Only say what would be removed.

    Raises:
        UsageError: The number of days is negative.
    """
    if keep_days < 0:
        raise UsageError(f"keep_days is {keep_days}", hint="give 0 or more")
    store = await open_store()
    found = await _old(store, datetime.now(UTC) - timedelta(days=keep_days))
    if found is None:
        return Completed(message=f"{store.url('genesis')} cannot list its runs; use the lifecycle rules of the storage")
    if not dry_run:
        for folder in found:
            await asyncio.to_thread(shutil.rmtree, folder)
    did = "would be removed" if dry_run else "removed"
    names = "\n".join(f"- `{folder.name}`" for folder in found)
    await Publisher().markdown("genesis-housekeeping", f"**{len(found)} runs {did}**\n\n{names}", "Housekeeping")
    return Completed(message=f"{len(found)} runs {did}")


async def _old(store: Store, before: datetime) -> list[Path] | None:
    """Find the folders of runs that ended before a time; None where the storage cannot list."""
    runs = await list_runs(store)
    if runs is None:
        return None
    found = []
    for run_id in runs:
        ledger = open_ledger(store, run_id, Settings())
        run = await ledger.load()
        if run and ledger.folder and run.state in _OVER and run.ended_at and run.ended_at < before:
            found.append(ledger.folder)
    return found
