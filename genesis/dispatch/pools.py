"""What can be wrong with an agent's deployment or pool, in words, with what to do about it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import WorkerStatus, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from genesis.dispatch.child import short_pool
from genesis.dispatch.job_variables import describe_unknown, make_job_variables, needs_own_flow_run
from genesis.model import Resources
from genesis.prefect_api.client import PrefectApi

__all__ = ["FLOW_NAME", "AgentPools"]

_log = logging.getLogger(__name__)
FLOW_NAME = "agent_task"
_WORKERLESS = (":push", ":managed")
"""Ends of the types of pools that have no workers."""


class AgentPools:
    """The deployments and pools of a run's agents.

    Args:
        api: The client of the Prefect API.
        notify: Receives what is wrong, once until it changes.
    """

    def __init__(self, api: PrefectApi, notify: Callable[[str], None]):
        self._api = api
        self._notify = notify
        self._deployments: dict[str, UUID] = {}
        self._templates: dict[str, dict[str, Any]] = {}
        self._queues: dict[str, UUID | None] = {}
        self._unknown: set[str] = set()
        self._said: dict[str, str] = {}
        self._reading = asyncio.Lock()

    async def deployment(self, pool: str) -> UUID | None:
        """Return the id of a pool's deployment, read once; None where there is none."""
        async with self._reading:
            if pool not in self._deployments:
                found = await self._read_deployment(pool)
                if found is None:
                    return None
                self._deployments[pool] = found.id
        return self._deployments[pool]

    def forget(self, pool: str) -> None:
        """Read a pool's deployment and template again: it was deleted, and perhaps made anew."""
        self._deployments.pop(pool, None)
        self._templates.pop(pool, None)

    async def find_job_variables(self, pool: str, resources: Resources | None) -> dict[str, Any]:
        """Return the job variables of a leaf, of those that its pool has; what it has none for is reported once.

        Raises:
            ApiUnavailable: The API does not answer.
        """
        if not needs_own_flow_run(resources):
            return {}
        async with self._reading:
            if pool not in self._templates:
                self._templates[pool] = await self._read_template(pool)
        template = self._templates[pool]
        if unknown := describe_unknown(resources, template):
            self._report_unknown(pool, ", ".join(unknown))
        return make_job_variables(resources, template)

    async def _read_template(self, pool: str) -> dict[str, Any]:
        name = f"{FLOW_NAME}/{short_pool(pool)}"
        try:
            deployment = await self._api.call(lambda client: client.read_deployment_by_name(name))
            found = await self._api.call(lambda client: client.read_work_pool(deployment.work_pool_name or pool))
        except ObjectNotFound:  # deleted: whoever waits for the flow run reports it
            return {}
        return dict(found.base_job_template)

    def _report_unknown(self, pool: str, unknown: str) -> None:
        text = f"pool {pool!r} has no job variable for {unknown}: its workers are not told what tasks need of it"
        if text not in self._unknown:
            self._unknown.add(text)
            _log.info("a pool has no job variables for resources", extra={"pool": pool, "reason": unknown})
            self._notify(text)

    async def trouble(self, pool: str) -> str | None:
        """Find out why no worker takes what a pool has to do, and report it; None where nothing is wrong.

        Raises:
            ApiUnavailable: The API does not answer now.
        """
        found = await self._trouble(pool)
        if found is None:
            self.clear(pool)
        elif self._said.get(pool) != found:
            self._said[pool] = found
            _log.info("a pool does not work", extra={"pool": pool, "reason": found})
            self._notify(found)
        return found

    async def find_image_trouble(self, pool: str) -> str | None:
        """Find out why a pool cannot run a container image; None where its jobs have the variable `image`.

        Raises:
            ApiUnavailable: The API was away for too long.
        """
        try:
            deployment = await self._api.call(lambda client: client.read_deployment_by_name(_name_deployment(pool)))
            name = deployment.work_pool_name or pool
            found = await self._api.call(lambda client: client.read_work_pool(name))
        except ObjectNotFound:  # `trouble` says so
            return None
        variables = found.base_job_template.get("variables", {}).get("properties", {})
        return None if "image" in variables else f"work pool {name!r} of type {found.type!r} runs no container images"

    def queue(self, pool: str) -> UUID | None:
        """Return the queue that a pool's deployment has, as `trouble` saw it last."""
        return self._queues.get(pool)

    def clear(self, pool: str) -> None:
        """Note that a pool works."""
        if self._said.pop(pool, None) is not None:
            _log.info("a pool works again", extra={"pool": pool})
            self._notify(f"pool {pool!r} works now")

    async def _trouble(self, pool: str) -> str | None:
        deployment = await self._read_deployment(pool)
        if deployment is None:
            self.forget(pool)
            return (
                f"there is no deployment '{FLOW_NAME}/{short_pool(pool)}' for pool {pool!r}; "
                "run: genesis pools sync, then: prefect deploy --all"
            )
        name = deployment.work_pool_name
        self._queues[pool] = deployment.work_queue_id
        try:
            found = await self._api.once(lambda client: client.read_work_pool(name or pool))
        except ObjectNotFound:
            return f"there is no work pool {pool!r}; run: genesis pools sync, then: prefect deploy --all"
        if name is None:
            return f"deployment '{FLOW_NAME}/{short_pool(pool)}' has no work pool; run: prefect deploy --all"
        return await self._pool_trouble(found, deployment)

    async def _pool_trouble(self, pool: WorkPool, deployment: DeploymentResponse) -> str | None:
        name = pool.name
        if pool.is_paused:
            return f"work pool {name!r} is paused; run: prefect work-pool resume {name}"
        if pool.concurrency_limit == 0:
            return f"work pool {name!r} has a limit of 0; run: genesis pools sync"
        queue = deployment.work_queue_name
        if queue is not None and await self._queue_paused(name, queue):
            return f"queue {queue!r} of work pool {name!r} is paused; run: prefect work-queue resume {queue} -p {name}"
        if pool.type.endswith(_WORKERLESS):
            return None
        workers = await self._api.once(lambda client: client.read_workers_for_work_pool(name))
        if not any(worker.status is WorkerStatus.ONLINE for worker in workers):
            return f"no worker serves work pool {name!r}; run: genesis worker --agents {short_pool(name)}"
        return None

    async def _queue_paused(self, pool: str, queue: str) -> bool:
        try:
            found = await self._api.once(lambda client: client.read_work_queue_by_name(queue, pool))
        except ObjectNotFound:
            return False
        return found.is_paused

    async def _read_deployment(self, pool: str) -> DeploymentResponse | None:
        try:
            return await self._api.once(lambda client: client.read_deployment_by_name(_name_deployment(pool)))
        except ObjectNotFound:
            return None


def _name_deployment(pool: str) -> str:
    return f"{FLOW_NAME}/{short_pool(pool)}"
