"""Text in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

from genesis.text.html import has_safe_scheme
from genesis.text.terminal import drop_invisible, one_line

__all__ = ["CELL_CHARACTERS", "code_span", "escape_document", "escape_markdown", "fence", "outside_fences"]

CELL_CHARACTERS = 300
"""Most characters of a line or a table cell."""
_SPECIAL = re.compile(
    r"[\\`*_{}\[\]<>|#~&!@]"
    r"|^[-+=]"  # begins a list, or makes a heading of the line above
    r"|:(?=//)|(?<=[Ww]{3})\."  # makes a link of an address without any brackets
)
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
"""Begins a list with numbers."""
_TICKS = re.compile("`+")
_OPENING = re.compile(r"(`{3,})[^`]*$|(~{3,})")
_CLOSING = re.compile(r" {0,3}[`~]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_PICTURE = re.compile(r"!\[(?![^\]]*\]\(data:image/)")
_LINK = re.compile(r"(?P<picture>!\[[^\[\]]*)?\][(:]\s*(?P<address><[^>]*|[^\s)]*)")
_PICTURE_DATA = re.compile(r"data:image/(?:png|jpe?g|gif|webp|svg\+xml)[;,]", re.IGNORECASE)


def escape_markdown(text: str, most: int = CELL_CHARACTERS) -> str:
    """Return a text in one line or table cell of Markdown, shortened to a number of characters.

    It shows as it was written, wherever in a line it stands: never as markup, HTML, a list, a link or an address.
    """
    return _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", one_line(text, most)))


def escape_document(text: str) -> str:
    """Keep Markdown that an agent wrote from fetching anything, or passing for a part of the page, when it is opened.

    HTML is shown as text, a picture from elsewhere as its address (opening the page would notify that server), and so
    is a link whose scheme runs code or opens files. What stands in a fence at the left edge stays as it is.
    """
    return outside_fences(drop_invisible(text), _escape_line)


def code_span(text: str) -> str:
    """Put a text into a code span whose fence is longer than any in it."""
    ticks = "`" * (_longest_ticks(text) + 1)
    pad = " " if "`" in text or not text.strip() else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fence(text: str, language: str = "") -> str:
    """Put a text of many lines into a fenced block that it cannot end."""
    ticks = "`" * max(3, _longest_ticks(text) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Change the lines that are not code.

    Only fences at the left edge count: an indented one can belong to a list, and end with it.
    """
    lines: list[str] = []
    opened = ""
    for line in text.split("\n"):
        if opened:
            closing = line.strip(" \t")
            is_closed = closing.startswith(opened) and not closing.strip(opened[0]) and _CLOSING.match(line)
            opened = "" if is_closed else opened
            lines.append(line)
        elif opening := _OPENING.match(line):
            opened = opening[1] or opening[2]
            lines.append(line)
        else:
            lines.append(change(line))
    return "\n".join(lines)


def _escape_line(line: str) -> str:
    shown = _PICTURE.sub(r"!\\[", _TAG.sub("&lt;", line))
    return _LINK.sub(_escape_link, shown)


def _escape_link(found: re.Match[str]) -> str:
    """Show a link or the definition of one as text, where its address is not safe or stands in the next line."""
    address = found["address"].removeprefix("<")
    is_picture = found["picture"] is not None and _PICTURE_DATA.match(address)
    return found[0] if address and (is_picture or has_safe_scheme(address)) else found[0].replace("]", "]\\", 1)


def _longest_ticks(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)
