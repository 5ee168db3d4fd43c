"""The flow that runs a whole program: pre-flight, then every leaf as a task run."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import httpx
from prefect import flow
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Completed, Failed
from prefect.utilities.urls import url_for

from genesis.errors import PlanInvalidError, ServiceError
from genesis.execute.attempt import error_info
from genesis.execute.control import Control
from genesis.execute.driver import Ending
from genesis.execute.lifecycle import RunRecord, run_leaves
from genesis.execute.session import Session
from genesis.flows.preflight import run_preflight
from genesis.model import Run
from genesis.pipeline import refuse_invalid
from genesis.validation import Probe

__all__ = ["orchestrate"]

_log = logging.getLogger(__name__)


async def orchestrate(session: Session, control: Control, probe: Probe | None) -> Run:
    """Run a session: in a flow run of its own, or inside the flow run that calls this.

    Raises:
        ServiceError: The Prefect API cannot be reached to begin with. Once leaves run, losing it does not stop them.
    """
    if FlowRunContext.get() is not None:
        return await _in_flow_run(session, control, probe)
    kept: list[Run] = []

    @flow(
        name="orchestrate",
        flow_run_name=f"{session.run_id} · {' '.join(session.program.request.split())[:80]}",
        validate_parameters=False,
        persist_result=False,
        log_prints=False,
    )
    async def whole_run(run_id: str, request: str) -> object:
        run = await _in_flow_run(session, control, probe)
        kept.append(run)
        return _final_state(run)

    try:
        from prefect import tags

        with tags("genesis", f"cid:{session.correlation_id}"):
            await whole_run(session.run_id, session.program.request, return_state=True)
    except (httpx.HTTPError, PrefectException, OSError) as error:
        if not kept:
            raise ServiceError(
                f"the Prefect API stopped answering: {error!r}"[:400],
                hint=f"run: genesis doctor, then: genesis resume {session.run_id}",
            ) from error
        _log.warning("the Prefect API did not take the end of the run", extra={"reason": repr(error)})
    return kept[0]


async def _in_flow_run(session: Session, control: Control, probe: Probe | None) -> Run:
    context = FlowRunContext.get()
    url = url_for("flow-run", obj_id=context.flow_run.id) if context and context.flow_run else None
    record = RunRecord(session, url)
    report = await run_preflight(session.program, session.settings, probe)
    try:
        refuse_invalid(report)
    except PlanInvalidError as error:
        return await record.ended(Ending("failed", error_info(error)), {})
    return await run_leaves(session, control, record)


def _final_state(run: Run) -> object:
    message = run.error.message if run.error else f"{len(run.tasks)} tasks"
    if run.state == "completed":
        return Completed(message=message)
    if run.state == "cancelled":
        return Cancelled(message="the run was cancelled")
    return Failed(message=message)
