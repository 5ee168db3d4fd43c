"""The supervisor's side of the fork server: start it, have it fork, hear which children are gone."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from genesis.errors import ResourceError
from genesis.workers.limits import CHUNK_BYTES
from genesis.workers.protocol import Message, MessageDecoder, encode

__all__ = ["ForkServer", "ForkedChild"]

_log = logging.getLogger(__name__)
_START = (
    "import sys; from genesis.server.prefect_files import shut_out_current_folder; shut_out_current_folder(); "
    "from genesis.workers.fork_server import main; main(sys.argv[1:])"
)
"""With `-P`, no module of the current folder comes before those that are installed, and Prefect reads no file there."""
_START_S = 120.0
"""Time limit for the fork server's imports."""
_FORK_S = 60.0
"""Time limit for one fork: a busy machine can be slow."""
_END_S = 5.0
"""How long the fork server has to end."""


class ForkedChild:
    """A forked process."""

    def __init__(self, pid: int, end: socket.socket):
        self.pid = pid
        self.end = end
        """The supervisor's end of its socket."""
        self.exit: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Says how it ended, once it has."""


class ForkServer:
    """A process that forks children from one in which everything has been imported.

    Args:
        modules: What it imports before it forks.
        environment: Its variables, and those of its children.
        notify: Is given a sentence when something is wrong that an operator should know.
    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str], notify: Callable[[str], None]):
        self._modules = modules
        self._environment = dict(environment)
        self._notify = notify
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._starting = asyncio.Lock()
        self._ready = asyncio.Event()
        self._forking: dict[int, asyncio.Future[ForkedChild]] = {}
        self._ends: dict[int, socket.socket] = {}
        self._alive: dict[int, ForkedChild] = {}
        self._tokens = 0
        self._receiving: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return self._process.pid if self._process is not None else None

    async def fork(self, env: Mapping[str, str]) -> ForkedChild:
        """Return a new child.

        Args:
            env: Variables to add to its environment.

        Raises:
            ResourceError: No process could be had.
        """
        await self.start()
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        self._tokens += 1
        token = self._tokens
        future: asyncio.Future[ForkedChild] = asyncio.get_running_loop().create_future()
        self._forking[token] = future
        self._ends[token] = ours
        try:
            with theirs:
                if self._control is None:
                    raise OSError("the fork server is gone")
                line = encode({"op": "fork", "token": token, "env": dict(env)})
                socket.send_fds(self._control, [line], [theirs.fileno()])
            async with asyncio.timeout(_FORK_S):
                return await future
        except OSError as error:  # a timeout is one, too
            ours.close()
            raise ResourceError(f"no process can be started: {error}", hint="check the worker's machine") from error
        except asyncio.CancelledError:
            ours.close()  # a child that comes yet finds nobody, and ends
            raise
        finally:
            self._forking.pop(token, None)
            self._ends.pop(token, None)

    async def start(self) -> None:
        """Start it, where it does not run, and wait until it has imported everything.

        Raises:
            ResourceError: It did not come up.
        """
        async with self._starting:
            if self._process is None or self._process.poll() is not None:
                await self._start()
            try:
                async with asyncio.timeout(_START_S):
                    await self._ready.wait()
            except TimeoutError:
                self._kill()
                raise ResourceError(
                    f"the fork server did not come up in {_START_S:g} s", hint="see the worker's output above"
                ) from None

    async def close(self) -> None:
        """End it and every child that is left."""
        self._closed = True
        if self._control is not None:
            self._control.close()  # it kills its children when it reads the end of the stream
            self._control = None
        if self._receiving is not None:
            self._receiving.cancel()
        if self._process is not None:
            try:
                await asyncio.to_thread(self._process.wait, _END_S)
            except subprocess.TimeoutExpired:
                self._kill()
        self._fail_waiters()

    async def _start(self) -> None:
        self._ready.clear()
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-c", _START, str(theirs.fileno()), *self._modules]
            self._process = subprocess.Popen(  # noqa: ASYNC220  # asyncio's own would own the pipes and the exit code
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=self._environment,
                start_new_session=True,
            )
        ours.settimeout(0)
        self._control = ours
        self._receiving = asyncio.create_task(self._receive(ours))

    async def _receive(self, control: socket.socket) -> None:
        loop, lines = asyncio.get_running_loop(), MessageDecoder()
        with suppress(OSError):
            while data := await loop.sock_recv(control, CHUNK_BYTES):
                for message in lines.feed(data):
                    self._note(message)
        if not self._closed:
            _log.warning("the fork server is gone")
            self._notify("the fork server is gone; its flow runs are lost, and it is started again")
        control.close()
        if self._control is control:
            self._control = None
        self._fail_waiters()

    def _note(self, message: Message) -> None:
        if message["op"] == "ready":
            for module, reason in message["failed"].items():
                self._notify(f"{module} cannot be imported: {reason}")
            self._ready.set()
        elif message["op"] == "forked":
            self._register_child(message["token"], message["pid"])
        elif (gone := self._alive.pop(message["pid"], None)) is not None and not gone.exit.done():
            gone.exit.set_result(message["text"])

    def _register_child(self, token: int, pid: int) -> None:
        future = self._forking.get(token)
        if future is None or future.done():
            return  # nobody waits for it any more: it finds its socket closed, and ends
        child = self._alive[pid] = ForkedChild(pid, self._ends[token])
        future.set_result(child)

    def _fail_waiters(self) -> None:
        """Notify all waiters that the fork server and its children are gone."""
        for future in self._forking.values():
            if not future.done():
                future.set_exception(OSError("the fork server is gone"))
        for child in self._alive.values():
            if not child.exit.done():
                child.exit.set_result("was lost with its fork server")
        self._alive.clear()
        if self._process is not None and self._process.poll() is None and not self._closed:
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
