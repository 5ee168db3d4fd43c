"""A Prefect server of a bench's own: private home, free port, ended with the bench."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Server", "cpu_s", "private_environment", "private_server", "wait_until_quiet"]

_READY_S = 120.0
_GRACE_S = 10.0
_QUIET_S = 0.5
_QUIET_PART = 0.12
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    pid: int
    home: Path
    """Folder of its database; its clients may keep theirs under it."""
    environment: dict[str, str]
    """For processes that use it."""


def private_environment(home: Path) -> dict[str, str]:
    """Give the environment of this process without its Prefect and Genesis settings, and with homes of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "GENESIS_"))}
    return kept | {
        "HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "GENESIS_HOME": str(home / "genesis"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


@contextmanager
def private_server() -> Iterator[Server]:
    """Start a server with a SQLite database in a temporary folder, and end it afterwards, however the block ends."""
    with _orderly_end(), tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        home, port = Path(folder), _free_port()
        api = f"http://127.0.0.1:{port}/api"
        environment = private_environment(home) | {"PREFECT_API_URL": api}
        process = _start(home, port, environment)
        try:
            _wait_ready(process, api, home)
            yield Server(process.pid, home, environment)
        finally:
            process.terminate()
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(home: Path, port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    factory = "prefect.server.api.server:create_app"
    argv = [sys.executable, "-m", "uvicorn", "--factory", factory, "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        return subprocess.Popen(
            [*argv, "--log-level", "warning"],
            env=environment | {"PREFECT_SERVER_LOGGING_LEVEL": "WARNING"},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (no threads yet)
        )


def _end_with_parent() -> None:
    """Let the system end this process when the bench is killed in a way that it cannot handle."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let a request to end this process run what cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _wait_ready(process: subprocess.Popen[bytes], api: str, home: Path) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{api}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    log = (home / "server.log").read_text("utf-8", "replace")[-2000:]
    raise SystemExit(f"the Prefect server did not start\n{log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_s(pid: int) -> float:
    """Give the processor seconds of another process, user and system; 0 where they cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(pid: int, timeout_s: float = 60.0) -> None:
    """Wait until a server has nothing left to do from the run before."""
    until = time.monotonic() + timeout_s
    calm = 0
    while calm < 2 and time.monotonic() < until:
        before = cpu_s(pid)
        time.sleep(_QUIET_S)
        calm = calm + 1 if cpu_s(pid) - before <= _QUIET_S * _QUIET_PART else 0
