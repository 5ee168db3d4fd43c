"""Commands and fork servers as processes of their own that need not import what all of them import.

A run takes seconds of processor time to import Genesis and Prefect. One process does so for the session; each command
and each worker's fork server is forked from it, with its own words, variables, folder, streams and session. Prefect is
hidden from a forked process until that imports it: Prefect's settings and logging are then set up from the variables at
that moment, as they are by a first import. What a command imports, and that it starts at all, is tested with whole
processes in `tests/e2e/test_main_job.py` and in `tests/unit/cli`; a whole fork server in
`tests/integration/test_fork_client.py`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NoReturn

__all__ = ["ForkedProcess", "ForkingProcess"]

_MODULES = (
    "anyio", "cachetools", "cloudpickle", "dateutil", "fsspec", "griffe", "h2", "httpcore", "httpx", "jsonschema",
    "networkx", "orjson", "pendulum", "prometheus_client", "pydantic", "pydantic_extra_types", "pydantic_settings",
    "rich.console", "rich.live", "rich.table", "slugify", "starlette", "stamina", "websockets", "yaml",
    "genesis.agents.build", "genesis.agents.input_probe", "genesis.agents.probe", "genesis.cli.agents",
    "genesis.cli.app", "genesis.cli.doctor", "genesis.cli.logs", "genesis.cli.plan", "genesis.cli.pools",
    "genesis.cli.run", "genesis.cli.runs", "genesis.cli.server", "genesis.cli.stages", "genesis.cli.worker",
    "genesis.compile", "genesis.engine.attempts", "genesis.engine.budget", "genesis.engine.ending",
    "genesis.engine.executor_context", "genesis.engine.failover", "genesis.engine.inputs",
    "genesis.engine.observers.log", "genesis.engine.observers.run_journal", "genesis.engine.observers.telemetry",
    "genesis.engine.replanner", "genesis.engine.run_context", "genesis.fleet.automations", "genesis.fleet.project",
    "genesis.flows.lane", "genesis.flows.run_request", "genesis.flows.signals", "genesis.ledger.history",
    "genesis.llm.client", "genesis.model.tenant", "genesis.observability.exposition", "genesis.observability.log_setup",
    "genesis.observability.metrics_handoff", "genesis.observability.zero_counters", "genesis.pipeline",
    "genesis.planning", "genesis.planning.overrides", "genesis.prefect_api.claims", "genesis.prefect_api.environment",
    "genesis.prefect_api.health", "genesis.prefect_api.names", "genesis.report.markdown", "genesis.report.page",
    "genesis.resilience.guards", "genesis.retention.report", "genesis.retention.runs", "genesis.routing",
    "genesis.schedule.batches", "genesis.validation",
)  # fmt: skip
"""None of them imports Prefect."""
_OF_PREFECT = (
    "fastapi.encoders", "prefect.cli.automation", "prefect.cli.deploy", "prefect.cli.deployment",
    "prefect.events.clients", "prefect.events.worker", "prefect.flow_engine", "prefect.input", "prefect.main",
    "prefect.task_engine", "prefect.utilities.visualization", "prefect.workers.base",
)  # fmt: skip
_CONTROL = 3
"""Descriptor of a fork server's socket, after its standard streams."""
_READ_ON_IMPORT = ("PYTHON", "OTEL_", "LC_", "LANG")
"""Variables that matter as a process starts: a command for which they differ is a whole process."""


