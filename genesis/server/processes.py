"""Processes by their number and start: a number alone may belong to another process by now."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from genesis.server.limits import POLL_S

__all__ = ["end", "hide_on_command_line", "identity", "is_running"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ARGUMENTS_OF = Path("/proc/self")
_ARGUMENTS_START = 45
"""Where `arg_start` is behind the name in `/proc/self/stat`: the 48th field, where the name is the 2nd; see proc(5)."""


def identity(pid: int) -> str | None:
    """Return the identity of a process, distinct from all others with the same pid, or None when there is none.

    That is the machine's boot and the moment the process started. One that has ended but was not yet collected by its
    parent counts as gone.
    """
    import psutil  # noqa: PLC0415  # 30 ms, which most commands need not spend

    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        process = psutil.Process(pid)
        if process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            return None
        started = process.create_time()
    except psutil.Error:
        return None
    try:
        boot = _BOOT_ID.read_text().strip()
    except FileNotFoundError:  # not Linux: the moment is written down when the process starts, whatever the clock does
        return str(started)
    return f"{boot}:{round((started - psutil.boot_time()) * os.sysconf('SC_CLK_TCK'))}"


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
        time.sleep(POLL_S)
