"""What the leaves of a chaos run do: each leaves a row in a database, in the middle of its time.

    python -S -E bench/effects.py DATABASE RUN LEAF SECONDS

It is a function for `python` executors and a program for `command` executors, and needs nothing but the standard
library, so that it starts quickly. The database is SQLite, apart from what is killed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from typing import Any

__all__ = ["count_effects", "happen", "make", "since"]

_PATIENCE_S = 30.0


def make(database: str) -> None:
    """Make the database."""
    with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE effects (run TEXT, leaf TEXT, pid INTEGER, at REAL)")


def happen(
    database: str, run: str, leaf: str, seconds: float, *, result: dict[str, Any] | None = None, fails: int = 0
) -> dict[str, Any]:
    """Do what a leaf does: work, leave a row, work on.

    Args:
        database: The database.
        run: The run.
        leaf: The leaf.
        seconds: How long it takes.
        result: What it gives besides its name.
        fails: How many of its rows are those of attempts that fail.
    """
    time.sleep(seconds / 2)
    with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection, connection:
        connection.execute("INSERT INTO effects VALUES (?, ?, ?, ?)", (run, leaf, os.getpid(), time.time()))
    time.sleep(seconds / 2)
    if fails and count_effects(database, run)[leaf] <= fails:
        raise RuntimeError(f"{leaf} fails, as the plan says")
    return {"did": leaf, **(result or {})}


def count_effects(database: str, run: str) -> Counter[str]:
    """Count the rows of each leaf of a run."""
    with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection:
        rows = connection.execute("SELECT leaf, COUNT(*) FROM effects WHERE run = ? GROUP BY leaf", (run,)).fetchall()
    return Counter(dict(rows))


def since(database: str, run: str, at: float) -> set[str]:
    """Name the leaves of a run that left a row after a time of the wall clock."""
    with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection:
        rows = connection.execute("SELECT DISTINCT leaf FROM effects WHERE run = ? AND at > ?", (run, at)).fetchall()
    return {leaf for (leaf,) in rows}


if __name__ == "__main__":
    database_, run_, leaf_, seconds_ = sys.argv[1:]
    print(json.dumps(happen(database_, run_, leaf_, float(seconds_))))
