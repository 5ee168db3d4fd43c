"""What a fleet stands on, for the benches of work pools: PostgreSQL, a Prefect server, pools, deployments and workers.

Everything is in a temporary home of the bench's own, listens on loopback, and is gone at the end, however the bench
ends. The parts can be killed as a loss of power would, and started again: that is what `bench.chaos` does with them.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.processes import below, family, family_cpu_s
from bench.server import orderly_end, private_environment
from genesis.prefect_api.configured import basic_authentication
from genesis.server import Backends, down, password_of, up
from genesis.settings import Settings

if TYPE_CHECKING:
    from genesis.fleet.desired import Fleet
    from genesis.testing.services import PostgresService

__all__ = ["ROOT", "Deployment", "Stack", "Worker", "private_stack", "use"]

ROOT = Path(__file__).resolve().parent.parent
_READY_S = 90.0
_END_S = 20.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Deployment:
    """A deployment to be made."""

    flow: str
    name: str
    entrypoint: str
    pool: str


@dataclass
class Worker:
    """A worker's process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """Kill the process alone, as the kernel does when memory runs out; what it has started is not touched."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it in order; what does not end is killed, with everything that it has started."""
        started = below(self.pid)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self.kill()
        for one in started:
            one.kill()

    def last_lines(self) -> str:
        return self.log.read_text(errors="replace")[-2_000:] if self.log.exists() else ""


