"""Text for terminals and log lines, where control characters act and invisible ones deceive."""

from __future__ import annotations

import json
import re
import unicodedata

__all__ = [
    "INVISIBLE",
    "cells",
    "drop_invisible",
    "escape_json",
    "escape_log",
    "escape_terminal",
    "fit_line",
    "one_line",
]

_SEQUENCE = (
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)"  # titles, links, the clipboard
    "|\x1b[ -/]+[0-~]"  # character sets
)
_FORMAT = (
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # change the direction or the shape of the surrounding text
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u3164\ufeff\uffa0\ufff0-\ufffb"  # no width
    "\ufe00-\ufe0d\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # carry hidden text
    "\ud800-\udfff\ufffe\uffff"  # are not characters and are invalid in XML
)
_JOINED = f"[^\x00-\x9f\u200c\u200d{_FORMAT}]"
"""What a joiner may stand between: a letter of a script that has joiners, an emoji. In ASCII a joiner hides."""
_JOINER = rf"[\u200c\u200d](?:(?<!{_JOINED}[\u200c\u200d])|(?!{_JOINED}))"
# Patterns stay texts, which `re` compiles at first use and keeps: most commands show ASCII and need none of them.
INVISIBLE = rf"{_SEQUENCE}|[\x00-\x08\x0b-\x1f\x7f-\x9f{_FORMAT}]|{_JOINER}"
"""Pattern of what must not reach a terminal: escape sequences, control characters except line ends and tabs."""
_UNSEEN = rf"[\x00-\x1f\x7f-\x9f{_FORMAT}]|{_JOINER}"
_LINE_END = "\r\n|\r|\n"
_ACTS_IN_JSON = rf"[\x7f-\x9f\u2028\u2029{_FORMAT}]|{_JOINER}"
_ACTS_IN_LOG = rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{_FORMAT}]|{_JOINER}"
_WIDE = frozenset("WF")


def escape_terminal(text: str, *, indent: int = 0) -> str:
    """Return a text of several lines without what controls a terminal or cannot be seen.

    Args:
        text: Untrusted text.
        indent: Spaces before each line but the first, so that none of them passes for a line of the command.
    """
    shown = drop_invisible(text.replace("\u2028", "\n").replace("\u2029", "\n"))
    return shown.replace("\n", "\n" + " " * indent) if indent else shown


def drop_invisible(text: str) -> str:
    """Return a text without invisible characters and escape sequences; it keeps its lines, as a program counts them."""
    return text if _is_plain(text) else re.sub(INVISIBLE, "", re.sub(_LINE_END, "\n", text))


def one_line(text: str, most: int = 1000) -> str:
    """Return a text in one line without invisible characters, shortened to a maximum length."""
    line = text[: 4 * most]
    if not _is_plain(line):
        line = re.sub(_UNSEEN, "", " ".join(re.sub(_SEQUENCE, "", line).split()))
    line = " ".join(line.split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def escape_log(text: str) -> str:
    r"""Return a text in one line of a log, with escapes (`\n`, `\u001b`) for what acts or cannot be seen."""
    return text if _is_plain(text) else re.sub(_ACTS_IN_LOG, _escape_character, text)


def escape_json(document: str) -> str:
    """Escape in a JSON document what JSON allows and a terminal or an editor would act on; its value stays the same."""
    return (
        document
        if document.isascii() and "\x7f" not in document
        else re.sub(_ACTS_IN_JSON, _escape_character, document)
    )


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _escape_character(found: re.Match[str]) -> str:
    """Write a character as JSON does; JSON leaves DEL as it is."""
    return "\\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]


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
