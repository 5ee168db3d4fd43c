"""Shared state of the processes of one machine, in a SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from genesis.resilience.store import StoreError

__all__ = ["SqliteStore"]

_T = TypeVar("_T")
_BUSY_S = 1.0
"""How long another process may hold the file. A step takes less than a millisecond."""
_SCHEMA = "CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"


class SqliteStore:
    """Keeps texts by name in a file that several processes use. The file is made when it is first used.

    Nothing in it has to outlive a crash of the machine, so writes do not wait for the disk.

    Args:
        file: The file; its folder is made.
        clock: Seconds that all processes of the machine agree on. Python's monotonic clock is the system's own on
            Linux, macOS and Windows, and begins anew when the machine does; users of the store have to expect that.
    """

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.monotonic):
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened_by = 0

    def now(self) -> float:
        """Return the time of this machine."""
        return self._clock()

    def change(self, name: str, step: Callable[[str | None, float], tuple[str | None, _T]]) -> _T:
        """Change what is kept under a name, atomically.

        Raises:
            StoreError: The file cannot be used, or is held by another process for too long.
        """
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                kept, value = step(_value(connection, name), self._clock())
                if kept is not None:
                    connection.execute("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", (name, kept))
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return value

    def read(self, name: str) -> tuple[str | None, float]:
        """Return what is kept under a name, and the time.

        Raises:
            StoreError: The file cannot be used.
        """
        with self._using() as connection:
            return _value(connection, name), self._clock()

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin with a prefix, in order.

        Raises:
            StoreError: The file cannot be used.
        """
        query = "SELECT name FROM state WHERE substr(name, 1, ?) = ? ORDER BY name"
        with self._using() as connection:
            return [str(name) for (name,) in connection.execute(query, (len(prefix), prefix))]

    def close(self) -> None:
        """Close the file. It is opened again when the store is used again."""
        with self._lock:
            self._drop()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None or self._opened_by != os.getpid():
                    # A connection of the parent must not be used after a fork, and not be closed here either.
                    self._connection, self._opened_by = self._open(), os.getpid()
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                self._drop()
                raise StoreError(
                    f"the shared state in {str(self._file)!r} cannot be used: {error}",
                    hint="check the folder's space and permissions; the file can be deleted at any time",
                ) from error

    def _open(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Threads take turns by the lock; a transaction is begun by hand, since the library's own begin without a lock.
        connection = sqlite3.connect(self._file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _value(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])
