"""The work behind the deployed flows."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from genesis.dispatch.retry_decision import SUSPENDED
from genesis.engine.observers.run_events import emit_refusal
from genesis.errors import RunError
from genesis.flows.launch import Launch, resume_run, start_run
from genesis.flows.orchestrate import final_state
from genesis.flows.preflight import publish_report
from genesis.flows.run_request import RunRequest
from genesis.flows.signals import StopSignals
from genesis.ledger import Ledger, LedgerStore, new_run_id, open_store
from genesis.ledger.control import Control
from genesis.ledger.history import open_ledger
from genesis.model import KEPT, Outcome, Run
from genesis.model.tenant import check_tenant, tenant_in_tags
from genesis.observability.correlation import bind_context, current, new_id
from genesis.pipeline import compile_prepared
from genesis.prefect_api.client import connect
from genesis.prefect_api.errors import API_ERRORS
from genesis.settings import Settings

__all__ = ["check_asked", "ledger_of", "make_end_state", "run_asked", "run_id_of"]

_log = logging.getLogger(__name__)
_TOKEN_CHARACTERS = 12
"""Hexadecimal digits of an id that is derived from a flow run: 48 bits."""
_ASK_S = 5.0
"""Time limit for reading the flow run's state."""
_MOST_STARTS = 20
"""A run that is taken over this often is assumed to crash its process."""


def run_id_of(flow_run: FlowRun) -> str:
    """Derive the run's id from its flow run, so that a retry of it finds the ledger and continues.

    All of the flow run's id counts: runs that a scheduler makes at once share its leading digits, which are their time.
    """
    if flow_run.created is None:
        raise RunError(f"flow run {flow_run.id} has no time of creation")
    token = hashlib.sha256(flow_run.id.bytes).hexdigest()[:_TOKEN_CHARACTERS]
    return new_run_id(flow_run.created, token)


async def ledger_of(flow_run: FlowRun, store: LedgerStore, settings: Settings) -> Ledger:
    """Open the ledger that belongs to a flow run; one that is still to begin where it has none.

    Raises:
        RunError: The ledger of that name belongs to another flow run.
    """
    ledger = open_ledger(store, run_id_of(flow_run), settings)
    if await ledger.exists():
        owner = (await ledger.header()).flow_run_id
        if owner != str(flow_run.id):
            whose = f"flow run {owner!r}" if owner else "no flow run of a deployment"
            raise RunError(
                f"run {ledger.run_id!r} belongs to {whose}, and flow run {str(flow_run.id)!r} may not continue with it",
                hint=f"to continue with it by hand: genesis resume {ledger.run_id}",
                code="GEN-RUN-OWNER",
            )
        return ledger
    former = open_ledger(store, _former_run_id(flow_run), settings)
    return former if await _is_former(former, flow_run) else ledger


def _former_run_id(flow_run: FlowRun) -> str:
    """Name a run as Genesis 0.1 did: by the leading digits of the flow run's id, which other flow runs can share."""
    assert flow_run.created is not None  # noqa: S101  # for the type checker: `run_id_of` has looked
    return new_run_id(flow_run.created, flow_run.id.hex[:_TOKEN_CHARACTERS])


async def _is_former(ledger: Ledger, flow_run: FlowRun) -> bool:
    """Whether a ledger of the former name is this flow run's: nobody of the same name was the last to have it."""
    if not await ledger.exists() or (await ledger.header()).flow_run_id is not None:
        return False
    owner = await ledger.owner()
    if owner is None or owner.flow_run_id == str(flow_run.id):
        return True
    digits = owner.flow_run_id.replace("-", "")
    return digits[:_TOKEN_CHARACTERS] != flow_run.id.hex[:_TOKEN_CHARACTERS]


