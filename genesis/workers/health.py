"""A page for health checks and metrics: a few lines of HTTP, since nothing more is asked of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from genesis.errors import ServiceError

__all__ = ["HealthPage"]

_LONGEST_HEAD = 8_192
"""Bytes of a request to the health page."""
_PATIENCE_S = 5.0
"""Time limit for one request."""


class HealthPage:
    """Answers `GET /health` and `GET /metrics`.

    Args:
        report: Gives whether all is well, and the document that is shown.
        metrics: Gives content type and text of the metrics, by what the request accepts. It may block.
    """

    def __init__(self, report: Callable[[], tuple[bool, dict[str, Any]]], metrics: Callable[[str], tuple[str, bytes]]):
        self._report = report
        self._metrics = metrics
        self.asked = False
        """Whether anybody has read the metrics."""
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen, and give the port; 0 takes a free one.

        Raises:
            ServiceError: The address cannot be listened on.
        """
        try:
            self._server = await asyncio.start_server(self._answer, host, port, limit=_LONGEST_HEAD)
        except OSError as error:
            raise ServiceError(
                f"the health page cannot listen on {host!r} port {port}: {os.strerror(error.errno or 0)}",
                hint="use another --health-port",
            ) from error
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            async with asyncio.timeout(_PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
                writer.write(await self._response(method, path.split(b"?")[0], head))
                await writer.drain()
        writer.close()

    async def _response(self, method: bytes, path: bytes, head: bytes) -> bytes:
        status, kind = "200 OK", "application/json"
        if path not in {b"/health", b"/metrics"}:
            status, body = "404 Not Found", _as_json({"error": "see /health and /metrics"})
        elif method not in {b"GET", b"HEAD"}:
            status, body = "405 Method Not Allowed", _as_json({"error": "use GET"})
        elif path == b"/metrics":
            self.asked = True
            kind, body = await asyncio.to_thread(self._metrics, _accept(head))
        else:
            well, document = self._report()
            status, body = "200 OK" if well else "503 Service Unavailable", _as_json(document)
        body = b"" if method == b"HEAD" else body
        lines = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        return f"{lines}connection: close\r\n\r\n".encode() + body


def _as_json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _accept(head: bytes) -> str:
    """Return what a request accepts."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"accept":
            return value.strip().decode("latin-1")
    return ""
