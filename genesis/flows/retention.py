"""Remove what is no longer needed, inside a flow run: the storage's part, and on demand the server's."""

from __future__ import annotations

import logging
from functools import partial

from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Failed

from genesis.engine.observers.artifacts import Publisher, publish_safely
from genesis.engine.observers.run_events import emit_housekeeping
from genesis.errors import RunError, SecurityError, UsageError
from genesis.flows.deployed_run import ledger_of
from genesis.ledger import LedgerStore, open_store
from genesis.ledger.history import open_ledger
from genesis.prefect_api.client import connect
from genesis.report.rendering import render
from genesis.retention import Purge, Purging, before_days, purge_storage
from genesis.retention.flow_runs import purge_flow_runs
from genesis.settings import Settings
from genesis.text import size_text

__all__ = ["housekeeping_markdown", "purge"]

_log = logging.getLogger(__name__)
_TITLES = {
    "runs": "ledgers of runs",
    "files": "files of agents, where ledgers are elsewhere",
    "cache": "cached results",
    "logs": "log files that were put aside",
    "leftovers": "left by an interrupted purge",
    "flow_runs": "flow runs on the Prefect server",
}


async def purge(keep_days: int, *, dry_run: bool, flow_runs: bool = False) -> object:
    """Remove what ended runs left long ago, inside the current flow run; the list is an artifact.

    Args:
        keep_days: What ended fewer days ago is kept, and so is every run that has not ended.
        dry_run: Only say what would be removed.
        flow_runs: Remove Prefect's flow runs of Genesis, too.

    Returns:
        The Prefect state in which the flow run ends: failed only where something could not be removed.

    Raises:
        UsageError: The number of days is negative, or beyond a hundred years.
        SecurityError: This worker does not agree to remove anything, or not what is that young.
    """
    settings = Settings()
    if not dry_run:
        _refuse_removal(keep_days, settings.worker.purge_min_days)
    purging = Purging(before_days(keep_days), dry_run=dry_run)
    store = await open_store()
    if flow_runs:  # before the ledgers, which say whether a run has ended
        async with connect(_log.info) as api:
            await purge_flow_runs(purging, api.client, partial(_is_open, store, settings, {}))
    await purge_storage(settings, purging, store)
    found = purging.purge()
    await publish_safely("what housekeeping did", _publish(found))
    await emit_housekeeping(found, keep_days)
    return Failed(message=found.message()) if found.failed else Completed(message=found.message())


def _refuse_removal(keep_days: int, least_days: int | None) -> None:
    """Refuse to remove what the worker's own settings keep, whoever asks for it over the API."""
    if least_days is None:
        raise SecurityError(
            "this worker removes nothing for a deployed housekeeping",
            hint="its operator can agree to it with GENESIS_WORKER__PURGE_MIN_DAYS=30; by hand: genesis runs purge",
            code="GEN-PURGE-CONSENT",
        )
    if keep_days < least_days:
        raise SecurityError(
            f"keep_days is {keep_days}, and this worker keeps what ended less than {least_days} days ago",
            hint="ask for more days, or lower GENESIS_WORKER__PURGE_MIN_DAYS of the worker",
            code="GEN-PURGE-CONSENT",
        )


async def _is_open(store: LedgerStore, settings: Settings, known: dict[str, bool], flow_run: FlowRun) -> bool:
    """Whether a flow run is of a run that its ledger says has not ended; one without a ledger has.

    Args:
        store: Where ledgers are.
        settings: How they are read.
        known: What was found of runs; it is added to.
        flow_run: One that orchestrated the run, or a child that ran tasks of it.
    """
    given = flow_run.parameters.get("run_id")
    try:
        ledger = (
            open_ledger(store, given, settings)
            if isinstance(given, str)
            else await ledger_of(flow_run, store, settings)
        )
    except UsageError:  # somebody's own flow, with a parameter of that name
        return False
    except RunError:  # nothing is known of its run
        return True
    if ledger.run_id not in known:
        run = await ledger.load()
        known[ledger.run_id] = await ledger.exists() and (run is None or run.ended_at is None)
    return known[ledger.run_id]


async def _publish(found: Purge) -> None:
    await Publisher().markdown("genesis-housekeeping", housekeeping_markdown(found), "Housekeeping: what was removed")


def housekeeping_markdown(found: Purge) -> str:
    """Format a purge as Markdown: a table by kind, then what was removed, kept, and not removable."""
    sizes = {kind: "" if kind == "flow_runs" else size_text(amount.bytes) for kind, amount in found.amounts.items()}
    return render("housekeeping.md", found=found, titles=_TITLES, sizes=sizes)
