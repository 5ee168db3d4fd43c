"""Kills the process groups of agents' programs when this process has ended for any reason."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from functools import lru_cache

__all__ = ["GroupGuard", "guard_of_process"]

_SHELL = "/bin/sh"
_SCRIPT = """trap '' HUP INT TERM QUIT
groups=' '
while read -r what group; do
  case $what in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done"""
"""Reads `+ group` and `- group` until the pipe is closed, and then kills what is left."""


class GroupGuard:
    """A small process that waits for this one to end, and then kills the groups that are left.

    A program in its own group survives the end of this process by SIGKILL, a second Ctrl-C or a crash.
    `PR_SET_PDEATHSIG` would end the program alone and not its children, and can be set only between fork and exec,
    where no Python may run beside other threads. The guard is started before the first group; where it cannot be, the
    groups are ended by this process alone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe = -1
        self._owner = 0
        self.pid: int | None = None
        """The guard's process; None while there is none."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def start(self) -> None:
        """Start the guard's process, unless it runs: before a program, so that `add` follows its start at once."""
        with self._lock:
            if self._owner != os.getpid():
                self._start()

    def add(self, group: int) -> None:
        """Kill this group when this process has ended."""
        self.start()
        with self._lock:
            self._write("+", group)

    def remove(self, group: int) -> None:
        """Forget this group: it has ended."""
        with self._lock:
            self._write("-", group)

    def _start(self) -> None:
        self._owner = os.getpid()
        reading, self._pipe = os.pipe()
        null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        actions = [(os.POSIX_SPAWN_DUP2, reading, 0), null, (os.POSIX_SPAWN_DUP2, 1, 2)]
        with suppress(OSError, NotImplementedError):
            argv = [_SHELL, "-c", _SCRIPT]
            self.pid = os.posix_spawn(_SHELL, argv, {}, file_actions=actions, setsid=True)
        os.close(reading)

    def _write(self, what: str, group: int) -> None:
        if self.pid is not None:
            with suppress(OSError):
                os.write(self._pipe, f"{what} {group}\n".encode())

    def _forget(self) -> None:
        """Reset in a forked child: the guard belongs to the parent, and waits only for its end of the pipe."""
        if self._pipe >= 0:
            with suppress(OSError):
                os.close(self._pipe)
        self._lock = threading.Lock()
        self._pipe, self.pid, self._owner = -1, None, 0


@lru_cache(maxsize=1)
def guard_of_process() -> GroupGuard:
    """Return the guard that all programs of this process share."""
    return GroupGuard()
