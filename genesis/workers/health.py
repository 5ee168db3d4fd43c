"""A page for health checks: a few lines of HTTP, since nothing more is asked of it."""

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
_PATIENCE_S = 5.0


class HealthPage:
    """Answers `GET /health`.

    Args:
        report: Gives whether all is well, and the document that is shown.
    """

    def __init__(self, report: Callable[[], tuple[bool, dict[str, Any]]]):
        self._report = report
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
                hint="give another --health-port",
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
                writer.write(self._response(method, path))
                await writer.drain()
        writer.close()

    def _response(self, method: bytes, path: bytes) -> bytes:
        if path.split(b"?")[0] != b"/health":
            status, document = "404 Not Found", {"error": "see /health"}
        elif method not in {b"GET", b"HEAD"}:
            status, document = "405 Method Not Allowed", {"error": "use GET"}
        else:
            well, document = self._report()
            status = "200 OK" if well else "503 Service Unavailable"
        body = b"" if method == b"HEAD" else json.dumps(document).encode() + b"\n"
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        return f"{head}connection: close\r\n\r\n".encode() + body
