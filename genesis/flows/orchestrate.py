"""The flow that runs a whole program: pre-flight, then every leaf as a task run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from prefect import Flow, flow
from prefect.client.schemas.objects import FlowRun
from prefect.context import AsyncClientContext, FlowRunContext
from prefect.flow_engine import run_flow_async
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, PREFECT_CLIENT_RETRY_EXTRA_CODES, temporary_settings
from prefect.states import Cancelled, Completed, Failed
from prefect.utilities.urls import url_for

from genesis.engine.attempts import error_info
from genesis.engine.ending import Ending
from genesis.engine.lifecycle import BackendFactory, RunRecord, run_leaves
from genesis.engine.local_backend import LocalBackend
from genesis.engine.observer import Observers
from genesis.engine.observers.breaker_events import emit_breaker_events
from genesis.engine.observers.log import LogObserver
from genesis.engine.observers.run_events import emit_run_events
from genesis.engine.observers.run_journal import RunJournal
from genesis.engine.observers.run_logs import lines_in_ui
from genesis.engine.observers.telemetry import RehearsalMetrics, RunMetrics, run_ended, run_span
from genesis.engine.observers.watch import RestartServer, ServerWatch
from genesis.engine.run_context import RunContext
from genesis.engine.run_lease import RunLease
from genesis.errors import GenesisError, PlanInvalidError, ResourceError, RunError, ServiceError
from genesis.flows.preflight import run_preflight
from genesis.ledger.control import Control
from genesis.model import Run
from genesis.pipeline import refuse_invalid
from genesis.prefect_api.client import PrefectClient
from genesis.prefect_api.errors import API_ERRORS, CLIENT_ERRORS, status_of
from genesis.prefect_api.events_client import retry_events
from genesis.prefect_api.names import REHEARSAL_TAG
from genesis.report.explain import explain
from genesis.resilience.call_retries import call_with_retries
from genesis.resilience.retry import RetryPolicy

__all__ = ["final_state", "orchestrate"]

_log = logging.getLogger(__name__)
_CREATION = RetryPolicy(retries=3, first_s=2.0)
"""Of the flow run that orchestrates: creating it is not idempotent."""
_OVERLOADED = frozenset({408, 500, 504})
"""Status codes of an overloaded server, in addition to those that Prefect's client retries: 429, 502 and 503."""


async def orchestrate(
    session: RunContext,
    control: Control,
    restart_server: RestartServer | None = None,
    backend: BackendFactory = LocalBackend,
) -> Run:
    """Run a session: in a flow run of its own, or inside the flow run that calls this.

    Args:
        session: What to run and with what.
        control: Asks it to stop.
        restart_server: Brings the Prefect server back when it has gone; None where it is not ours.
        backend: Makes the backend that runs the leaves.

    Raises:
        ServiceError: The Prefect API cannot be reached to begin with. Once leaves run, losing it does not stop them.
    """
    if FlowRunContext.get() is not None:
        with _patient():
            return await _in_flow_run(session, control, backend)
    kept: list[Run] = []
    raised: list[BaseException] = []

    @flow(name="orchestrate", validate_parameters=False, persist_result=False, log_prints=False)
    async def whole_run(run_id: str, request: str) -> object:
        del run_id, request  # they are there for the reader of the UI
        try:
            async with ServerWatch(restart_server) as watch:
                kept.append(await _in_flow_run(session, control, backend))
                await watch.check()
        except BaseException as error:  # Prefect keeps what a flow raises to itself
            raised.append(error)
            raise
        if watch.gone:  # let Prefect's client give up at once: the ledger has everything
            stack.enter_context(temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}))
        return final_state(kept[0])

    parameters = {"run_id": session.run_id, "request": session.program.request}
    try:
        with ExitStack() as stack:
            stack.enter_context(_patient())
            async with AsyncExitStack() as clients:
                context = await _connect(clients)
                flow_run = await _create_flow_run(context.client, whole_run, session, parameters)
                await run_flow_async(whole_run, flow_run=flow_run, parameters=parameters, return_type="state")
    except API_ERRORS as error:
        if not kept and not raised:
            raise _make_api_error(error, session.run_id) from error
        _log.warning("the Prefect API did not accept the final state of the run", extra={"reason": repr(error)})
    if kept:
        return kept[0]
    cause = raised[0] if raised else RunError("Prefect did not start the flow run", hint="run: genesis doctor")
    if isinstance(cause, API_ERRORS):
        raise _make_api_error(cause, session.run_id) from cause
    raise cause


@contextmanager
def _patient() -> Iterator[None]:
    """Make Prefect's clients retry all status codes of an overloaded server."""
    retry_events()
    asked: set[int] = PREFECT_CLIENT_RETRY_EXTRA_CODES.value()
    with temporary_settings({PREFECT_CLIENT_RETRY_EXTRA_CODES: asked | _OVERLOADED}):
        yield


