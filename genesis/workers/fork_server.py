"""The fork server: a process with one thread that has imported everything and forks children when it is asked to.

The supervisor starts `main` with the arguments `FD MODULE…` and talks to it over the socket FD: a line
`{"op": "fork", "token": …, "env": {…}}` comes with the child's end of a socket; the answers are
`{"op": "forked", "token": …, "pid": …}` and, once it is over, `{"op": "exit", "pid": …, "status": …}`. When the
supervisor is gone, the socket is closed: everything that was forked is killed, with all that it started.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import inspect
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NoReturn

import psutil

from genesis.agents.processes import adopt_orphans, below, die_with_parent, exit_text, kill_all, signal_all
from genesis.workers.limits import CHUNK_BYTES
from genesis.workers.protocol import Message, MessageDecoder, encode

__all__ = ["load_late_parts", "main", "preload"]

_MOST_SOCKETS = 16
"""Sockets that one message may carry."""

ChildMain = Callable[[socket.socket, Mapping[str, str]], None]


def preload(modules: list[str]) -> dict[str, str]:
    """Import modules, and say why some could not be."""
    failed = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  # the boundary of code that is not ours: the flow run will say it too
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


def load_late_parts() -> None:
    """Have libraries load and look up now what each child would for itself.

    `inspect` looks at every module there is for the first source that it is asked for, as Prefect does for each task:
    counting the references to them writes to memory that would else be shared, 10 MB of it in each child.
    """
    import anyio  # noqa: PLC0415  # after the preload, so that its time is measured separately

    anyio.run(anyio.sleep, 0)  # loads its backend
    inspect.getmodule(preload)


class _ForkServerLoop:
    def __init__(self, control: socket.socket, work: ChildMain):
        self._control = control
        self._work = work
        self._lines = MessageDecoder()
        self._ends: list[int] = []
        self._children: set[int] = set()
        self._wakeup_read, self._wakeup_write = os.pipe()
        for descriptor in (self._wakeup_read, self._wakeup_write):
            os.set_blocking(descriptor, False)

    def serve(self) -> None:
        """Fork and report until the supervisor is gone."""
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        sources: list[socket.socket | int] = [self._control, self._wakeup_read]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if self._wakeup_read in ready:
                with suppress(BlockingIOError):
                    os.read(self._wakeup_read, CHUNK_BYTES)
                self._reap()
            if self._control in ready and not self._receive():
                return

    def end_all(self) -> None:
        """Kill every child and what it started."""
        for pid in tuple(self._children):
            kill_all(pid)
        self._sweep()

    def _receive(self) -> bool:
        try:
            data, ends, _, _ = socket.recv_fds(self._control, CHUNK_BYTES, _MOST_SOCKETS)
        except OSError:
            return False
        self._ends += ends
        for message in self._lines.feed(data):
            self._fork(message)
        return bool(data)

    def _fork(self, message: Message) -> None:
        end = self._ends.pop(0)
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(server, end, message["env"])
        os.close(end)
        self._children.add(pid)
        self._send({"op": "forked", "token": message["token"], "pid": pid})

    def _become_child(self, server: int, end: int, env: Mapping[str, str]) -> NoReturn:
        """Leave everything of the fork server behind, and work until the end."""
        code = 1
        try:
            die_with_parent()
            if os.getppid() != server:  # it died before it could be asked for
                os._exit(1)
            os.setsid()
            adopt_orphans()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._wakeup_read, self._wakeup_write, *self._ends):
                os.close(descriptor)
            self._control.close()
            self._work(socket.socket(fileno=end), env)
            code = 0
        except BaseException:  # noqa: BLE001  # the boundary of a forked process: it must not run the parent's code
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        gone = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in self._children:
                self._children.remove(pid)
                gone.append((pid, status))
        if gone:
            self._sweep()
        for pid, status in gone:
            self._send({"op": "exit", "pid": pid, "status": status, "text": exit_text(status)})

    def _sweep(self) -> None:
        """Kill what dead children left behind: it is ours now, and no child."""
        for process in psutil.Process().children():
            if process.pid not in self._children:
                signal_all([*below(process.pid), process], signal.SIGKILL)

    def _send(self, message: Message) -> None:
        with suppress(OSError):
            self._control.sendall(encode(message))


def main(arguments: list[str]) -> None:
    """Run the fork server: a descriptor, then the modules to import."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its supervisor, whatever a whole group is sent
    control = socket.socket(fileno=int(arguments[0]))
    failed = preload(arguments[1:])
    from genesis.workers.child_main import work  # noqa: PLC0415  # after the preload, so that its time is measured separately

    load_late_parts()
    adopt_orphans()
    gc.collect()
    gc.freeze()  # what was imported is not touched by the collector, so that children share its memory
    loop = _ForkServerLoop(control, work)
    control.sendall(encode({"op": "ready", "pid": os.getpid(), "failed": failed}))
    try:
        loop.serve()
    finally:
        loop.end_all()
        os._exit(0)
