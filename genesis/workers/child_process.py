"""One warm child, as the supervisor sees it: give it flow runs, hear how they end, end it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING, Any

from genesis.agents.processes import below, kill_all, signal_all
from genesis.observability.metrics import metrics_of_process
from genesis.workers.engine import StopCause
from genesis.workers.fork_client import ForkedChild
from genesis.workers.limits import CHUNK_BYTES
from genesis.workers.protocol import Message, MessageDecoder, encode

if TYPE_CHECKING:
    from psutil import Process

__all__ = ["ASK_S", "ChildGoneError", "ChildProcess"]

ASK_S = 1.0
"""How long work that was asked to end has before the programs it started are sent SIGTERM."""
_TERM_S = 2.0
"""How long it has before it is killed."""
_LEAVE_S = 12.0
"""How long a child has to send what is left for the UI when it is to leave."""


class ChildGoneError(Exception):
    """A child's process is gone. It says how it ended."""


@dataclass(eq=False)
class ChildProcess:
    """A forked process that runs flow runs."""

    forked: ForkedChild
    env: Mapping[str, str]
    shared: bool
    """Whether it runs many flow runs at once on one loop."""
    started: int = 0
    """Flow runs that it was given so far."""
    doomed: bool = False
    """Whether it gets no more flow runs."""
    killed_for: str | None = None
    """Why the supervisor killed it, where it did."""
    beat: float = field(default_factory=time.monotonic)
    ready: bool = False
    idle_since: float = field(default_factory=time.monotonic)
    started_processes: Sequence[Process] = ()
    """What it has started, as it was last seen: that outlives it when its fork server dies."""
    _waiting: dict[str, asyncio.Future[Message]] = field(default_factory=dict)
    _listening: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._listening = asyncio.create_task(self._listen())

    @property
    def pid(self) -> int:
        """Its process."""
        return self.forked.pid

    @property
    def busy(self) -> int:
        """How many flow runs it has."""
        return sum(not report.done() for report in self._waiting.values())

    @property
    def gone(self) -> bool:
        """Whether its process has ended."""
        return self.forked.exit.done()

    async def run(self, message: Message) -> Message:
        """Have a flow run run, and give its report.

        Args:
            message: Operation `run` or `hooks`, with the flow run's id.

        Raises:
            ChildGoneError: The process ended before the flow run did.
        """
        identity: str = message["id"]
        report: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[identity] = report
        try:
            self._send(message)
            await self._over(report, None)
            if not report.done():
                raise ChildGoneError(self.killed_for or f"its process {self.forked.exit.result()}")
            return report.result()
        finally:
            self._waiting.pop(identity, None)
            self.idle_since = time.monotonic()

    async def end_run(self, identity: str, why: StopCause, patience_s: float = ASK_S) -> str:
        """End one flow run: ask, then end the programs that it started, then kill the process.

        A process that is shared is not killed for one of its flow runs: there a task that does not end is waited for.

        Args:
            identity: The flow run.
            why: How it ends.
            patience_s: How long it may take once it is asked.

        Returns:
            What was done, for people.
        """
        begun = time.monotonic()
        report = self._waiting.get(identity)
        if report is None or self.gone:
            return "it had ended already"
        self.doomed = not self.shared
        self._send({"op": "end", "id": identity, "why": why})
        if await self._over(report, patience_s):
            how = "it ended"
        elif self.shared:
            await self._over(report, None)
            how = "its task ended"
        else:
            signal_all(below(self.pid), SIGTERM)
            how = "it ended" if await self._over(report, _TERM_S - ASK_S) else "it was killed"
        if self.shared:
            return f"{how} after {time.monotonic() - begun:.1f} s"
        await self.leave()
        return f"{how} after {time.monotonic() - begun:.1f} s, with everything that it had started"

    async def leave(self) -> None:
        """Let it send what is left for the UI if its work is over, and end it and all that it started."""
        self.doomed = True
        if not self.busy and not self.gone:
            signal_all(below(self.pid), SIGKILL)
            self._send({"op": "stop"})
            await asyncio.wait({self.forked.exit}, timeout=_LEAVE_S)
        await self.kill(self.killed_for)

    async def kill(self, why: str | None) -> None:
        """Kill it and everything below it.

        Args:
            why: The reason reported to its flow runs.
        """
        self.doomed = True
        self.killed_for = self.killed_for or why
        if not self.gone:
            await asyncio.to_thread(kill_all, self.pid)
            await asyncio.wait({self.forked.exit}, timeout=_TERM_S)
        signal_all(self.started_processes, SIGKILL)
        self._close()

    async def _over(self, report: asyncio.Future[Message], timeout_s: float | None) -> bool:
        ends: list[asyncio.Future[Any]] = [report, self.forked.exit]
        await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return report.done() or self.gone

    def _send(self, message: Message) -> None:
        """Send without waiting: what the socket does not take at once is sent by a task."""
        data = encode(message)
        try:
            taken = self.forked.end.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            return  # it is gone; waiters are notified by its exit
        if taken < len(data):
            task = asyncio.create_task(self._send_rest(data[taken:]))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _send_rest(self, data: bytes) -> None:
        with suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self.forked.end, data)

    async def _listen(self) -> None:
        loop, lines = asyncio.get_running_loop(), MessageDecoder()
        with suppress(OSError):
            while data := await loop.sock_recv(self.forked.end, CHUNK_BYTES):
                self.beat = time.monotonic()
                for message in lines.feed(data):
                    self._receive(message)

    def _receive(self, message: Message) -> None:
        if "metrics" in message:
            metrics_of_process().take_in(message["metrics"], source=str(self.pid))
        if message["op"] == "ready":
            self.ready = True
        elif message["op"] == "ended":
            report = self._waiting.get(message["id"])
            if report is not None and not report.done():
                report.set_result(message)

    def _close(self) -> None:
        metrics_of_process().forget(str(self.pid))
        if self._listening is not None:
            self._listening.cancel()
        with suppress(OSError):
            self.forked.end.shutdown(socket.SHUT_RDWR)
        self.forked.end.close()
