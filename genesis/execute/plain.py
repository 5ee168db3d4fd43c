"""Make any text fit to be shown in one line: plans, agents' answers and error messages come from anywhere."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["cells", "duration", "fitted", "one_line", "visible"]

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the direction of the text around them
    "\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # have no width, and can hide text
    "\ud800-\udfff\ufffe\uffff]"  # are not characters, and no XML may hold them
)
_BREAK = re.compile("\r\n|\r|\n")
_WIDE = frozenset("WF")


def one_line(text: str, most: int = 1000) -> str:
    """Put a text in one line without characters that cannot be seen, at most so many characters long."""
    line = _UNSEEN.sub("", " ".join(text[: 4 * most].split()))
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def visible(text: str) -> str:
    """Take out of a text of many lines what cannot be seen, or turns the text around it."""
    return "\n".join("\t".join(_UNSEEN.sub("", part) for part in line.split("\t")) for line in _BREAK.split(text))


def cells(text: str) -> int:
    """Count the cells that a text takes where each character has the same width; those of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(char) in _WIDE else 1 for char in text)


def fitted(text: str, room: int) -> str:
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
