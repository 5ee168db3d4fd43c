"""Processes by their number and start: a number alone may belong to another process by now."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["end", "hide_on_command_line", "identity", "is_running"]

_POLL_S = 0.02
_ARGUMENTS_OF = Path("/proc/self")
_ARGUMENTS_START = 45
"""Where `arg_start` is behind the name in `/proc/self/stat`: the 48th field, where the name is the 2nd; see proc(5)."""


def identity(pid: int) -> str | None:
    """Return the identity of a process, distinct from all others with the same pid, or None when there is none.

    That is the machine's boot and the moment the process started. One that has ended but was not yet collected by its
    parent counts as gone.
    """
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except ProcessLookupError:
        return None
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _identity_from_ps(pid)
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _identity_from_ps(pid: int) -> str | None:
    found = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = found.stdout.strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def is_running(pid: int, known: str) -> bool:
    """Whether the process with this identity still runs."""
    return identity(pid) == known


def hide_on_command_line(secret: str) -> None:
    """Overwrite a part of this process's arguments where `ps` reads them; harmless on other systems."""
    word = secret.encode()
    try:
        fields = (_ARGUMENTS_OF / "stat").read_text().rpartition(")")[2].split()
        line = (_ARGUMENTS_OF / "cmdline").read_bytes()
    except OSError:
        return
    start = int(fields[_ARGUMENTS_START])
    at = line.find(word) if word and start else -1
    while at >= 0:
        ctypes.memset(start + at, ord("*"), len(word))
        at = line.find(word, at + len(word))


def end(pid: int, known: str, *, grace_s: float, clock: Callable[[], float] = time.monotonic) -> None:
    """End the process with this identity and what it started: ask it, and after the grace kill its whole session.

    Nothing happens to another process that has its number by now.

    Args:
        pid: The number.
        known: Its identity, as `identity` gave it when it was started.
        grace_s: Seconds that it has to exit.
        clock: Tells the time.

    Raises:
        PermissionError: It belongs to another user.
    """
    _signal(pid, known, signal.SIGTERM, whole_group=False)
    _wait(pid, known, clock() + grace_s, clock)
    _signal(pid, known, signal.SIGKILL, whole_group=True)
    _wait(pid, known, clock() + grace_s, clock)


def _signal(pid: int, known: str, number: signal.Signals, *, whole_group: bool) -> None:
    if not is_running(pid, known):
        return
    with suppress(ProcessLookupError):
        if whole_group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def _wait(pid: int, known: str, until: float, clock: Callable[[], float]) -> None:
    while is_running(pid, known) and clock() < until:
        time.sleep(_POLL_S)
