"""The server's own process: serve Prefect on a socket that is already bound, and keep the log short.

It is run by path, not imported, so that nothing but Prefect has to be found; it has no part in the package's layers.
Descriptor 3 is the listening socket and 4 the lock that is held for life. Standard input has settings with passwords.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import socket
import sys
import threading
import time
from typing import Any

from genesis.server.limits import LOG_BYTES
from genesis.server.own_sites import OWN_NAMES, OwnSites

__all__ = [
    "check_schemas_once",
    "collect_less",
    "forgiving_app",
    "main",
    "one_writer_at_a_time",
    "shorten",
    "take_settings",
]

_SOCKET = 3
"""File descriptor of the listening socket, which the parent process hands down."""
_OWNER_LOCK = 4
"""File descriptor of the lock that shows that the server lives."""
_LOOK_EVERY_S = 10.0
"""Pause between two looks at the size of the log."""
_SHUTDOWN_S = 3
"""How long open requests may take after SIGTERM."""
_MOST_SCHEMAS = 1_000
"""Parameter schemas that are remembered as valid."""
_COLLECTIONS = (20_000, 10, 20)
"""Thresholds of the garbage collector; Python's own are 700, 10 and 10."""


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


def _truncate(log: str) -> None:
    while True:
        time.sleep(_LOOK_EVERY_S)
        try:
            shorten(log, LOG_BYTES)
        except OSError as error:
            sys.stderr.write(f"the log cannot be shortened: {error}\n")


def take_settings() -> None:
    """Take the settings from standard input into the environment; `ps` does not see what is added to it later."""
    os.environ.update(json.loads(sys.stdin.read() or "{}"))
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)


def forgiving_app() -> Any:
    """Make Prefect's server answer 503 while its database is away, which makes its clients ask again.

    Prefect does so for a connection that breaks, and answers 500 where none can be made: a restart of PostgreSQL then
    leaves runs as running forever. Where the database is SQLite nothing changes.
    """
    from prefect.server.api.server import create_app  # noqa: PLC0415
    from starlette.responses import JSONResponse  # noqa: PLC0415

    async def answer_unavailable(_request: object, error: Exception) -> JSONResponse:
        sys.stderr.write(f"PostgreSQL or Redis does not answer: {type(error).__name__}: {error}\n")
        return JSONResponse({"exception_message": "Service Unavailable"}, status_code=503)

    check_schemas_once()
    one_writer_at_a_time()
    app: Any = create_app()  # Prefect hangs its API on it as `api_app`
    for kind in _losses():
        app.api_app.add_exception_handler(kind, answer_unavailable)
    app.add_middleware(OwnSites, names=json.loads(os.environ.get(OWN_NAMES, "[]")))  # the outermost: before CORS
    collect_less()
    return app


def collect_less() -> None:
    """Have the garbage collector pass over what has been loaded by now, and look at the rest less often.

    Measured with ten runs at once on a busy machine: it took an eighth of the time, and stopped the server for
    0.6 s at once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)


def check_schemas_once() -> None:
    """Check each schema against its meta-schema once.

    Prefect checks the variables of a work pool so twice for each flow run that is created in it: measured, 13 of the 46
    ms that the server needs for one.
    """
    from prefect.utilities.schema_tools import validation  # noqa: PLC0415

    kind: Any = validation._VALIDATOR  # noqa: SLF001  # the class that all its checks go through
    check, sound = kind.check_schema, set[str]()

    def check_once(schema: object, *more: Any, **named: Any) -> None:
        text = json.dumps(schema, sort_keys=True, default=repr)
        if text in sound:
            return
        check(schema, *more, **named)
        if len(sound) >= _MOST_SCHEMAS:
            sound.clear()
        sound.add(text)

    kind.check_schema = check_once


def one_writer_at_a_time() -> None:
    """Let transactions on SQLite wait for each other here, and not in SQLite.

    SQLite has one writer. Prefect lets transactions meet there: one that has read before it writes is refused, and one
    that waits does so inside a call that holds its connection. When Python's garbage collector then closes a cursor of
    that connection, it waits too, with the interpreter's lock, so that nothing in the process continues, the writer
    included, until the wait ends after a minute. Measured: a worker on sixteen pools brings that about within seconds.
    """
    import asyncio  # noqa: PLC0415
    from collections.abc import AsyncIterator  # noqa: PLC0415
    from contextlib import asynccontextmanager  # noqa: PLC0415

    from prefect.server.database import configurations  # noqa: PLC0415

    kind: Any = configurations.AioSqliteConfiguration
    begin = kind.begin_transaction
    turn, holder = asyncio.Lock(), None

    @asynccontextmanager
    async def begin_in_turn(self: Any, session: Any, with_for_update: bool = False) -> AsyncIterator[Any]:
        nonlocal holder
        task = asyncio.current_task()
        if task is holder:  # one within another
            async with begin(self, session, with_for_update) as transaction:
                yield transaction
            return
        async with turn:
            holder = task
            try:
                async with begin(self, session, with_for_update) as transaction:
                    yield transaction
            finally:
                holder = None

    kind.begin_transaction = begin_in_turn


def _losses() -> list[type[Exception]]:
    """Return the errors by which PostgreSQL and Redis say that they are away, where the server stands on them."""
    if not os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL", "").startswith("postgresql"):
        return []
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415

    found = [
        OSError,
        asyncpg.InterfaceError,
        asyncpg.OperatorInterventionError,
        asyncpg.PostgresConnectionError,
        asyncpg.TooManyConnectionsError,
    ]
    if os.environ.get("PREFECT_REDIS_MESSAGING_URL"):
        import redis  # noqa: PLC0415

        found += [redis.ConnectionError, redis.TimeoutError]
    return found


def main(log: str, listening_fd: int = _SOCKET, owner_fd: int = _OWNER_LOCK) -> None:
    """Serve until stopped."""
    listening = socket.socket(fileno=listening_fd)
    for descriptor in (listening_fd, owner_fd):  # not for what the server might start
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    threading.Thread(target=_truncate, args=(log,), name="log", daemon=True).start()
    import uvicorn  # noqa: PLC0415

    config = uvicorn.Config(
        forgiving_app,
        factory=True,
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    os.chdir(os.path.dirname(sys.argv[1]))  # noqa: PTH120
    take_settings()
    main(sys.argv[1])
