"""What the operating system says about processes: whose child is whose, how much memory each has; and ending them.

A command that an agent runs is the leader of a session of its own, so that ending a worker's child needs more than its
process group: it needs the tree below it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psutil import Process

__all__ = [
    "Family",
    "adopt_orphans",
    "below",
    "die_with_parent",
    "exit_text",
    "families",
    "kill_all",
    "signal_all",
]

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that a process gets when its parent dies."""
_PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h: orphaned descendants become children of this process."""
_ROUNDS = 5
"""Passes over the process table: a process can fork while its family is being killed."""


@dataclass(frozen=True, slots=True)
class Family:
    """What a process has started, at one moment."""

    below: tuple[Process, ...]
    """Its descendants, parents first."""
    memory_bytes: int
    """The resident memory of the process and of all below it."""


def below(pid: int) -> list[Process]:
    """Return the descendants of a process, parents first; none where it has gone."""
    import psutil  # noqa: PLC0415  # 30 ms, which most commands need not spend

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def families(pids: Iterable[int]) -> dict[int, Family]:
    """Return what each of several descendants of this process has started, by one look at the system's processes.

    Args:
        pids: The descendants. One that has gone has a family without anyone.
    """
    import psutil  # noqa: PLC0415

    children: dict[int, list[Process]] = defaultdict(list)
    memory: dict[int, int] = {}
    for process in below(os.getpid()):
        with suppress(psutil.Error):
            memory[process.pid] = process.memory_info().rss
            children[process.ppid()].append(process)
    return {pid: _family(pid, children, memory) for pid in pids}


def _family(pid: int, children: Mapping[int, list[Process]], memory: Mapping[int, int]) -> Family:
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        offspring = children.get(waiting.pop(), ())
        found += offspring
        waiting += [process.pid for process in offspring]
    return Family(tuple(found), sum(memory.get(one, 0) for one in (pid, *(process.pid for process in found))))


def signal_all(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to processes that are still those that were seen."""
    import psutil  # noqa: PLC0415

    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def kill_all(pid: int) -> int:
    """Kill a process, its group and everything below it. What forks meanwhile is found by looking again.

    The process is stopped first, so that it does not take the end of what it started for a result.

    Returns:
        How many processes below it were killed.
    """
    killed: set[Process] = set()
    if pid != os.getpid():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGSTOP)
    for _ in range(_ROUNDS):
        found = set(below(pid)) - killed
        if not found:
            break
        signal_all(found, signal.SIGKILL)
        killed |= found
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
