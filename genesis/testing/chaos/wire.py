"""A TCP line between a client and a server on this machine that can be cut, and on which bytes go astray."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from genesis.testing.chaos.faults import Fault, FaultKind, Faults

__all__ = ["Wire"]

_KINDS: tuple[FaultKind, ...] = ("delay", "hang", "garbage", "partial", "disconnect")
_CHUNK = 65_536
"""Bytes that one read takes."""
_WAIT_S = 30.0
"""How long the proxy's thread may take to do what was asked."""


class Wire:
    """Passes connections on to a port of this machine. Enter it; it works in a thread of its own.

    `cut` breaks what is open and refuses what is new, as a host that has gone does; `join` fixes it, on the same port.
    With faults, what the server sends comes late, stops, is garbled, breaks off in the middle or is lost.

    Args:
        target: The server's port.
        faults: Decides; a call's key is the connection, and its calls are the pieces that the server sends.
    """

    def __init__(self, target: int, faults: Faults | None = None):
        self.port = 0
        """Where it listens, from when it was entered on."""
        self._target = target
        self._faults = faults
        self._connections = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.join()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WAIT_S)
        self._loop.close()

    def join(self) -> None:
        """Listen, where it does not yet."""
        self._there(self._join())

    def cut(self) -> None:
        """Break what is open, and refuse what is new."""
        self._there(self._cut())

    def _there(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_WAIT_S)

    async def _join(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=1.0)
        for carrying in self._carrying:
            carrying.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # for the type checker: a coroutine runs in a task
        self._carrying.add(task)
        self._connections += 1
        key = f"connection {self._connections}"
        opened = {writer}
        self._open |= opened
        try:
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
                opened.add(back)
                self._open.add(back)
                await asyncio.gather(self._pump(reader, back, None), self._pump(there, writer, key))
        finally:
            for each in opened:
                each.close()
            self._open -= opened
            self._carrying.discard(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, key: str | None) -> None:
        try:
            while data := await source.read(_CHUNK):
                fault = self._faults.draw("wire", key, _KINDS) if self._faults and key else None
                sink.write(data if fault is None else await self._spoilt(data, fault))
                await sink.drain()
                if fault is not None and fault.kind in ("partial", "disconnect"):
                    return
        finally:
            sink.close()

    async def _spoilt(self, data: bytes, fault: Fault) -> bytes:
        assert self._faults is not None  # for the type checker: they have drawn this
        match fault.kind:
            case "delay":
                await asyncio.sleep(fault.amount * self._faults.delay_s)
            case "hang":
                await asyncio.sleep(self._faults.hang_s)
            case "garbage":
                return bytes(byte ^ 0x55 for byte in data)
            case "partial":
                return data[: int(fault.amount * len(data))]
            case "disconnect":
                return b""
            case _:
                pass
        return data
