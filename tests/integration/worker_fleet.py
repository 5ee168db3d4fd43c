"""Work pools, deployments and workers for tests, on a real server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from forked import ForkingProcess
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.settings import get_current_settings

from genesis import workers
from genesis.settings import PoolSettings, WorkerSettings

FOLDER = Path(__file__).parent
_WORKER = (sys.executable, "-m", "genesis.cli", "worker")
ACCEPTS = {"entrypoints": ["worker_flows.*", "no_such_package.flow"], "env": ["COLOUR"]}
"""What the workers of these tests run beyond the flows of Genesis."""
QUICK = PoolSettings(heartbeat_s=1, idle_poll_s=2)


async def until(check: Callable[[], Any], *, seconds: float = 90.0) -> Any:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it did not come to that in time"
        await asyncio.sleep(0.05)
    return found


class Fleet:
    """What a test needs around a worker.

    Args:
        client: Of the API.
        folder: For what flows note and workers print.
        forking: What workers in processes of their own are forked from.
    """

    def __init__(self, client: PrefectClient, folder: Path, forking: ForkingProcess | None = None):
        self.client = client
        self.folder = folder
        self._forking = forking
        self.said: list[str] = []
        self._services: list[tuple[workers.Service, asyncio.Task[None]]] = []
        self._processes: list[Any] = []

    async def pool(self, *, limit: int | None = None, kind: str = "genesis", name: str = "", **defaults: Any) -> str:
        """Create a work pool whose variables have these defaults."""
        template = workers.GenesisWorker.get_default_base_job_template()
        for variable, value in defaults.items():
            template["variables"]["properties"][variable]["default"] = value
        made = name or f"agent-{uuid4().hex[:8]}"
        wanted = WorkPoolCreate(name=made, type=kind, base_job_template=template, concurrency_limit=limit)
        await self.client.create_work_pool(wanted)
        return made

    async def deploy(self, flow: str, pool: str, *, entrypoint: str = "", **variables: Any) -> Any:
        """Deploy a flow of `worker_flows`."""
        identity = await self.client.create_flow_from_name(flow)
        return await self.client.create_deployment(
            flow_id=identity,
            name=pool,
            work_pool_name=pool,
            entrypoint=entrypoint or f"worker_flows.{flow}",
            job_variables=variables,
            enforce_parameter_schema=False,
        )

    async def start(self, deployment: Any, *, tags: Iterable[str] = (), **parameters: Any) -> FlowRun:
        """Create a flow run."""
        parameters = {"folder": str(self.folder)} | parameters
        return await self.client.create_flow_run_from_deployment(deployment, parameters=parameters, tags=list(tags))

    async def reach(self, flow_run: FlowRun, *states: str, seconds: float = 90.0) -> FlowRun:
        """Wait until a flow run has one of these states."""
        end = time.monotonic() + seconds
        while True:
            found = await self.client.read_flow_run(flow_run.id)
            if found.state_name in states:
                return found
            assert time.monotonic() < end, f"it is {found.state_name} ({found.state.message}); said {self.said}"
            await asyncio.sleep(0.1)

    async def serve(self, *pools: str, **options: Any) -> workers.Service:
        """Start a worker in this process."""
        accepts = WorkerSettings(**ACCEPTS, working_dirs=(self.folder,))
        options = {"settings": QUICK, "grace_s": 20.0, "accepts": accepts} | options
        service = workers.Service(workers.ServiceOptions(pools=pools, **options), notify=self.said.append)
        task = asyncio.create_task(service.run())
        self._services.append((service, task))
        ready = asyncio.create_task(service.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        return service

    def spawn(self, *words: str, program: Sequence[str] = ()) -> Any:
        """Start a worker in a process of its own; its output is in the file `output`.

        Args:
            words: Arguments of `genesis worker`, or of the program.
            program: What to start from nothing instead.
        """
        env = dict(os.environ) | get_current_settings().to_environment_variables(exclude_unset=True)
        env |= {f"GENESIS_WORKER__{name.upper()}": json.dumps(value) for name, value in ACCEPTS.items()}
        path = self.folder / "output"
        process: Any
        if program or self._forking is None:
            with path.open("ab") as output:
                process = subprocess.Popen(
                    [*(program or _WORKER), *words], env=env, stdout=output, stderr=output, start_new_session=True
                )
        else:
            process = self._forking.start(["worker", *words], cwd=Path.cwd(), environment=env, output=path)
        self._processes.append(process)
        return process

    def output(self) -> str:
        """What workers in processes of their own have printed."""
        with suppress(FileNotFoundError):
            return (self.folder / "output").read_text()
        return ""

    def notes(self) -> list[str]:
        """What flows have noted."""
        with suppress(FileNotFoundError):
            return (self.folder / "notes").read_text().splitlines()
        return []

    async def noted(self, count: int = 1, *, seconds: float = 90.0) -> list[str]:
        """Wait for notes."""
        return await until(lambda: len(found := self.notes()) >= count and found, seconds=seconds)

    async def close(self) -> None:
        """End everything."""
        for service, _ in self._services:
            service.stop()
            service.stop()
        await asyncio.gather(*(task for _, task in self._services), return_exceptions=True)
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.to_thread(process.wait, 20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
