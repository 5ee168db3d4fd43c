"""Messages between the supervisor, the fork server and the children: JSON lines over Unix sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

from genesis.workers.limits import CHUNK_BYTES

__all__ = ["Message", "MessageDecoder", "MessageSocket", "encode"]

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """Return the line of a message."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class MessageDecoder:
    """Puts messages together from what arrives."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are whole now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in whole if line]


class MessageSocket:
    """One end of a socket, for a process that reads it in one thread and writes from any."""

    def __init__(self, end: socket.socket):
        self._end = end
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            OSError: The other end is gone.
        """
        with self._lock:
            self._end.sendall(encode(message))

    def __iter__(self) -> Iterator[Message]:
        """Return messages until the other end is closed."""
        lines = MessageDecoder()
        while True:
            try:
                data = self._end.recv(CHUNK_BYTES)
            except OSError:
                return
            if not data:
                return
            yield from lines.feed(data)
