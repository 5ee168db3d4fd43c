"""End a command's process without waiting long for what agents left running."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from genesis.cli.limits import EXIT_INTERRUPTED
from genesis.cli.streams import are_streams_own, flush
from genesis.text import one_line

__all__ = ["leave"]

_PATIENCE_S = 3.0
"""How long threads may end silently before they are named."""
_LONGEST_S = 30.0
"""How long threads may take to end; after that the process exits without them."""
_LOOK_S = 0.2
"""Poll interval for threads that still run."""


def leave(code: int) -> NoReturn:
    """Exit and end what agents left running: threads, pools and, after a cancelled run, programs.

    At exit Python waits without a limit for threads, pools and child processes, so a second thread enforces one.

    Args:
        code: The exit code.
    """
    if are_streams_own() and (threading.active_count() > 1 or "multiprocessing" in sys.modules):
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left that needs an orderly shutdown
        end_programs = _program_killer()
        if code == EXIT_INTERRUPTED:
            end_programs()
        threading.Thread(target=_watch, args=(code, end_programs), name="exit watch", daemon=True).start()
    sys.exit(code)


def _watch(code: int, end_programs: Callable[[], None]) -> None:
    """Kill the process when agents' code keeps it from exiting."""
    begun = time.monotonic()
    while (waited_s := time.monotonic() - begun) < _LONGEST_S:
        time.sleep(_LOOK_S)
        if waited_s >= _PATIENCE_S and (left := _find_running()):
            sys.stderr.write(f"Agents left these running; killed at exit: {one_line(', '.join(left))}\n")
            break
    end_programs()
    flush()
    os._exit(code)


def _find_running() -> list[str]:
    """Return the names of what the interpreter waits for: threads, and processes of `multiprocessing`."""
    threads = [
        f"thread {thread.name!r}"
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
    multiprocessing = sys.modules.get("multiprocessing")
    children = multiprocessing.active_children() if multiprocessing is not None else ()
    return threads + [f"process {child.name!r}" for child in children]


def _program_killer() -> Callable[[], None]:
    """Return a function that kills this process's descendants, except the Prefect server and the process-group guard.

    Its imports happen here: an interpreter that shuts down cannot import.
    """
    from genesis.agents.group_guard import guard_of_process
    from genesis.agents.processes import below, signal_all
    from genesis.server import server_process
    from genesis.settings import Settings

    spared = {guard_of_process().pid}
    with suppress(ValueError):  # unusable settings: the command has reported them and started no server
        spared.add(server_process(Settings()))

    def end_programs() -> None:
        kept = {pid for pid in (*spared, _resource_tracker()) if pid is not None}
        kept |= {process.pid for pid in tuple(kept) for process in below(pid)}
        signal_all([each for each in below(os.getpid()) if each.pid not in kept], signal.SIGKILL)

    return end_programs


def _resource_tracker() -> int | None:
    """The process of `multiprocessing` that removes shared memory once all its users have ended."""
    tracker = getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
    pid = getattr(tracker, "_pid", None)
    return pid if isinstance(pid, int) else None
