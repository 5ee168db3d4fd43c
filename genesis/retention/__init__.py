"""Retention: remove by age what runs leave behind, and nothing that has not ended or is being worked on."""

from __future__ import annotations

from genesis.ledger import LedgerStore, open_store
from genesis.retention.files import purge_cache, purge_logs
from genesis.retention.report import Amount, KeptItem, Purge, PurgeKind, Purging, before_days
from genesis.retention.runs import purge_files, purge_runs
from genesis.settings import Settings

__all__ = ["Amount", "KeptItem", "Purge", "PurgeKind", "Purging", "before_days", "purge_storage"]


async def purge_storage(settings: Settings, purging: Purging, store: LedgerStore | None = None) -> None:
    """Purge all that needs no server: ledgers, files of agents, cached results, log files.

    Args:
        settings: Where the home and the log file are.
        purging: What is old, and whether to remove it. It receives what was done.
        store: Where ledgers are; Prefect's result storage if omitted.

    Raises:
        ServiceError: The storage cannot be opened.
        ResourceError: It cannot be listed.
    """
    store = store or await open_store()
    await purge_files(purging, store, settings)  # before the ledgers, which say whether they are old
    await purge_runs(purging, store, settings)
    await purge_cache(purging, store)
    await purge_logs(purging, settings)
