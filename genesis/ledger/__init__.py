"""The ledger: what is known of a run, in Prefect's result storage. It is the truth; the UI is a view."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genesis.ledger.ledger import Ledger, find_kept, is_done
    from genesis.ledger.lock import RunLock
    from genesis.ledger.records import (
        Header,
        LaneOrder,
        LaneState,
        Moments,
        Owner,
        leaf_name,
        new_run_id,
        parse_amendments,
        parse_header,
        trace_id,
    )
    from genesis.ledger.store import BlockStore, FolderStore, LedgerStore, list_runs, open_store

_HOMES = {
    "BlockStore": "genesis.ledger.store",
    "FolderStore": "genesis.ledger.store",
    "Header": "genesis.ledger.records",
    "LaneOrder": "genesis.ledger.records",
    "LaneState": "genesis.ledger.records",
    "Ledger": "genesis.ledger.ledger",
    "Moments": "genesis.ledger.records",
    "Owner": "genesis.ledger.records",
    "RunLock": "genesis.ledger.lock",
    "LedgerStore": "genesis.ledger.store",
    "find_kept": "genesis.ledger.ledger",
    "is_done": "genesis.ledger.ledger",
    "leaf_name": "genesis.ledger.records",
    "list_runs": "genesis.ledger.store",
    "new_run_id": "genesis.ledger.records",
    "open_store": "genesis.ledger.store",
    "parse_amendments": "genesis.ledger.records",
    "parse_header": "genesis.ledger.records",
    "trace_id": "genesis.ledger.records",
}

__all__ = [
    "BlockStore",
    "FolderStore",
    "Header",
    "LaneOrder",
    "LaneState",
    "Ledger",
    "LedgerStore",
    "Moments",
    "Owner",
    "RunLock",
    "find_kept",
    "is_done",
    "leaf_name",
    "list_runs",
    "new_run_id",
    "open_store",
    "parse_amendments",
    "parse_header",
    "trace_id",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: a list of runs needs the store alone."""
    if name not in _HOMES:
        raise AttributeError(f"module 'genesis.ledger' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
