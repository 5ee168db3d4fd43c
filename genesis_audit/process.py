"""Child processes with caps: on time, on output, and on what they leave behind."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal, TypeAlias

__all__ = ["Completed", "ProcessEnd", "find_program", "get_trusted_path", "run_child", "scrub_environment"]

ProcessEnd: TypeAlias = Literal["exited", "timeout", "output_limit", "missing"]

_CHUNK = 65_536
_DRAIN_S = 0.5
"""After its leader has ended a group may hold the pipes open; what is in them is read for this long at most."""

_KEPT_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT")


@dataclass(frozen=True)
class Completed:
    """How a child process ended, and what it wrote."""

    end: ProcessEnd
    """`exited`, stopped at a `timeout` or an `output_limit`, or `missing`: it could not be started."""
    code: int | None
    """Its exit code; `None` unless it exited."""
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it exited with code 0."""
        return self.end == "exited" and self.code == 0

    @property
    def complaint(self) -> str:
        """The last line that it wrote to stderr, for a message."""
        lines = self.stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


@dataclass
class _Stream:
    limit: int
    keep_tail: bool
    data: bytearray = field(default_factory=bytearray)

    def add(self, chunk: bytes) -> bool:
        """Keep a chunk; whether the stream is still within its limit."""
        self.data += chunk
        if len(self.data) <= self.limit:
            return True
        if not self.keep_tail:
            del self.data[self.limit :]
            return False
        if len(self.data) > 2 * self.limit + _CHUNK:
            del self.data[: -self.limit]
        return True

    def content(self) -> bytes:
        return bytes(self.data[-self.limit :])


def run_child(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    output_limit: int = 8_000_000,
    keep_tail: bool = False,
) -> Completed:
    """Run a command in a process group of its own, and end the whole group whatever happens.

    Args:
        argv: The command; never a shell string.
        cwd: Where it runs.
        env: Its whole environment.
        timeout_s: After this it is killed with everything that it started in its group.
        output_limit: Bytes of each stream that are kept. A child that writes more is killed, unless `keep_tail`.
        keep_tail: Let it continue past the limit, and keep the last bytes instead of the first.

    Returns:
        How it ended; a command that cannot be started is `missing`, not an exception.
    """
    start = time.monotonic()
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Completed("missing", None, b"", str(error).encode(), time.monotonic() - start)
    out, err = _Stream(output_limit, keep_tail), _Stream(output_limit, keep_tail)
    pipes = {pipe: stream for pipe, stream in ((child.stdout, out), (child.stderr, err)) if pipe is not None}
    try:
        end = _pump(child, pipes, start + timeout_s)
    finally:
        _end_group(child)
    code = child.returncode if end == "exited" else None
    return Completed(end, code, out.content(), err.content(), time.monotonic() - start)


def _pump(child: subprocess.Popen[bytes], streams: dict[IO[bytes], _Stream], deadline: float) -> ProcessEnd:
    """Read the streams until the child has ended, its time is over or it has written too much."""
    exited_at: float | None = None
    with selectors.DefaultSelector() as selector:
        for pipe, stream in streams.items():
            selector.register(pipe, selectors.EVENT_READ, stream)
        while True:
            now = time.monotonic()
            if exited_at is None and _has_exited(child):
                exited_at = now
            if exited_at is not None and (not selector.get_map() or now - exited_at > _DRAIN_S):
                return "exited"
            if now >= deadline:
                return "exited" if exited_at is not None else "timeout"
            ready = selector.select(min(0.05, deadline - now)) if selector.get_map() else _pause()
            if exited_at is not None and not ready:
                return "exited"
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif not key.data.add(chunk):
                    return "output_limit"


def _pause() -> list[tuple[selectors.SelectorKey, int]]:
    time.sleep(0.01)
    return []


def _has_exited(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child has ended, without reaping it where that is possible: its group id stays its own till then."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return child.poll() is not None


def _end_group(child: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def find_program(name: str) -> str | None:
    """Find a program that a package of this Python's own environment brought; nothing on PATH is taken."""
    return shutil.which(name, path=sysconfig.get_path("scripts"))


def get_trusted_path(outside: Path) -> str:
    """Return `PATH` without relative entries and without folders inside `outside`, where programs are untrusted."""
    return _filter_path(tuple(os.get_exec_path()), outside)


@lru_cache(16)
def _filter_path(entries: tuple[str, ...], outside: Path) -> str:
    return os.pathsep.join(
        entry for entry in entries if Path(entry).is_absolute() and not Path(entry).resolve().is_relative_to(outside)
    )


def scrub_environment(path: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return a child's environment: no tokens, no settings of ours, only the locale, `PATH` and what is added.

    Args:
        path: The child's `PATH`.
        extra: Variables to add; they win.
    """
    kept = {name: value for name in _KEPT_VARIABLES if (value := os.environ.get(name)) is not None}
    return {**kept, "PATH": path, **extra}
