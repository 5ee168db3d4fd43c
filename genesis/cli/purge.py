"""`genesis runs purge`."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, print_document
from genesis.cli.prefect import before_prefect
from genesis.errors import UsageError

if TYPE_CHECKING:
    from genesis.retention import Purge

__all__ = ["purge"]

_AGE = re.compile(r"(\d{1,9})([hdw])")
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}
_LISTED = 20
"""Most lines of one kind; `--json` has all."""
_TITLES = {
    "runs": "ledgers of runs",
    "files": "files of agents",
    "cache": "cached results",
    "logs": "log files",
    "leftovers": "leftovers of a purge",
}


@click.command(epilog="Example: genesis runs purge --older-than 30d --yes")
@click.option("--older-than", "age", required=True, metavar="AGE", help="Days, hours or weeks: 30d, 12h, 4w.")
@click.option("--yes", is_flag=True, help="Remove; without it, only show what would be removed.")
@json_option
@debug_option
def purge(age: str, yes: bool, as_json: bool) -> int:
    """Remove the data of runs that ended longer ago than AGE from this machine.

    Removes their ledgers, agents' files, cached results and old log files. A run that has not ended, that a
    process is working on, or whose ledger is damaged is kept.
    """
    days = _days(age)
    before_prefect()
    from genesis.retention import Purging, before_days, purge_storage

    settings = load_settings()
    purging = Purging(before_days(days), dry_run=not yes)
    asyncio.run(purge_storage(settings, purging))
    found = purging.purge()
    if as_json:
        print_document(found.model_dump(mode="json"))
    else:
        _show(found, f"genesis runs purge --older-than {age} --yes")
    return 1 if found.failed else 0


def _days(age: str) -> float:
    """Parse an age.

    Raises:
        UsageError: It is not an age.
    """
    found = _AGE.fullmatch(age.strip().lower())
    if found is None:
        raise UsageError(f"--older-than {age!r} is not an age", hint="for example: 30d, 12h or 4w")
    return int(found[1]) * _DAYS[found[2]]


def _show(found: Purge, command: str) -> None:
    """Print a purge for people: counts by kind, the runs, what is kept and what could not be removed."""
    from genesis.cli.rows import Rows
    from genesis.text import size_text

    out = console()
    table = Rows(("would be removed" if found.dry_run else "removed", "count", "size"), right=("count", "size"))
    for kind, amount in found.amounts.items():
        if kind in _TITLES:
            table.add(_TITLES[kind], f"{amount.count:,}", size_text(amount.bytes))
    out.print(table)
    for title, lines in (
        ("Runs", list(found.runs)),
        ("Old, and kept", [f"{left.name}: {left.why}" for left in found.kept]),
        ("Could not be removed", [f"{left.name}: {left.why}" for left in found.failed]),
        ("Not checked", list(found.notes)),
    ):
        for line in lines and [f"{title}:", *(f"  {line}" for line in lines[:_LISTED])]:
            out.print(line, soft_wrap=True)
        if len(lines) > _LISTED:
            out.print(f"  … and {len(lines) - _LISTED:,} more; --json has all")
    if found.dry_run and found.removed:
        out.print(f"Nothing was removed. To remove it: {command}", soft_wrap=True)
