"""The ledger: what is known of a run, in Prefect's result storage. It is the truth; the UI is a view."""

from genesis.execute.ledger.ledger import Ledger, is_done, list_runs
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
from genesis.execute.ledger.store import BlockStore, FolderStore, Store, open_store

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
