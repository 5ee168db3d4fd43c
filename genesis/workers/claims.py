"""Claim a flow run, so that one worker alone runs it, and find how it is to run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, WorkPool
from prefect.client.schemas.responses import DeploymentResponse, SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Pending, Scheduled
from prefect.workers.base import BaseWorker

from genesis.prefect_api.claims import claim_message, claimant
from genesis.prefect_api.client import ApiUnavailable, PrefectApi
from genesis.prefect_api.limits import PAGE
from genesis.workers.code_policy import CodePolicy
from genesis.workers.configuration import GenesisJobConfiguration

__all__ = ["HELD", "Claims", "FlowRunJob"]

_KNOWN_S = 10.0
"""How long a deployment is taken to be as it was read; a new version of it is run after this at the latest."""
_MOST_KNOWN = 500
"""Deployments that are remembered."""
HELD = FlowRunFilter(
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    )
)
"""Flow runs that hold a slot of their pool."""


@dataclass(frozen=True)
class FlowRunJob:
    """How a flow run is to run."""

    deployment: str
    """Name of its deployment."""
    queue: str | None
    """Name of its deployment's work queue."""
    entrypoint: str
    pulls: Sequence[dict[str, Any]]
    """The steps by which its code is fetched."""
    configuration: GenesisJobConfiguration

    @property
    def orchestrates(self) -> bool:
        """Whether it can be taken over by another child, because it continues from a ledger."""
        return self.entrypoint.replace(":", ".").rpartition(".")[2] == "orchestrate"


class Claims:
    """Claims flow runs for one worker.

    Args:
        api: The API.
        worker: The worker's name.
        policy: Decides which code this worker runs.
    """

    def __init__(self, api: PrefectApi, worker: str, policy: CodePolicy):
        self._api = api
        self._worker = worker
        self._policy = policy
        self._deployments: dict[UUID, tuple[float, DeploymentResponse]] = {}

    async def claim(self, flow_run: FlowRun) -> bool:
        """Try to become the one that runs a flow run. If so, its state is that of the claim.

        An answer that was lost on its way is asked for: otherwise a run that is ours would wait forever.
        """
        wanted: Any = Pending(message=claim_message(self._worker))
        try:
            answer = await self._api.once(lambda client: client.set_flow_run_state(flow_run.id, wanted))
        except ObjectNotFound:
            return False
        except ApiUnavailable:
            return await self._is_ours(flow_run)
        if answer.status != SetStateStatus.ACCEPT:
            return False
        flow_run.state = answer.state
        return answer.state is not None and answer.state.is_pending()

    async def keep_if_free(self, flow_run: FlowRun, pool: WorkPool) -> bool:
        """Release a claim if it exceeds the pool's limit, and say whether it was kept.

        The server checks a limit when it returns what may run, not when it is claimed: two workers that poll at the
        same moment get different runs for one slot. Of the claims that have not begun the latest are released, by
        the server's clock, so that workers that look at the same time agree.
        """
        limit = pool.concurrency_limit
        if limit is None:
            return True
        named = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool.name]))
        held = await self._api.call(lambda client: client.count_flow_runs(flow_run_filter=HELD, work_pool_filter=named))
        if held <= limit:
            return True
        found = await self._api.call(
            lambda client: client.read_flow_runs(flow_run_filter=HELD, work_pool_filter=named, limit=PAGE)
        )
        claims = sorted((run for run in found if claimant(run.state)), key=_get_claim_key)
        if flow_run.id not in {run.id for run in claims[: max(0, len(claims) - (len(found) - limit))]}:
            await self._release(flow_run)
            return False
        return True

    async def _release(self, flow_run: FlowRun) -> None:
        again: State[Any] = Scheduled(message="its pool's limit was reached meanwhile")
        await self._api.call(lambda client: client.set_flow_run_state(flow_run.id, again))
        flow_run.state = again

    async def job(self, flow_run: FlowRun, pool: WorkPool) -> FlowRunJob:
        """Find how a flow run is to run.

        Raises:
            ValueError: It has no deployment or no entrypoint, or its variables do not fit.
            SecurityError: It asks for code, or an environment, that this worker does not accept.
        """
        if flow_run.deployment_id is None:
            raise ValueError("it has no deployment, so that its code cannot be found")
        deployment = await self._deployment(flow_run.deployment_id)
        if not deployment.entrypoint:
            raise ValueError(f"its deployment {deployment.name!r} has no entrypoint; deploy it again")
        steps = self._policy.pull_steps(deployment)
        template = pool.base_job_template or _default_template()
        try:
            configuration = self._policy.configure(
                template, deployment.job_variables or {}, flow_run.job_variables or {}
            )
        except (AttributeError, TypeError) as error:
            what = "its job variables, or the base job template of its pool, are not of the right form"
            raise ValueError(what) from error
        return FlowRunJob(
            deployment.name,
            deployment.work_queue_name if deployment.work_queue_id == flow_run.work_queue_id else None,
            deployment.entrypoint,
            steps,
            configuration,
        )

    async def _is_ours(self, flow_run: FlowRun) -> bool:
        current = await self._api.call(lambda client: client.read_flow_run(flow_run.id))
        state = current.state
        flow_run.state = state
        return state is not None and state.is_pending() and state.message == claim_message(self._worker)

    async def _deployment(self, identity: UUID) -> DeploymentResponse:
        known = self._deployments.get(identity)
        if known is not None and time.monotonic() - known[0] < _KNOWN_S:
            return known[1]
        try:
            found = await self._api.call(lambda client: client.read_deployment(identity))
        except ObjectNotFound as error:
            raise ValueError(f"its deployment {identity} does not exist any more") from error
        if len(self._deployments) >= _MOST_KNOWN:
            self._deployments.clear()
        self._deployments[identity] = (time.monotonic(), found)
        return found


def _get_claim_key(flow_run: FlowRun) -> tuple[float, str]:
    return flow_run.state.timestamp.timestamp() if flow_run.state else 0.0, str(flow_run.id)


def _default_template() -> dict[str, Any]:
    worker = BaseWorker.get_worker_class_from_type("genesis")
    if worker is None:
        raise ValueError("the worker type 'genesis' is not registered with Prefect: install Genesis again")
    return worker.get_default_base_job_template()
