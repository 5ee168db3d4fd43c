"""What the operating system says about processes: whose child is whose, how much memory each has; and ending them.

A command that an agent runs is the leader of a session of its own, so that ending a worker's child needs more than its
process group: it needs the tree below it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Process",
    "adopt_orphans",
    "below",
    "die_with_parent",
    "exit_text",
    "kill_all",
    "memory_bytes",
    "signal_all",
    "snapshot",
]

_PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PPID, _START, _RSS = 1, 19, 21
"""Places in /proc/<pid>/stat, counted after the program's name."""
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Process:
    """A process at one moment."""

    pid: int
    parent: int
    started: int
    """When, in ticks since the machine's start: with the pid it names a process permanently."""
    memory_bytes: int


def snapshot() -> dict[int, Process]:
    """Return all processes by pid; none where the system has no `/proc`."""
    found = {}
    for entry in _entries():
        with suppress(OSError, ValueError, IndexError):
            process = _read(int(entry))
            found[process.pid] = process
    return found


def below(pid: int, processes: Mapping[int, Process]) -> list[Process]:
    """Return the descendants of a process, parents first."""
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        offspring = children.get(waiting.pop(), ())
        found += offspring
        waiting += [process.pid for process in offspring]
    return found


def memory_bytes(pid: int, processes: Mapping[int, Process]) -> int:
    """Add up the resident memory of a process and of all below it."""
    own = processes[pid].memory_bytes if pid in processes else 0
    return own + sum(process.memory_bytes for process in below(pid, processes))


def signal_all(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to processes that are still those that were seen."""
    for process in processes:
        with suppress(OSError, ValueError, IndexError):
            if _read(process.pid).started == process.started:
                os.kill(process.pid, number)


def kill_all(pid: int) -> int:
    """Kill a process, its group and everything below it. What forks meanwhile is found by looking again.

    The process is stopped first, so that it does not take the end of what it started for a result.

    Returns:
        How many processes below it were killed.
    """
    killed: dict[int, Process] = {}
    if pid != os.getpid():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGSTOP)
    for _ in range(_ROUNDS):
        found = [process for process in below(pid, snapshot()) if process.pid not in killed]
        if not found:
            break
        signal_all(found, signal.SIGKILL)
        killed |= {process.pid: process for process in found}
    for send in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            send(pid, signal.SIGKILL)
    return len(killed)


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere the closed pipe has to do."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Ask Linux to give this process what its descendants leave behind, so that it can be found."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def exit_text(status: int) -> str:
    """Format how a process ended, from the result of waiting for it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"was ended by signal {signal.Signals(number).name}"
        except ValueError:
            return f"was ended by signal {number}"
    return f"exited with code {os.WEXITSTATUS(status)}"


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _entries() -> list[str]:
    try:
        return [name for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208  # names only, and often
    except OSError:
        return []


def _read(pid: int) -> Process:
    text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    fields = text.rpartition(")")[2].split()
    return Process(pid, int(fields[_PPID]), int(fields[_START]), int(fields[_RSS]) * resource.getpagesize())
