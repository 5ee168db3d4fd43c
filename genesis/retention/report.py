"""What a purge found and did, collected while it works and reported at its end."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from genesis.errors import UsageError
from genesis.model.base import Model
from genesis.text import size_text

__all__ = ["Amount", "KeptItem", "Purge", "PurgeKind", "Purging", "before_days"]

PurgeKind = Literal["runs", "files", "cache", "logs", "leftovers", "flow_runs"]
"""Ledgers with all that is in them; what agents left where ledgers are elsewhere; results for other runs; log files
that were put aside; what an interrupted purge left; Prefect's flow runs."""
_MOST_DAYS = 36_500
"""A hundred years, which timedelta can still subtract from today."""


class Amount(Model):
    """How much of one kind."""

    count: int = 0
    bytes: int = 0
    """0 for flow runs: a server does not say."""


class KeptItem(Model):
    """Something that is still there, and why."""

    kind: PurgeKind
    name: str
    why: str


class Purge(Model):
    """What a purge came to."""

    before: datetime
    """What ended, or was written, before this time is old."""
    dry_run: bool
    """Whether nothing was removed: `amounts` is then what would be."""
    amounts: dict[PurgeKind, Amount]
    runs: tuple[str, ...] = ()
    """Ids of the runs whose ledgers were removed, or would be."""
    kept: tuple[KeptItem, ...] = ()
    """What is old, and stays: damaged, not ended, being worked on."""
    failed: tuple[KeptItem, ...] = ()
    """What could not be removed."""
    notes: tuple[str, ...] = ()
    """What was not looked at, and why."""

    @property
    def removed(self) -> int:
        """How many things of all kinds were removed, or would be."""
        return sum(amount.count for amount in self.amounts.values())

    @property
    def bytes(self) -> int:
        """How many bytes they have."""
        return sum(amount.bytes for amount in self.amounts.values())

    def message(self) -> str:
        """Say it in one line."""
        parts = [
            f"{amount.count:,} {_format_kind(kind, amount.count)}"
            for kind, amount in self.amounts.items()
            if amount.count
        ]
        what = ", ".join(parts) or "nothing"
        did = "would be removed" if self.dry_run else "removed"
        size = f" ({size_text(self.bytes)})" if self.bytes else ""
        more = [f"{len(self.kept)} kept that are old" if self.kept else ""]
        more += [f"{len(self.failed)} could not be removed" if self.failed else "", *self.notes]
        return "; ".join([f"{what} {did}{size}", *filter(None, more)])


class Purging:
    """Collects what a purge finds and does.

    Args:
        before: What ended before this time is old.
        dry_run: Remove nothing.
    """

    def __init__(self, before: datetime, *, dry_run: bool):
        self.before = before
        self.dry_run = dry_run
        self._counts: Counter[PurgeKind] = Counter()
        self._bytes: Counter[PurgeKind] = Counter()
        self._runs: list[str] = []
        self._kept: list[KeptItem] = []
        self._failed: list[KeptItem] = []
        self._notes: list[str] = []

    def record_removed(self, kind: PurgeKind, name: str, size: int = 0) -> None:
        """Note that something is gone, or would be."""
        self._counts[kind] += 1
        self._bytes[kind] += size
        if kind == "runs":
            self._runs.append(name)

    def record_kept(self, kind: PurgeKind, name: str, why: str) -> None:
        """Note that something old stays."""
        self._kept.append(KeptItem(kind=kind, name=name, why=why))

    def record_failed(self, kind: PurgeKind, name: str, why: str) -> None:
        """Note that something could not be removed."""
        self._failed.append(KeptItem(kind=kind, name=name, why=why))

    def note(self, text: str) -> None:
        """Note what is not looked at, once."""
        if text not in self._notes:
            self._notes.append(text)

    def purge(self) -> Purge:
        """Return what it came to."""
        kinds: tuple[PurgeKind, ...] = get_args(PurgeKind)
        return Purge(
            before=self.before,
            dry_run=self.dry_run,
            amounts={kind: Amount(count=self._counts[kind], bytes=self._bytes[kind]) for kind in kinds},
            runs=tuple(self._runs),
            kept=tuple(self._kept),
            failed=tuple(self._failed),
            notes=tuple(self._notes),
        )


def before_days(days: float, now: datetime | None = None) -> datetime:
    """Return the time this many days ago.

    Raises:
        UsageError: The number is negative, or beyond a hundred years.
    """
    if not 0 <= days <= _MOST_DAYS:  # false for what is no number, too
        raise UsageError(f"{days:,.0f} days is no age to keep things for", hint=f"give 0 to {_MOST_DAYS:,} days")
    return (now or datetime.now(UTC)) - timedelta(days=days)


def _format_kind(kind: PurgeKind, count: int) -> str:
    one = {
        "runs": "run",
        "files": "folder of files",
        "cache": "cached result",
        "logs": "log file",
        "leftovers": "leftover of an earlier purge",
        "flow_runs": "flow run",
    }[kind]
    if count == 1:
        return one
    first, _, rest = one.partition(" of ")
    return f"{first}s of {rest}" if rest else f"{one}s"
