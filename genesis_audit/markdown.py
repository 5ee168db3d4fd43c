"""Write Markdown around text that nobody vouches for, so that it cannot change the document's meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["bullets", "code", "table", "text"]

_SPECIAL = re.compile(r"([\\`*\[\]|~<>&$]|(?<![^\W_])_|_(?![^\W_])|^[#+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)]|(?<=:)/(?=/))")
_LONGEST = 300
_ASCII = 0x7F
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Unicode categories that are shown as escapes: control, direction and joining marks, surrogates, line separators."""


def visible(value: object, longest: int = _LONGEST) -> str:
    """Return a value on one line with all that cannot be seen written as an escape, and cut where it is too long."""
    raw = str(value)
    cut = raw[:longest]
    shown = "".join(_escape(each) if unicodedata.category(each) in _HIDDEN else each for each in cut)
    return f"{shown}…" if len(raw) > longest else shown


def _escape(character: str) -> str:
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if character in known:
        return known[character]
    number = ord(character)
    return character.encode("ascii", "backslashreplace").decode("ascii") if number > _ASCII else f"\\x{number:02x}"


def text(value: object, longest: int = _LONGEST) -> str:
    """Return a value as plain text of a paragraph, list or table cell: no markup, link, mention or HTML can arise."""
    return re.sub(r"(?i)(www)\.", r"\1\\.", _SPECIAL.sub(r"\\\1", visible(value, longest).strip()))


def code(value: object, longest: int = _LONGEST) -> str:
    """Return a value as a code span that also holds in a table cell; an empty value gives an empty text."""
    shown = visible(value, longest).replace("\\|", "\\x7c").replace("|", "\\|")
    if not shown.strip():
        return ""
    runs = [len(run) for run in re.findall(r"`+", shown)]
    fence = "`" * (max(runs, default=0) + 1)
    padding = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Write a table.

    Args:
        headings: The columns; trusted text.
        rows: Cells that were escaped by `text` or `code`.
        right: The columns that are aligned to the right, such as numbers.

    Returns:
        Lines, with an empty one at the end; none where there are no rows.
    """
    body = [f"| {' | '.join(row)} |" for row in rows]
    if not body:
        return []
    marks = ["---:" if column in right else "---" for column in range(len(headings))]
    return [f"| {' | '.join(headings)} |", f"| {' | '.join(marks)} |", *body, ""]


def bullets(entries: Iterable[str]) -> list[str]:
    """Write a list with an empty line at the end; nothing for no entries."""
    lines = [f"- {entry}" for entry in entries]
    return [*lines, ""] if lines else []
