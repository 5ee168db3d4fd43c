"""The background server of a bench: the one that Genesis starts, in a home of the bench's own, ended with the bench."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genesis.server import down, password_of, up
from genesis.settings import Settings

__all__ = ["Server", "cpu_s", "orderly_end", "private_environment", "private_server", "wait_until_quiet"]

_QUIET_S = 0.5
_QUIET_PART = 0.12


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    pid: int
    environment: dict[str, str]
    """For processes that use it."""


def private_environment(home: Path) -> dict[str, str]:
    """Return the environment of this process without its Prefect and Genesis settings, and with homes of its own."""
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
    """Start a server with a database in a temporary folder, and end it afterwards, however the block ends."""
    with orderly_end(), tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        settings = Settings(home=Path(folder) / "genesis")
        try:
            found = up(settings)
            url = found.api_url or ""
            own = {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": password_of(settings, url) or ""}
            yield Server(pid=found.pid or 0, environment=private_environment(Path(folder)) | own)
        finally:
            down(settings)


@contextmanager
def orderly_end() -> Iterator[None]:
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


def cpu_s(pid: int) -> float:
    """Return the processor seconds of another process, user and system; 0 where they cannot be read."""
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
