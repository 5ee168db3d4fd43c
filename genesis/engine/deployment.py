"""Use an existing Prefect deployment as an agent."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import MissingResult, ObjectNotFound, UnfinishedRun
from prefect.states import Cancelling
from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_jsonable_python

from genesis.agents.contract import Result, Work
from genesis.agents.untrusted_inputs import refuse_untrusted
from genesis.engine.limits import FLOW_RUN_FIRST_POLL_S, FLOW_RUN_LONGEST_POLL_S
from genesis.errors import TaskError
from genesis.model import DeploymentSpec
from genesis.prefect_api.client import PrefectApi, connect
from genesis.prefect_api.errors import API_ERRORS, service_errors
from genesis.prefect_api.names import OWN_TAG, correlation_tag

__all__ = ["DeploymentRunner"]

_log = logging.getLogger(__name__)
_CANCEL_S = 5.0
"""Time limit for cancelling the flow run of a cancelled leaf."""


class DeploymentRunner:
    """Creates a flow run of the deployment, waits for it, and takes its result where it was persisted.

    Args:
        spec: Which deployment.
    """

    def __init__(self, spec: DeploymentSpec):
        self._spec = spec
        self._name = spec.name

    async def execute(self, work: Work) -> Result:
        """Run the deployment with the leaf's inputs as its parameters.

        Raises:
            TaskError: There is no such deployment, or its run did not complete.
        """
        refuse_untrusted(work, self._spec, {})
        creation = asyncio.create_task(self._create(work))
        try:
            run = await asyncio.shield(creation)
            with service_errors():
                done = await self._wait(run)
        except asyncio.CancelledError:
            await self._cancel(creation)
            raise
        state = done.state
        if state is None or not state.is_completed():
            said = f"{state.name}: {state.message}" if state else "unknown"
            raise TaskError(
                f"flow run {done.name!r} of deployment {self._name!r} ended {said}", hint=f"its id is {done.id}"
            )
        return Result(value={"flow_run_id": str(done.id), "result": await _result(done)})

    async def _create(self, work: Work) -> FlowRun:
        try:
            return await arun_deployment(
                self._name,
                parameters=dict(work.inputs),
                timeout=0,
                tags=[OWN_TAG, correlation_tag(work.correlation_id)],
                flow_run_name=f"{work.agent.name} · {work.path}",
            )
        except (ObjectNotFound, ValueError) as error:
            raise TaskError(
                f"deployment {self._name!r} cannot be run: {error}", hint="run: prefect deployment ls"
            ) from error

    async def _wait(self, run: FlowRun) -> FlowRun:
        """Wait for the end of a flow run, also while the API is away: a repeat of the leaf would do the work twice."""
        pause = FLOW_RUN_FIRST_POLL_S
        async with connect(_log.info) as api:
            while run.state is None or not run.state.is_final():
                await asyncio.sleep(pause)
                pause = min(FLOW_RUN_LONGEST_POLL_S, pause * 1.5)
                run = await self._read(api, run.id)
        return run

    async def _read(self, api: PrefectApi, flow_run_id: UUID) -> FlowRun:
        try:
            return await api.call(lambda client: client.read_flow_run(flow_run_id))
        except ObjectNotFound as error:
            raise TaskError(
                f"flow run {str(flow_run_id)!r} of deployment {self._name!r} was deleted before it ended",
                hint="run the task again: genesis resume",
            ) from error

    @staticmethod
    async def _cancel(creation: asyncio.Task[FlowRun]) -> None:
        """Cancel a flow run, also one that is just being created; a server that refuses delays this a little."""
        with suppress(*API_ERRORS, TaskError):
            async with asyncio.timeout(_CANCEL_S):
                run = await creation  # first: without a connection, too, it must not be left behind
                async with connect(_log.info) as api:
                    await api.call(lambda client: client.set_flow_run_state(run.id, Cancelling()))


async def _result(run: FlowRun) -> JsonValue:
    """Return the flow's result where it was persisted; a flow that persists nothing has none to give."""
    try:
        value = await run.state.aresult(raise_on_failure=False) if run.state else None
        jsonable: JsonValue = to_jsonable_python(value)
    except (MissingResult, UnfinishedRun):
        return None
    except PydanticSerializationError as error:
        raise TaskError(
            f"the result of flow run {run.name!r} is not JSON-able: {error}", hint="return plain values from the flow"
        ) from error
    return jsonable
