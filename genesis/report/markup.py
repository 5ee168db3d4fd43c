"""Pieces of HTML. Whatever comes from a plan, an agent or an error is made plain and escaped here, and bounded."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from genesis.text import duration, one_line, visible

__all__ = [
    "MARKS",
    "Column",
    "SizeBudget",
    "clock",
    "format_duration",
    "lines",
    "number",
    "pill",
    "table",
    "text",
    "words",
]

MARKS: Mapping[str, str] = {
    "completed": "✓",
    "cached": "↺",
    "briefed": "✎",
    "failed": "✗",
    "skipped": "–",
    "cancelled": "■",
    "running": "▶",
    "pending": "·",
    "awaiting_approval": "?",
}
"""What tells states apart besides their colours."""


def text(value: str, most: int = 300) -> str:
    """Put untrusted text in one line, set apart from the direction of the text around it."""
    return f"<bdi>{html.escape(one_line(value, most))}</bdi>"


def lines(value: str) -> str:
    """Escape untrusted text of many lines, without what cannot be seen."""
    return html.escape(visible(value))


def words(value: str) -> str:
    """Write a name of ours for people."""
    return html.escape(value.replace("_", " "))


def number(value: float) -> str:
    """Write a number for people."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def format_duration(seconds: float) -> str:
    """Write a duration."""
    return f"{seconds * 1000:.0f} ms" if 0 < seconds < 0.1 else duration(seconds)  # noqa: PLR2004  # below a tenth


def clock(at: datetime | None, *, day: bool = False) -> str:
    """Write a time in UTC for people and for machines; a dash where there is none."""
    if at is None:
        return "–"
    at = at.astimezone(UTC)
    shown = f"{at:%Y-%m-%d %H:%M:%S}" if day else f"{at:%H:%M:%S}.{at.microsecond // 100_000}"
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%S.%fZ}">{shown}</time>'


def pill(state: str) -> str:
    """Write a state with its colour and its mark."""
    mark = MARKS.get(state, "")  # some states of runs have none
    mark = f'<span aria-hidden="true">{mark}</span> ' if mark else ""
    return f'<span class="pill {html.escape(state)}">{mark}{words(state)}</span>'


class SizeBudget:
    """How many bytes some part of the page may still take.

    Args:
        size: Bytes in all.
    """

    def __init__(self, size: int):
        self._left = size

    def take(self, value: str, most: int) -> tuple[str, bool]:
        """Escape untrusted text as far as there is room.

        Args:
            value: The text, of many lines.
            most: Characters at most.

        Returns:
            The text for the page, and whether something of it is missing.
        """
        count = min(most, len(value))
        shown = lines(value[:count])
        size = len(shown.encode())
        if size > self._left:
            count = count * self._left // size
            shown = lines(value[:count])
            size = min(self._left, len(shown.encode()))
        self._left -= size
        return shown, count < len(value)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    is_number: bool = False


def table(caption: str, columns: Sequence[Column], rows: Iterable[str], *, kind: str = "", more: str = "") -> str:
    """Put rows into a table that can be scrolled, sorted, and read out.

    Args:
        caption: What it is, for everybody.
        columns: Its columns.
        rows: Whole `<tr>` elements; the first cell of each is its header.
        kind: A class for it.
        more: A sentence on what is left out.
    """
    head = "".join(
        f'<th scope="col"{" class=num" if column.is_number else ""}>{column.title}</th>' for column in columns
    )
    note = f'<p class="dim">{html.escape(more)}</p>' if more else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}">'
        f'<table class="{kind}"><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{note}"
    )