@dataclass
class Stack:
    """A server, what it stands on, and its workers."""

    home: Path
    settings: Settings
    """Of the server: where its state is."""
    environment: dict[str, str]
    """For processes that use it."""
    database: PostgresService | None
    """None where the server stands on SQLite."""
    workers: list[Worker] = field(default_factory=list)
    server_pid: int = 0

    @property
    def api_url(self) -> str:
        return self.environment["PREFECT_API_URL"]

    @property
    def headers(self) -> dict[str, str]:
        """By which the API lets in who asks it without Prefect's client."""
        return {"authorization": basic_authentication(self.environment["PREFECT_API_AUTH_STRING"])}

    def cpu_s(self) -> dict[str, float]:
        """Return the processor seconds that each part has taken so far."""
        found = {"server": family_cpu_s(self.server_pid)}
        if self.database is not None and self.database.pid is not None:
            found["database"] = family_cpu_s(self.database.pid)
        return found | {worker.name: family_cpu_s(worker.pid) for worker in self.workers}

    def kill_server(self) -> None:
        """Kill the server's process, and what it has started; all of it is gone then."""
        left = family(self.server_pid)
        for one in left:
            one.kill()
        until = time.monotonic() + _END_S
        while left := [one for one in left if one.lives()]:
            if time.monotonic() > until:
                raise SystemExit(f"a killed server is still there after {_END_S:g} s: {left[0].command}")
            time.sleep(_POLL_S)

    def start_server(self) -> None:
        """Start the server again, on its port and its database."""
        self.server_pid = up(self.settings).pid or 0

    def genesis_worker(self, name: str, pools: Sequence[str], **variables: str) -> Worker:
        """Start one process that serves pools of type `genesis`; `wait_for_workers` waits for it."""
        served = [word for pool in pools for word in ("--pool", pool)]
        return self._worker(name, [sys.executable, "-m", "genesis.cli", "worker", "--name", name, *served], variables)

    def stock_worker(self, name: str, pool: str, **variables: str) -> Worker:
        """Start Prefect's own process worker, as its documentation says."""
        argv = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--pool", pool, "--name", name]
        return self._worker(name, argv, variables)

    def _worker(self, name: str, argv: Sequence[str], variables: Mapping[str, str]) -> Worker:
        log = self.home / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                argv, env=self.environment | dict(variables), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, start_new_session=True,
            )  # fmt: skip
        worker = Worker(name, process, log)
        self.workers.append(worker)
        return worker

    def write_agents(self, document: dict[str, Any]) -> Path:
        """Write the agents file that all processes use."""
        path = self.home / "agents.json"
        path.write_text(json.dumps(document), "utf-8")
        self.environment["GENESIS_AGENTS"] = str(path)
        return path

    def sync(self, document: dict[str, Any]) -> Fleet:
        """Make the pools, limits, automations and deployments of a registry, as `pools sync` and `prefect deploy` do.

        Returns:
            The fleet.
        """
        from genesis.fleet.desired import fleet_of
        from genesis.fleet.entries import entries_of, flow_of
        from genesis.model import Registry

        self.write_agents(document)
        fleet = fleet_of(Registry.model_validate(document), orchestrators=self.settings.pools.orchestrators)
        entries = entries_of(fleet, from_files=False)
        wanted = [
            Deployment(
                flow_of(entry.kept["entrypoint"]), entry.name, entry.kept["entrypoint"],
                entry.kept["work_pool"]["name"],
            )
            for entry in entries
        ]  # fmt: skip
        argv = [sys.executable, "-m", "genesis.cli", "pools", "sync", "--yes", "--json"]
        done = subprocess.run(argv, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the pools could not be made: {done.stdout[-1_000:]} {done.stderr[-1_000:]}")
        self.deploy(wanted)
        return fleet

    def deploy(self, deployments: Iterable[Deployment]) -> None:
        """Make deployments, and the pools of type `process` that some of them need."""
        with use(self):
            asyncio.run(_deploy(list(deployments)))

    def wait_for_workers(self, wanted: Mapping[str, str], timeout_s: float = _READY_S) -> None:
        """Wait until workers serve pools.

        Args:
            wanted: Name of a worker by pool.
            timeout_s: How long.

        Raises:
            SystemExit: One does not; with the end of its log.
        """
        with use(self):
            missing = asyncio.run(_serve(wanted, timeout_s))
        if missing:
            said = next((w.last_lines() for w in self.workers if w.name == wanted[missing[0]]), "")
            raise SystemExit(f"no worker {wanted[missing[0]]!r} serves {missing[0]!r} after {timeout_s:g} s\n{said}")

    def close(self) -> None:
        """End the workers and the server."""
        for worker in self.workers:
            worker.end()
        self.workers.clear()
        down(self.settings)


@contextmanager
def private_stack(*, sqlite: bool = False, verbose: bool = True) -> Iterator[Stack]:
    """Start PostgreSQL and a Prefect server on it; without PostgreSQL on this machine, on SQLite.

    Args:
        sqlite: Take SQLite in any case.
        say: Say on standard error when there is no PostgreSQL.
    """
    from genesis.testing.services import ServiceMissingError, postgres

    with orderly_end(), tempfile.TemporaryDirectory(prefix="genesis-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        settings = Settings(home=home / "genesis")
        with ExitStack() as exits:
            database = None
            if not sqlite:
                try:
                    database = exits.enter_context(postgres(home))
                except ServiceMissingError as error:
                    if verbose:
                        print(f"on SQLite, because {error.message}", file=sys.stderr)
            environment = private_environment(home) | {"PYTHONPATH": str(ROOT)}
            stack = Stack(home, settings, environment, database)
            exits.callback(stack.close)
            info = up(settings, Backends.of(postgres=database.url if database else None))
            stack.server_pid = info.pid or 0
            environment["PREFECT_API_URL"] = info.api_url or ""
            environment["PREFECT_API_AUTH_STRING"] = password_of(settings, info.api_url or "") or ""
            environment["GENESIS_WORKER__ENTRYPOINTS"] = '["bench.*"]'
            environment["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
            yield stack
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def use(stack: Stack) -> Iterator[None]:
    """Have Prefect in this process use the stack: its API, its home and its result storage."""
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_HOME,
        PREFECT_LOCAL_STORAGE_PATH,
        temporary_settings,
    )

    home = Path(stack.environment["PREFECT_HOME"])
    given = {PREFECT_API_URL: stack.api_url, PREFECT_API_AUTH_STRING: stack.environment["PREFECT_API_AUTH_STRING"]}
    given |= {PREFECT_HOME: home, PREFECT_LOCAL_STORAGE_PATH: home / "storage"}
    with temporary_settings(given):
        yield


async def _deploy(deployments: list[Deployment]) -> None:
    from prefect import Flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema
    from prefect.workers.process import ProcessWorker

    async with get_client() as client:
        for deployment in deployments:
            try:
                await client.read_work_pool(deployment.pool)
            except ObjectNotFound:
                template = ProcessWorker.get_default_base_job_template()
                await client.create_work_pool(
                    WorkPoolCreate(name=deployment.pool, type="process", base_job_template=template)
                )
            flow: Flow[Any, Any] = load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False)
            await client.create_deployment(
                await client.create_flow_from_name(deployment.flow),
                deployment.name,
                entrypoint=deployment.entrypoint,
                work_pool_name=deployment.pool,
                parameter_openapi_schema=parameter_schema(flow).model_dump_for_openapi(),
                enforce_parameter_schema=deployment.flow != "agent_task",
            )


async def _serve(wanted: Mapping[str, str], timeout_s: float) -> list[str]:
    """Return the pools that their workers do not serve in time."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import WorkerStatus

    left = dict(wanted)
    until = time.monotonic() + timeout_s
    async with get_client() as client:
        while left and time.monotonic() < until:
            for pool, name in tuple(left.items()):
                workers = await client.read_workers_for_work_pool(pool)
                if any(worker.name == name and worker.status is WorkerStatus.ONLINE for worker in workers):
                    del left[pool]
            if left:
                await asyncio.sleep(_POLL_S)
    return list(left)