class ForkingProcess:
    """The process from which others are forked."""

    def __init__(self) -> None:
        self._variables = _read_on_import(os.environ)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-P", __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def can_fork(self, environment: Mapping[str, str]) -> bool:
        """Whether a command with these variables would be no other as a whole process."""
        return _read_on_import(environment) == self._variables

    def start(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        program: str = "genesis",
        output: Path | None = None,
    ) -> ForkedProcess:
        """Fork a command.

        Args:
            words: Its arguments.
            cwd: Where it runs.
            environment: Its variables.
            program: `genesis`, or `prefect` for Prefect's own.
            output: A file to which it appends what it prints; without one, that can be read from the process.
        """
        if output is not None:
            with output.open("ab") as file:
                return self._fork(program, words, cwd, environment, file.fileno(), file.fileno())
        (out, its_out), (err, its_err) = os.pipe(), os.pipe()
        try:
            return self._fork(program, words, cwd, environment, its_out, its_err, pipes=(out, err))
        finally:
            os.close(its_out)
            os.close(its_err)

    def run(
        self,
        words: Sequence[object],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        timeout: float = 120,
        program: str = "genesis",
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as `subprocess.run` does."""
        assert self.can_fork(environment)
        process = self.start([*map(str, words)], cwd=cwd, environment=environment, program=program)
        try:
            out, err = process.communicate(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            process.close()
        return subprocess.CompletedProcess(process.args, process.wait(), out, err)

    def start_fork_server(
        self, modules: Sequence[str], *, control: int, environment: Mapping[str, str]
    ) -> ForkedProcess:
        """Fork a worker's fork server, which writes where this process does.

        Args:
            modules: What it imports before it forks.
            control: Descriptor of its end of the socket to the supervisor.
            environment: Its variables.
        """
        return self._fork("fork_server", modules, Path.cwd(), environment, 1, 2, control)

    def _fork(
        self,
        kind: str,
        words: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        *ends: int,
        pipes: tuple[int, int] | None = None,
    ) -> ForkedProcess:
        ours, theirs = socket.socketpair()
        order = {"kind": kind, "words": list(words), "cwd": str(cwd), "environment": dict(environment)}
        with theirs:
            socket.send_fds(self._control, [json.dumps(order).encode()], [theirs.fileno(), *ends])
        return ForkedProcess([sys.executable, "-P", "-m", "genesis.cli", *words], ours, pipes)

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.wait(10)


class ForkedProcess:
    """A forked process, with what tests and the worker use of `subprocess.Popen`."""

    def __init__(self, args: Sequence[str], line: socket.socket, pipes: tuple[int, int] | None):
        self.args = [*args]
        self.returncode: int | None = None
        self.stdout, self.stderr = (os.fdopen(end, "r", encoding="utf-8") for end in pipes) if pipes else (None, None)
        self._line = line.makefile("r")
        self._status = threading.Event()
        self._said: dict[str, str] = {}
        self._readers: list[threading.Thread] = []
        self.pid = int(self._line.readline())
        threading.Thread(target=self._wait_for_status, args=(line,), daemon=True).start()

    def poll(self) -> int | None:
        """Return the exit code, or the negative number of the signal, if it has ended."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if not self._status.wait(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read all that it says, and wait for its end."""
        until = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            assert self.stdout is not None
            assert self.stderr is not None
            for name, stream in (("out", self.stdout), ("err", self.stderr)):
                self._readers.append(threading.Thread(target=self._read, args=(name, stream), daemon=True))
                self._readers[-1].start()
        for reader in self._readers:
            reader.join(None if until is None else max(0.0, until - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(None if until is None else max(0.1, until - time.monotonic()))
        return self._said["out"], self._said["err"]

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close its output."""
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def _read(self, name: str, stream: IO[str]) -> None:
        with suppress(ValueError):  # it was closed
            self._said[name] = stream.read()
        self._said.setdefault(name, "")

    def _wait_for_status(self, line: socket.socket) -> None:
        with line, self._line as lines:
            self.returncode = os.waitstatus_to_exitcode(int(lines.readline() or signal.SIGKILL))
        self._status.set()


def _read_on_import(environment: Mapping[str, str]) -> dict[str, str]:
    named = {name for name in environment if name.startswith(_READ_ON_IMPORT)} - {"PYTHONPATH"}
    return {name: environment[name] for name in named}


class _HiddenModules(MetaPathFinder, Loader):
    """Modules of Prefect that are taken out of `sys.modules`, until the first of them is imported again."""

    def __init__(self, modules: Mapping[str, ModuleType]):
        self._modules = modules
        for name in modules:
            del sys.modules[name]
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the specification of one of them."""
        if (module := self._modules.get(fullname)) is None or module.__spec__ is None:
            return None
        spec = ModuleSpec(fullname, self, origin=module.__spec__.origin)
        spec.submodule_search_locations = module.__spec__.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Bring all of them back, and have Prefect read its settings and set up its logging now."""
        self._spec = self._modules[spec.name].__spec__
        sys.meta_path.remove(self)
        sys.modules.update(self._modules)
        from prefect.context import refresh_global_settings_context
        from prefect.logging.configuration import setup_logging

        refresh_global_settings_context()
        setup_logging(incremental=False)
        return self._modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Leave it as it is; it has been executed."""
        module.__spec__ = self._spec


def _import_all() -> None:
    """Import what the forked processes need, and hide Prefect, which they only import when they need it."""
    for each in _MODULES:
        importlib.import_module(each)
    assert "prefect" not in sys.modules
    for each in _OF_PREFECT:
        importlib.import_module(each)
    _HiddenModules({name: module for name, module in sys.modules.items() if name.partition(".")[0] == "prefect"})


def _serve(control: socket.socket) -> None:
    """Fork a process for each order, until nobody is left to give one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, ends, _, _ = socket.recv_fds(control, 1_000_000, 4)
        if not order:
            return
        if os.fork() == 0:
            control.close()
            _watch(json.loads(order), *ends)
        for end in ends:
            os.close(end)


def _watch(order: dict[str, Any], line: int, *ends: int) -> NoReturn:
    """Fork the process, and report its number and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for descriptor, end in enumerate(ends, 1):
            os.dup2(end, descriptor)
        os.closerange(len(ends) + 1, 64)
        _become(order)
    for end in ends:
        os.close(end)
    os.write(line, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(line, f"{status}\n".encode())
    os._exit(0)


def _become(order: dict[str, Any]) -> NoReturn:
    """Run a command as `python -P -m genesis.cli` or `python -m prefect` does, or a fork server."""
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = [order["kind"], *order["words"]]
    if order["kind"] == "genesis":
        from genesis.cli.app import main

        main()
    if order["kind"] == "prefect":
        from prefect.cli import app

        sys.path.insert(0, order["cwd"])
        sys.exit(app())
    from genesis.workers import fork_server

    fork_server.main([str(_CONTROL), *order["words"]])
    raise AssertionError("a fork server ends by itself")


if __name__ == "__main__":
    _import_all()
    gc.freeze()  # what the forked processes share
    _serve(socket.socket(fileno=int(sys.argv[1])))
