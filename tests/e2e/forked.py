"""Commands as processes of their own that need not import what all commands import.

A command takes more than a second of processor time to import Genesis and the libraries of Prefect. One process does so
for the session; each command is forked from it, with its own words, variables, folder, streams and session. Prefect
itself is imported by each command as always. What a command imports, and that it starts at all, is tested with whole
processes in `test_main_job.py` and in `tests/unit/cli`.
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
from pathlib import Path
from typing import IO, Any, NoReturn

__all__ = ["ForkedCommand", "ForkingProcess"]

_MODULES = (
    "anyio", "cachetools", "cloudpickle", "dateutil", "fsspec", "griffe", "h2", "httpcore", "httpx", "jsonschema",
    "networkx", "orjson", "pendulum", "prometheus_client", "pydantic", "pydantic_extra_types", "pydantic_settings",
    "rich.console", "rich.live", "rich.table", "slugify", "starlette", "stamina", "websockets", "yaml",
    "genesis.cli.app", "genesis.cli.agents", "genesis.cli.doctor", "genesis.cli.plan", "genesis.cli.runs",
    "genesis.cli.server", "genesis.cli.stages", "genesis.compile", "genesis.pipeline", "genesis.planning",
    "genesis.routing", "genesis.schedule", "genesis.validation",
)  # fmt: skip
_READ_ON_IMPORT = ("PYTHON", "OTEL_", "LC_", "LANG")
"""Variables that matter as a process starts: a command for which they differ is a whole process."""


class ForkingProcess:
    """The process from which commands are forked."""

    def __init__(self) -> None:
        self._variables = _read_on_import(os.environ)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-P", __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def can_fork(self, environment: Mapping[str, str]) -> bool:
        """Whether a command with these variables would be no other as a whole process."""
        return _read_on_import(environment) == self._variables

    def start(self, words: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> ForkedCommand:
        """Fork a command."""
        ours, theirs = socket.socketpair()
        (out, its_out), (err, its_err) = os.pipe(), os.pipe()
        order = json.dumps({"words": list(words), "cwd": str(cwd), "environment": dict(environment)}).encode()
        with theirs:
            socket.send_fds(self._control, [order], [theirs.fileno(), its_out, its_err])
        os.close(its_out)
        os.close(its_err)
        return ForkedCommand(words, ours, out, err)

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.wait(10)


class ForkedCommand:
    """A command, with what tests use of `subprocess.Popen`."""

    def __init__(self, words: Sequence[str], line: socket.socket, out: int, err: int):
        self.args = [sys.executable, "-P", "-m", "genesis.cli", *words]
        self.returncode: int | None = None
        self.stdout, self.stderr = (os.fdopen(end, "r", encoding="utf-8") for end in (out, err))
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

    def _read(self, name: str, stream: IO[str]) -> None:
        with suppress(ValueError):  # it was closed
            self._said[name] = stream.read()
        self._said.setdefault(name, "")

    def _wait_for_status(self, line: socket.socket) -> None:
        with line, self._line as lines:
            self.returncode = os.waitstatus_to_exitcode(int(lines.readline() or signal.SIGKILL))
        self._status.set()


def _read_on_import(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_ON_IMPORT)}


def _serve(control: socket.socket) -> None:
    """Fork a command for each order, until nobody is left to give one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, ends, _, _ = socket.recv_fds(control, 1_000_000, 3)
        if not order:
            return
        if os.fork() == 0:
            control.close()
            _watch(json.loads(order), *ends)
        for end in ends:
            os.close(end)


def _watch(order: dict[str, Any], line: int, out: int, err: int) -> NoReturn:
    """Fork the command, and report its number and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 64)
        _become(order)
    os.close(out)
    os.close(err)
    os.write(line, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(line, f"{status}\n".encode())
    os._exit(0)


def _become(order: dict[str, Any]) -> NoReturn:
    """Run the command as `python -P -m genesis.cli` does; the interpreter ends as always."""
    from genesis.cli.app import main

    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])
    sys.argv = ["genesis", *order["words"]]
    main()


if __name__ == "__main__":
    for each in _MODULES:
        importlib.import_module(each)
    assert "prefect" not in sys.modules
    gc.freeze()  # what the commands share
    _serve(socket.socket(fileno=int(sys.argv[1])))
