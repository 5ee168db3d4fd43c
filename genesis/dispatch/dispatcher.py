"""Make a child flow run on an agent's pool, and the task run that stands for it in the orchestrating flow run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.actions import TaskRunCreate
from prefect.client.schemas.objects import FlowRun, FlowRunResult, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Pending, to_state_create
from prefect.types import KeyValueLabels

from genesis.dispatch.child import ChildFlowRun, batch_name, idempotency_key, parameters
from genesis.dispatch.job_variables import needs_own_flow_run
from genesis.dispatch.limits import DEPLOYMENT_POLL_S
from genesis.dispatch.pools import AgentPools
from genesis.engine.observers.telemetry import dispatch_span
from genesis.engine.run_context import RunContext
from genesis.errors import ServiceError
from genesis.model import Leaf
from genesis.observability.correlation import TRACE_LABEL, here
from genesis.prefect_api.client import ApiUnavailable, PrefectApi, PrefectClient
from genesis.prefect_api.errors import ApiRefused, status_of
from genesis.prefect_api.names import run_tag

__all__ = ["Dispatcher"]


_IMAGE_HINT = "make the pool one of type docker or kubernetes, take out `image`, or name another pool in `runs_in`"


class Dispatcher:
    """Dispatches batches of leaves.

    Args:
        api: The client of the Prefect API.
        pools: The agents' deployments.
        session: The run.
        flow_run_id: The orchestrating flow run.
    """

    def __init__(self, api: PrefectApi, pools: AgentPools, session: RunContext, flow_run_id: UUID):
        self._api = api
        self._pools = pools
        self._session = session
        self._flow_run_id = flow_run_id

    async def dispatch(
        self, leaves: Sequence[Leaf], attempt: int, after: Iterable[UUID], *, trace: str | None = None
    ) -> ChildFlowRun:
        """Dispatch leaves of one agent as one child, which does them in this order.

        Args:
            leaves: The leaves; what they come after from outside is final.
            attempt: Which attempt at the first of them this is, over the run's whole life.
            after: Flow runs that the UI shows as upstream.
            trace: `traceparent` of the first leaf's span.

        Returns:
            The child. If an earlier execution of the run made the very same one, it is that: it can have ended.

        Raises:
            ServiceError: There is no deployment for the agent, or the API refuses the flow run.
        """
        pool = self._session.program.pool(leaves[0])
        image = leaves[0].runs_in.image if leaves[0].runs_in is not None else None
        began = self._api.clock()
        while True:
            deployment = await self._deployment(pool)
            if image is not None and (trouble := await self._pools.find_image_trouble(pool)) is not None:
                raise ServiceError(trouble, hint=_IMAGE_HINT, code="GEN-DISPATCH-IMAGE")
            link = uuid4()
            try:
                with dispatch_span(leaves, pool, parent=trace):
                    await self._link(link, leaves, after)
                    variables = await self._pools.find_job_variables(pool, leaves[0].resources)
                    if image is not None:
                        variables = {**variables, "image": image}
                    flow_run = await self._flow_run(deployment, link, leaves, attempt, variables)
            except ObjectNotFound:  # deleted since it was read
                self._pools.forget(pool)
                await self._unlink(link)
                continue
            except (ApiRefused, ApiUnavailable) as error:
                raise ServiceError(
                    f"the Prefect API did not take a flow run for pool {pool!r}: {error}"[:1000],
                    hint="look at the server's log; then: genesis resume " + self._session.run_id,
                    code="GEN-DISPATCH-REFUSED",
                ) from error
            if flow_run.parent_task_run_id != link:
                await self._unlink(link)
            child = self._child(flow_run, pool, leaves, attempt, link)
            child.dispatched_at, child.lane = began, self._lane_s(leaves, attempt) > 0
            return child

    def _child(self, flow_run: FlowRun, pool: str, leaves: Sequence[Leaf], attempt: int, link: UUID) -> ChildFlowRun:
        now = self._api.clock()
        return ChildFlowRun(
            id=flow_run.id,
            pool=pool,
            leaves=tuple(leaves),
            attempt=attempt,
            heard_at=now,
            state_at=now,
            link=flow_run.parent_task_run_id,
            state=flow_run.state_type or StateType.SCHEDULED,
            queue=flow_run.work_queue_id,
            inherited=flow_run.parent_task_run_id != link,
            known=len(self._session.program.leaves),
        )

    def _lane_s(self, leaves: Sequence[Leaf], attempt: int) -> float:
        """Return how long a child waits for more leaves.

        Not at all after a failure, with another agent's leaf, or with one that has a flow run of its own.
        """
        usual = leaves[0].agent == self._session.program.leaves[leaves[0].index].agent and not leaves[0].runs_apart
        usual = usual and not needs_own_flow_run(leaves[0].resources)
        return self._session.settings.pools.lane_idle_s if attempt == 1 and usual else 0.0

    async def _deployment(self, pool: str) -> UUID:
        """Find the pool's deployment; where there is none, say so, and wait for it as long as the settings allow."""
        how = self._session.settings.pools
        started = self._api.clock()
        while True:
            try:
                found = await self._pools.deployment(pool)
                trouble = None if found else await self._pools.trouble(pool)
            except ApiUnavailable:
                found = trouble = None
            if found is not None:
                return found
            waited_s = self._api.clock() - started
            late = how.dispatch_timeout_s is not None and waited_s >= how.dispatch_timeout_s
            if trouble is not None and (how.no_worker == "fail" or late):
                reason, _, hint = trouble.partition("; ")
                raise ServiceError(reason, hint=hint, code="GEN-DISPATCH-NO-WORKER")
            await asyncio.sleep(DEPLOYMENT_POLL_S)

    async def _link(self, link: UUID, leaves: Sequence[Leaf], after: Iterable[UUID]) -> None:
        """Make the task run; asking twice makes one, and the server keeps its state in step with its flow run's."""
        body = TaskRunCreate(
            id=link,
            name=batch_name(leaves),
            flow_run_id=self._flow_run_id,
            task_key=leaves[0].agent,
            dynamic_key=str(link),
            state=to_state_create(Pending()),
            task_inputs={"after": [FlowRunResult(input_type="flow_run", id=source) for source in after]},
        ).model_dump(mode="json", exclude_unset=True)
        await self._api.call(lambda client: client.request("POST", "/task_runs/", json=body))

    async def _unlink(self, link: UUID) -> None:
        """Take back a task run that stands for nothing."""

        async def delete(client: PrefectClient) -> None:
            try:
                await client.delete_task_run(link)
            except ObjectNotFound:
                return

        await self._api.call(delete)

    async def _flow_run(
        self, deployment: UUID, link: UUID, leaves: Sequence[Leaf], attempt: int, variables: dict[str, Any]
    ) -> FlowRun:
        """Make the child; asking twice makes one.

        Raises:
            ObjectNotFound: There is no such deployment.
        """
        run_id = self._session.run_id
        try:
            return await self._api.call(
                lambda client: client.create_flow_run_from_deployment(
                    deployment,
                    parameters=parameters(run_id, leaves, attempt, self._session.left_s, self._lane_s(leaves, attempt)),
                    name=batch_name(leaves),
                    tags=[*self._session.tags, run_tag(run_id)],
                    idempotency_key=idempotency_key(run_id, leaves, attempt),
                    parent_task_run_id=link,
                    labels=_labels(),
                    job_variables=variables or None,
                ),
            )
        except ApiRefused as error:
            if status_of(error) == HTTPStatus.NOT_FOUND:
                raise ObjectNotFound(error) from error
            raise


def _labels() -> KeyValueLabels:
    """Return a flow run its place in the trace; the correlation id is in its tag."""
    return {} if (traceparent := here()) is None else {TRACE_LABEL: traceparent}
