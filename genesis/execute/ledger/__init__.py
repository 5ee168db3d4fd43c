"""The ledger: what is known of a run, in Prefect's result storage. It is the truth; the UI is a view."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genesis.execute.ledger.ledger import Ledger, is_done
    from genesis.execute.ledger.lock import RunLock
    from genesis.execute.ledger.records import (
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
    from genesis.execute.ledger.store import BlockStore, FolderStore, Store, list_runs, open_store

_HOMES = {
    "BlockStore": "genesis.execute.ledger.store",
    "FolderStore": "genesis.execute.ledger.store",
    "Header": "genesis.execute.ledger.records",
    "LaneOrder": "genesis.execute.ledger.records",
    "LaneState": "genesis.execute.ledger.records",
    "Ledger": "genesis.execute.ledger.ledger",
    "Moments": "genesis.execute.ledger.records",
    "Owner": "genesis.execute.ledger.records",
    "RunLock": "genesis.execute.ledger.lock",
    "Store": "genesis.execute.ledger.store",
    "is_done": "genesis.execute.ledger.ledger",
    "leaf_name": "genesis.execute.ledger.records",
    "list_runs": "genesis.execute.ledger.store",
    "new_run_id": "genesis.execute.ledger.records",
    "open_store": "genesis.execute.ledger.store",
    "parse_amendments": "genesis.execute.ledger.records",
    "parse_header": "genesis.execute.ledger.records",
    "trace_id": "genesis.execute.ledger.records",
}

__all__ = [
    "BlockStore",
    "FolderStore",
    "Header",
    "LaneOrder",
    "LaneState",
    "Ledger",
    "Moments",
    "Owner",
    "RunLock",
    "Store",
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
        raise AttributeError(f"module 'genesis.execute.ledger' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
