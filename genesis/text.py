"""Make any text fit to be shown in one line: plans, agents' answers and error messages come from anywhere."""

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
    "visible",
]

_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, movements of the cursor
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)"  # titles, links
    "|\x1b[ -/]+[0-~]"  # character sets
)
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the direction of the text around them
    "\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # have no width, and can hide text
    "\ud800-\udfff\ufffe\uffff]"  # are not characters, and no XML may hold them
)
INVISIBLE = re.compile(rf"{_SEQUENCE.pattern}|(?![\n\t]){_UNSEEN.pattern}")
"""What must not reach a terminal: whole escape sequences, and single characters besides line ends and tabs."""
_BREAK = re.compile("\r\n|\r|\n")
_WIDE = frozenset("WF")
_CENT = Decimal("0.01")


def one_line(text: str, most: int = 1000) -> str:
    """Put a text in one line without characters that cannot be seen, at most so many characters long."""
    line = _UNSEEN.sub("", " ".join(_SEQUENCE.sub("", text[: 4 * most]).split()))
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def visible(text: str) -> str:
    """Take out of a text of many lines what cannot be seen, or turns the text around it."""
    return INVISIBLE.sub("", _BREAK.sub("\n", text))


def cells(text: str) -> int:
    """Count the cells that a text takes where each character has the same width; those of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(char) in _WIDE else 1 for char in text)


def fit_line(text: str, room: int) -> str:
    """Shorten a line to so many cells, with an ellipsis where something is missing."""
    if cells(text) <= room:
        return text
    taken, end = 1, 0
    for end, char in enumerate(text):  # noqa: B007  # where it stops is what is needed
        taken += cells(char)
        if taken > room:
            break
    return f"{text[:end].rstrip()}…"


def duration(seconds: float) -> str:
    """Say a duration as people do, for example `1 min 35 s`."""
    if seconds < 10:  # noqa: PLR2004  # tenths of a second matter below ten
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def cost(run: Run) -> str:
    """Describe what a run cost as far as its tasks tell; nothing where none does, and `at least` where some do not."""
    return (
        ""
        if run.rehearsal is not None
        else format_known_cost(run.cost_usd, ((task.state, task.usd) for task in run.tasks))
    )


def format_known_cost(total: Decimal, tasks: Iterable[tuple[str, object]]) -> str:
    """Describe what tasks cost together, of which each is told by its state and its own cost."""
    known = [usd is not None for state, usd in tasks if state == "completed" or usd]
    return f"{'' if all(known) else 'at least '}{money(total)}" if any(known) else ""


def money(usd: Decimal) -> str:
    """Write an amount; parts of a cent are shown where there is no more."""
    return f"${usd:,.4f}" if 0 < usd < _CENT else f"${usd:,.2f}"


def rehearsal(scale: float) -> str:
    """Describe what a rehearsal is."""
    return f"Rehearsal: no agent works; {f'timers take {scale:g} of the estimated time' if scale else 'nothing waits'}."


def describe_rehearsal(scale: float) -> str:
    """Report that nothing was really done."""
    return f"rehearsed at {scale:g} of the estimated time" if scale else "rehearsed without waiting"
