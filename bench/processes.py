"""Processes of this machine, as a bench sees them: who has started whom, and who still lives."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Seen", "below", "family", "family_cpu_s", "family_pss_mb", "find_marked", "snapshot"]

_PROC = Path("/proc")


@dataclass(frozen=True)
class Seen:
    """A process, distinguished from a later one with the same pid by its start time."""

    pid: int
    parent: int
    began: int
    """In clock ticks since the machine's start."""
    command: str

    def lives(self) -> bool:
        """Whether it still runs; one that only waits to be reaped does not."""
        now = _read(self.pid)
        return now is not None and now.began == self.began

    def kill(self) -> None:
        """Kill it, if it is still the same."""
        if self.lives():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def snapshot() -> dict[int, Seen]:
    """Read all processes; nothing where the system does not list them."""
    found = (_read(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit()) if _PROC.is_dir() else ()
    return {process.pid: process for process in found if process is not None}


def below(pid: int) -> list[Seen]:
    """Return what a process has started, and what that has started."""
    processes = snapshot()
    found: list[Seen] = []
    parents = {pid}
    while parents:
        layer = [process for process in processes.values() if process.parent in parents]
        found += layer
        parents = {process.pid for process in layer}
    return found


def family(pid: int) -> list[Seen]:
    """Return a process and all below it."""
    own = _read(pid)
    return [*([own] if own else []), *below(pid)]


def family_cpu_s(pid: int) -> float:
    """Return the processor seconds of a process and all below it, with those of their children that have ended."""
    ticks = 0
    for one in family(pid):
        try:
            fields = (_PROC / str(one.pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def family_pss_mb(pid: int) -> list[float]:
    """Return the proportional memory of a process and of each below it in MB: what several share counts once in all."""
    found = []
    for one in family(pid):
        try:
            lines = (_PROC / str(one.pid) / "smaps_rollup").read_text("ascii").splitlines()
        except OSError:
            continue
        found += [int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")]
    return found


def find_marked(variable: str) -> list[Seen]:
    """Return the processes whose environment has `NAME=value`, as every descendant of one that was given it has."""
    wanted = variable.encode()
    found = []
    for process in snapshot().values():
        try:
            environment = (_PROC / str(process.pid) / "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0"):
            found.append(process)
    return found


def _read(pid: int) -> Seen | None:
    try:
        head, _, rest = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")
        command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return None
    fields = rest.split()
    if fields[0] in "ZX":
        return None
    return Seen(pid, int(fields[1]), int(fields[19]), command or head.partition("(")[2])
