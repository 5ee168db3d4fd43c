"""The end of a command's process, which nothing that agents left running holds up for long."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import NoReturn

from genesis.cli.streams import are_streams_own

__all__ = ["leave"]

_PATIENCE_S = 3.0
_LONGEST_S = 30.0
_LOOK_S = 0.2
_CANCELLED = 130


def leave(code: int) -> NoReturn:
    """Exit, and take along what agents left: threads, pools and, of a run that was cancelled, programs.

    At its end Python waits without a bound for threads, pools and child processes. A second thread watches that.

    Args:
        code: The exit code.
    """
    if are_streams_own() and (threading.active_count() > 1 or "multiprocessing" in sys.modules):
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left that has to end in order
        if code == _CANCELLED:
            _end_programs()
        threading.Thread(target=_watch, args=(code,), name="exit watch", daemon=True).start()
    sys.exit(code)


def _watch(code: int) -> None:
    """End the process when agents' code keeps it from ending."""
    threading.main_thread().join()  # it counts as ended once the interpreter begins to shut down
    begun = time.monotonic()
    while (waited_s := time.monotonic() - begun) < _LONGEST_S:
        time.sleep(_LOOK_S)
        if waited_s >= _PATIENCE_S and (left := _left_running()):
            sys.stderr.write(f"Agents left running what does not end; it is given up: {', '.join(left)}\n")
            break
    _end_programs()
    sys.stdout.flush()
    os._exit(code)


def _left_running() -> list[str]:
    """Name what the interpreter waits for: threads, and processes of `multiprocessing`."""
    threads = [
        f"thread {thread.name!r}"
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
    multiprocessing = sys.modules.get("multiprocessing")
    children = multiprocessing.active_children() if multiprocessing is not None else ()
    return threads + [f"process {child.name!r}" for child in children]


def _end_programs() -> None:
    """Kill the descendants of this process, but for the Prefect server and the guard of the process groups."""
    from genesis.agents.group_guard import guard_of_process
    from genesis.execute.server import server_process
    from genesis.settings import Settings
    from genesis.workers.processes import below, signal_all, snapshot

    processes = snapshot()
    kept = {server_process(Settings()), guard_of_process().pid, _resource_tracker()}
    kept |= {process.pid for spared in kept if spared for process in below(spared, processes)}
    signal_all([each for each in below(os.getpid(), processes) if each.pid not in kept], signal.SIGKILL)


def _resource_tracker() -> int | None:
    """The process of `multiprocessing` that removes shared memory once all who use it have ended."""
    tracker = getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
    pid = getattr(tracker, "_pid", None)
    return pid if isinstance(pid, int) else None
