"""The server's own process: serve Prefect on a socket that is already bound, and keep the log short.

It is run by path, not imported, so that nothing but Prefect has to be found; it has no part in the package's layers.
Descriptor 3 is the listening socket and 4 the lock that is held for life.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import threading
import time

__all__ = ["main", "shorten"]

_SOCKET = 3
_OWNER_LOCK = 4
_LOG_BYTES = 2_000_000
_LOOK_EVERY_S = 10.0
_SHUTDOWN_S = 3


def shorten(log: str, limit: int) -> bool:
    """Move a log that has grown over the limit aside, keeping its last part; whether it had.

    The log is emptied in place: who writes to it holds it open, and appends.
    """
    if os.path.getsize(log) <= limit:  # noqa: PTH202  # nothing but the essentials is imported here
        return False
    with open(log, "rb+") as file:  # noqa: PTH123
        file.seek(-limit, os.SEEK_END)
        kept = file.read()
        with open(f"{log}.1", "wb") as old:  # noqa: PTH123
            old.write(kept)
        file.truncate(0)
    return True


def _keep_short(log: str) -> None:
    while True:
        time.sleep(_LOOK_EVERY_S)
        try:
            shorten(log, _LOG_BYTES)
        except OSError as error:
            sys.stderr.write(f"the log cannot be shortened: {error}\n")


def main(log: str, listening_fd: int = _SOCKET, owner_fd: int = _OWNER_LOCK) -> None:
    """Serve until told to stop."""
    listening = socket.socket(fileno=listening_fd)
    for descriptor in (listening_fd, owner_fd):  # not for what the server might start
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    threading.Thread(target=_keep_short, args=(log,), name="log", daemon=True).start()
    import uvicorn  # noqa: PLC0415

    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    os.chdir(os.path.dirname(sys.argv[1]))  # noqa: PTH120
    main(sys.argv[1])
