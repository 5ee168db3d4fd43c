"""Make untrusted text safe to show: plans, agents' answers and error messages. Format durations, sizes and costs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genesis.model import Run

__all__ = [
    "INVISIBLE",
    "cells",
    "cost",
    "describe_rehearsal",
    "duration",
    "fit_line",
    "format_known_cost",
    "money",
    "one_line",
    "rehearsal",
    "size_text",
    "visible",
]

_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)"  # titles, links
    "|\x1b[ -/]+[0-~]"  # character sets
)
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the direction of the surrounding text
    "\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # have no width and can hide text
    "\ud800-\udfff\ufffe\uffff]"  # are not characters and are invalid in XML
)
INVISIBLE = re.compile(rf"{_SEQUENCE.pattern}|(?![\n\t]){_UNSEEN.pattern}")
"""What must not reach a terminal: escape sequences, and control characters except line ends and tabs."""
_BREAK = re.compile("\r\n|\r|\n")
_WIDE = frozenset("WF")
_CENT = Decimal("0.01")
_STEP = 1024
"""Factor between two units of size."""


def one_line(text: str, most: int = 1000) -> str:
    """Return a text in one line without invisible characters, shortened to a maximum length."""
    line = _UNSEEN.sub("", " ".join(_SEQUENCE.sub("", text[: 4 * most]).split()))
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def visible(text: str) -> str:
    """Remove from a text of many lines what is invisible or changes the direction of text."""
    return INVISIBLE.sub("", _BREAK.sub("\n", text))


def cells(text: str) -> int:
    """Count the terminal cells of a text; East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in _WIDE else 1 for char in text)


def fit_line(text: str, room: int) -> str:
    """Shorten a line to a number of cells, with an ellipsis where it is cut."""
    if cells(text) <= room:
        return text
    taken, end = 1, 0
    for end, char in enumerate(text):  # noqa: B007  # where it stops is what is needed
        taken += cells(char)
        if taken > room:
            break
    return f"{text[:end].rstrip()}…"


def duration(seconds: float) -> str:
    """Format a duration, for example `1 min 35 s`."""
    if seconds < 10:  # noqa: PLR2004  # tenths of a second matter below ten
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def cost(run: Run) -> str:
    """Format the cost of a run; empty where no task's cost is known, `at least …` where some are unknown."""
    return (
        ""
        if run.rehearsal is not None
        else format_known_cost(run.cost_usd, ((task.state, task.usd) for task in run.tasks))
    )


def format_known_cost(total: Decimal, tasks: Iterable[tuple[str, object]]) -> str:
    """Format the total cost of tasks, each described by its state and cost."""
    known = [usd is not None for state, usd in tasks if state == "completed" or usd]
    return f"{'' if all(known) else 'at least '}{money(total)}" if any(known) else ""


def money(usd: Decimal) -> str:
    """Format an amount in US dollars; with fractions of a cent only below one cent."""
    return f"${usd:,.4f}" if 0 < usd < _CENT else f"${usd:,.2f}"


def rehearsal(scale: float) -> str:
    """Explain in one sentence what a rehearsal does."""
    return f"Rehearsal: no agent runs; {f'timers take {scale:g} of the estimated time' if scale else 'nothing waits'}."


def describe_rehearsal(scale: float) -> str:
    """Format that a run was a rehearsal."""
    return f"rehearsed at {scale:g} of the estimated time" if scale else "rehearsed without waiting"


def size_text(size: int) -> str:
    """Return a number of bytes for a reader, for example `12.3 MB`."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < _STEP:
            break
        value, unit = value / _STEP, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