def _make_api_error(error: BaseException, run_id: str) -> GenesisError:
    """Return why the API cannot be reached: it does not respond, or this process may not open a connection to it."""
    said = f"the Prefect API stopped answering: {error!r}"[:400]
    source: BaseException | None = error
    while source is not None:
        if ResourceError.is_meant_by(source):
            return ResourceError.of(source, said, hint=f"then run: genesis resume {run_id}")
        source = source.__cause__ or source.__context__
    return ServiceError(said, hint=f"run: genesis doctor, then: genesis resume {run_id}")


async def _connect(clients: AsyncExitStack) -> AsyncClientContext:
    """Connect. Prefect's client says by a bare `RuntimeError` that what answers is no Prefect, or another version."""
    try:
        return await clients.enter_async_context(AsyncClientContext.get_or_create())
    except RuntimeError as error:
        raise ServiceError(
            f"the Prefect API cannot be used: {error}", hint="correct PREFECT_API_URL, and run: genesis doctor"
        ) from error


async def _create_flow_run(
    client: PrefectClient, whole_run: Flow[Any, Any], session: RunContext, parameters: dict[str, str]
) -> FlowRun:
    """Create the flow run. Its tags stay on it: inherited by task runs, each would ask for concurrency slots.

    A server whose database is busy answers that it is unavailable; that passes.
    """

    async def create() -> FlowRun:
        return await client.create_flow_run(whole_run, name=_name(session), tags=_tags(session), parameters=parameters)

    return await call_with_retries(create, policy=_CREATION, safe=_has_done_nothing)


def _has_done_nothing(error: Exception) -> bool:
    """Whether the server says that it is unavailable: any other error may have come after it made the flow run."""
    return status_of(error) == HTTPStatus.SERVICE_UNAVAILABLE


def _name(session: RunContext) -> str:
    rehearsal = "rehearsal · " if session.rehearse is not None else ""
    return f"{session.run_id} · {rehearsal}{' '.join(session.program.request.split())[:80]}"


def _tags(session: RunContext) -> list[str]:
    rehearsal = [REHEARSAL_TAG] if session.rehearse is not None else []
    return [*session.tags, *rehearsal]


async def _mark_flow_run(context: FlowRunContext, session: RunContext) -> None:
    """Set the name and tags of the run on a flow run that someone else has created."""
    if context.flow_run is None or not isinstance(context.client, PrefectClient):
        return
    tags = {*context.flow_run.tags, *_tags(session)}
    await context.client.update_flow_run(context.flow_run.id, name=_name(session), tags=sorted(tags))


async def _in_flow_run(session: RunContext, control: Control, backend: BackendFactory) -> Run:
    async with emit_run_events(session, pools=backend is not LocalBackend) as events:
        return await _run_recorded(replace(session, observer=Observers(session.observer, events)), control, backend)


async def _run_recorded(session: RunContext, control: Control, backend: BackendFactory) -> Run:
    context = FlowRunContext.get()
    url = url_for("flow-run", obj_id=context.flow_run.id) if context and context.flow_run else None
    told = LogObserver(session.run_id, session.correlation_id, rehearsal=session.rehearse)
    journal = RunJournal.of(session)
    counts = RunMetrics() if session.rehearse is None else RehearsalMetrics()
    session = replace(session, observer=Observers(session.observer, counts, told, journal))
    record = RunRecord(session, url, journal)
    try:
        with run_span(session, earlier=session.earlier) as made, lines_in_ui(session.settings):
            if context is not None and session.deployed:
                await _mark_flow_run(context, session)
            run = await _check_and_run(session, control, backend, record)
            run_ended(made, run)
            return run
    except CLIENT_ERRORS as error:
        await record.record_fault(_make_api_error(error, session.run_id))
        raise
    except Exception as error:  # noqa: BLE001  # the boundary of a run: whatever ends it, its state is saved
        return await record.record_fault(error)


async def _check_and_run(session: RunContext, control: Control, backend: BackendFactory, record: RunRecord) -> Run:
    report = await run_preflight(session.program, session.settings, session.probe)
    try:
        refuse_invalid(report)
    except PlanInvalidError as error:
        known = await session.ledger.read_outcomes(session.program.leaves)  # a resume that is refused loses nothing
        return await record.record_end(Ending("failed", error_info(error), report.errors), known)
    async with emit_breaker_events(session), RunLease(session.ledger, control, alive=session.deployed):
        return await run_leaves(session, control, record, backend)


def final_state(run: Run) -> object:
    """Make the Prefect state that a run ends in.

    Prefect's pages offer to retry a flow run only where a deployment made it; the message says what works for each.
    """
    explained = explain(run, ())
    if run.state == "completed":
        return Completed(message="; ".join(filter(None, (f"{len(run.tasks)} tasks", run.shortfall))))
    if explained is None:
        return Failed(message=f"the run is {run.state}")
    message = f"{explained.summary}. To continue: {explained.command}" if explained.command else explained.summary
    if run.state == "briefed":
        return Completed(name="Briefed", message=message)
    return Cancelled(message=message) if run.state == "cancelled" else Failed(message=message)
