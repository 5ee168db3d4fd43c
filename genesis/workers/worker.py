"""The worker type `genesis` for Prefect's own command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio.abc
from prefect.client.schemas.objects import FlowRun
from prefect.workers.base import BaseWorker, BaseWorkerResult

from genesis.errors import UsageError
from genesis.settings import Settings
from genesis.workers.configuration import GenesisJobConfiguration, GenesisVariables
from genesis.workers.options import ServiceOptions, default_name
from genesis.workers.service import Service

__all__ = ["GenesisWorker", "GenesisWorkerResult"]


class GenesisWorkerResult(BaseWorkerResult):
    """How a flow run ended."""


class GenesisWorker(BaseWorker[GenesisJobConfiguration, GenesisVariables, GenesisWorkerResult]):
    """Runs flow runs in warm children: `prefect worker start --type genesis --pool NAME`."""

    type = "genesis"
    job_configuration = GenesisJobConfiguration
    job_configuration_variables = GenesisVariables

    _description = "Execute flow runs in warm processes: Prefect and the agents' code are imported once."
    _display_name = "Genesis"

    def __init__(
        self,
        work_pool_name: str,
        work_queues: list[str] | None = None,
        name: str | None = None,
        create_pool_if_not_found: bool = True,
        limit: int | None = None,
        *,
        base_job_template: dict[str, Any] | None = None,
        **others: Any,
    ):
        super().__init__(
            work_pool_name,
            work_queues,
            name or default_name(),
            create_pool_if_not_found=create_pool_if_not_found,
            limit=limit,
            base_job_template=base_job_template,
            **others,
        )
        self._service: Service | None = None

    async def start(
        self, run_once: bool = False, with_healthcheck: bool = False, printer: Callable[..., None] = print
    ) -> None:
        """Serve the pool until SIGTERM or Ctrl-C.

        Args:
            run_once: Take what is due now, and end with it.
            with_healthcheck: Show a health page at the address that Prefect's settings give.
            printer: Called with messages for the operator.
        """
        template = self._base_job_template or self.get_default_base_job_template()
        settings = Settings()
        options = ServiceOptions(
            pools=[self._work_pool_name],
            name=self.name,
            queues=sorted(self._work_queues),
            limit=self._limit,
            settings=settings.pools,
            accepts=settings.worker,
            health=_health_address() if with_healthcheck else None,
            template=template if self._create_pool_if_not_found else None,
            run_once=run_once,
        )
        self._service = Service(options, notify=printer)
        await self._service.run()

    def is_worker_still_polling(self, query_interval_seconds: float) -> bool:
        """Whether the worker polls as it should; Prefect's health page asks."""
        if self._service is None:
            return super().is_worker_still_polling(query_interval_seconds)
        return self._service.health()[0]

    async def run(
        self,
        flow_run: FlowRun,
        configuration: GenesisJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> GenesisWorkerResult:
        """Refuse to run a single flow run: this worker takes them from its pool itself.

        Raises:
            UsageError: Always.
        """
        del configuration, task_status
        raise UsageError(
            f"a worker of type 'genesis' takes flow run {flow_run.name!r} from its pool, and cannot be given one",
            hint="create the flow run from its deployment, and serve the pool",
        )


def _health_address() -> tuple[str, int]:
    from prefect.settings import get_current_settings  # noqa: PLC0415  # only here

    page = get_current_settings().worker.webserver
    return page.host, page.port