async def run_asked(asked: RunRequest) -> object:
    """Run what is asked for on the pools, inside the current flow run; a retry continues where the last try was.

    Returns:
        The Prefect state in which the flow run ends.
    """
    flow_run = _flow_run()
    if flow_run.run_count > _MOST_STARTS:
        raise RunError(
            f"flow run {flow_run.name!r} was started {flow_run.run_count} times",
            hint="it crashes its process each time: check the workers' logs; then: genesis resume "
            f"{run_id_of(flow_run)}",
        )
    settings = asked.settings(Settings())
    tenant = check_tenant(asked.tenant) or tenant_in_tags(flow_run.tags)
    asked = replace(asked, correlation_id=asked.correlation_id or current().correlation_id)
    signals = StopSignals(Control(), _log.warning)
    signals.listen()
    launch = Launch(
        settings,
        control=signals.control,
        observer=signals,
        pools=True,
        notify=_log.warning,
        deployed=True,
        tenant=tenant,
    )
    with bind_context(correlation_id=asked.correlation_id or new_id()):
        work = asyncio.create_task(_start_or_resume(asked, launch, flow_run))
    try:
        run = await asyncio.shield(work)
    except asyncio.CancelledError:
        if not await _is_cancelled(flow_run):  # it continues in another process, with all that it has dispatched
            work.cancel()
            raise
        signals.control.cancel()
        run = await work
    return final_state(run)


async def _is_cancelled(flow_run: FlowRun) -> bool:
    """Whether a person has cancelled a flow run; a server that does not say so has not heard of it."""
    try:
        async with asyncio.timeout(_ASK_S), connect(_log.info) as api:
            state = (await api.call(lambda client: client.read_flow_run(flow_run.id))).state
    except API_ERRORS as error:
        _log.warning("the server does not report whether the run is cancelled", extra={"reason": repr(error)})
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())


async def _start_or_resume(asked: RunRequest, launch: Launch, flow_run: FlowRun) -> Run:
    store = await open_store()
    ledger = await ledger_of(flow_run, store, launch.settings)
    run_id = ledger.run_id
    if await ledger.exists():
        return await resume_run(run_id, launch)
    async with emit_refusal(run_id, current().correlation_id or ""):
        prepared = await asyncio.to_thread(asked.prepare_plan, launch.settings)
        if not prepared.report.ok:
            await publish_report(prepared.report)
        program = compile_prepared(prepared, launch.settings)
    try:
        return await start_run(program, launch, run_id, flow_run_id=flow_run.id)
    except RunError as error:
        if error.code != "GEN-RUN-EXISTS":
            raise
        # Whoever was to begin it, and was taken for lost, has done so while this process waited for its turn.
        return await resume_run((await ledger_of(flow_run, store, launch.settings)).run_id, launch)


async def check_asked(asked: RunRequest) -> object:
    """Plan and check what is asked for; nothing runs.

    Returns:
        Completed where the plan can run, else Failed with its first error.
    """
    prepared = await asyncio.to_thread(asked.prepare_plan, asked.settings(Settings()))
    report = prepared.report
    await publish_report(report)
    if report.ok:
        return Completed(message=f"quality {report.score:.2f}, {len(report.warnings)} warnings")
    return Failed(message=f"{len(report.errors)} errors: {report.errors[0].message}")


def make_end_state(ended: Sequence[Outcome], wanted: int, *, suspended: bool = False) -> object:
    """Return the state of a flow run of `agent_task`: what its tasks came to.

    Args:
        ended: The outcomes of those that were begun.
        wanted: How many it was to do.
        suspended: Whether the others were left to be dispatched again, since their run was suspended.
    """
    failed = [outcome for outcome in ended if outcome.state not in KEPT]
    if not failed and len(ended) == wanted:
        return Completed(message=f"{wanted} task{'s' if wanted > 1 else ''}")
    if suspended:
        return Completed(message=f"{SUSPENDED} after {len(ended)} of {wanted} tasks")
    names = ", ".join(repr(outcome.id) for outcome in failed)
    first = failed[0].error if failed else None
    return Failed(message=f"{names} {failed[0].state if failed else 'left out'}{': ' + first.message if first else ''}")


def _flow_run() -> FlowRun:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RunError("this runs only as a separate flow run")
    return context.flow_run
