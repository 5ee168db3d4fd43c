"""What the leaves and tasks of the durability scenarios do, and the marks that they leave.

    python -S -E bench/durability_work.py DATABASE RUN LEAF SECONDS

The program is for `command` executors: it ignores SIGTERM. Marks are rows in a SQLite database apart from what is
killed: one at the begin and one at the end, so that a start is counted although its leaf never ended.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass

__all__ = ["Mark", "burn", "fail_once", "ignore", "make", "marks", "noop", "record_mark", "step"]

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Mark:
    """A begin or an end."""

    leaf: str
    pid: int
    at: float
    """Seconds of the wall clock."""


def make(database: str) -> None:
    """Make the database."""
    with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE marks (run TEXT, leaf TEXT, what TEXT, pid INTEGER, at REAL)")


def record_mark(database: str, run: str, leaf: str, what: str) -> None:
    """Leave a mark."""
    with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection, connection:
        connection.execute("INSERT INTO marks VALUES (?, ?, ?, ?, ?)", (run, leaf, what, os.getpid(), time.time()))


def marks(database: str, run: str, what: str = "begin") -> list[Mark]:
    """Read the marks of a run in the order of time."""
    asked = "SELECT leaf, pid, at FROM marks WHERE run = ? AND what = ? ORDER BY at"
    with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection:
        return [Mark(*row) for row in connection.execute(asked, (run, what)).fetchall()]


def step(database: str, run: str, leaf: str, seconds: float, big: str = "") -> dict[str, int]:
    """Wait, and leave a mark before and after."""
    del big
    record_mark(database, run, leaf, "begin")
    time.sleep(seconds)
    record_mark(database, run, leaf, "end")
    return {"pid": os.getpid()}


def burn(database: str, run: str, leaf: str, seconds: float) -> dict[str, int]:
    """Use the processor for so long."""
    record_mark(database, run, leaf, "begin")
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return {"pid": os.getpid()}


def ignore(database: str, run: str, leaf: str, seconds: float) -> dict[str, int]:
    """Wait, and do not end when asked to."""
    record_mark(database, run, leaf, "begin")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except BaseException:  # noqa: BLE001  # to ignore what ends others is the point
            continue
    record_mark(database, run, leaf, "end")
    return {"pid": os.getpid()}


def fail_once(database: str, run: str, leaf: str, seconds: float) -> dict[str, int]:
    """Fail the first time."""
    before = [mark for mark in marks(database, run) if mark.leaf == leaf]
    step(database, run, leaf, seconds)
    if not before:
        raise RuntimeError(f"leaf {leaf!r} fails the first time")
    return {"times": len(before) + 1}


def noop() -> dict[str, bool]:
    """Do nothing."""
    return {"done": True}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    database_, run_, leaf_, seconds_ = sys.argv[1:]
    print(json.dumps(ignore(database_, run_, leaf_, float(seconds_))))
