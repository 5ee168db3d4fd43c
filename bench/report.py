"""The document that every bench prints: rows that were measured and targets that were met or not."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Bench", "Target", "arguments", "percentile"]


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that a measured value should keep."""

    name: str
    target: float
    """The bound."""
    value: float
    """What was measured."""
    met: bool

    @classmethod
    def at_most(cls, name: str, target: float, value: float) -> Target:
        return cls(name, target, round(value, 6), value <= target)

    @classmethod
    def at_least(cls, name: str, target: float, value: float) -> Target:
        return cls(name, target, round(value, 6), value >= target)


@dataclass(slots=True)
class Bench:
    """The result of one bench."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def add(self, **row: Any) -> None:
        """Append a row; rows with the same keys become one table."""
        self.rows.append(row)

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "machine": _machine(),
            "commit": _commit(),
            "rows": self.rows,
            "targets": [asdict(target) for target in self.targets],
        }

    def show(self, *, as_json: bool) -> None:
        """Print the document, or tables."""
        if as_json:
            print(json.dumps(self.document(), ensure_ascii=False))
            return
        print(f"{self.name} · {_machine()['cpus']} cores, Python {_machine()['python']} · {_commit() or 'no commit'}")
        for keys, rows in _tables(self.rows):
            print()
            _print_table(keys, rows)
        if self.targets:
            print()
            _print_table(
                ("target", "bound", "value", "met"), [asdict(each) for each in self.targets], tuple(_TARGET_KEYS)
            )


_TARGET_KEYS = ("name", "target", "value", "met")


def arguments(description: str) -> argparse.ArgumentParser:
    """Make a parser with the flags that all benches share: `--quick`, `--json`, `--data`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smaller run, within a minute")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    return parser


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of some values that at least this percentage of them do not exceed.

    Args:
        values: At least one, in any order.
        percent: Between 0 and 100.
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def _tables(rows: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[str, ...], list[Mapping[str, Any]]]]:
    tables: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        tables.setdefault(tuple(row), []).append(row)
    return list(tables.items())


def _print_table(titles: tuple[str, ...], rows: Sequence[Mapping[str, Any]], keys: tuple[str, ...] = ()) -> None:
    cells = [[_cell(row[key]) for key in keys or titles] for row in rows]
    widths = [max(len(line[column]) for line in [list(titles), *cells]) for column in range(len(titles))]
    numeric = [all(isinstance(row[key], int | float) for row in rows) for key in keys or titles]
    for line in [list(titles), *cells]:
        padded = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numeric, strict=True)
        )
        print("  ".join(padded).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.5g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _commit() -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10, check=True,
            cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
