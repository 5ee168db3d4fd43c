"""Find open markers in comments: TODO, FIXME, XXX and HACK."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable

from genesis_audit.facts import Todo
from genesis_audit.language import Language

__all__ = ["comment_of", "find_todos"]

_MARKER = re.compile(r"(?<![\w\"'`|.-])(?:(?P<word>TODO|FIXME|HACK)(?![\w\"'`])|(?P<crosses>XXX)(?![\w\"'`+-]|\s*\|))")
"""A marker, which is neither quoted nor, as in a date format or a table, a part of something else."""
_ANY = re.compile(r"TODO|FIXME|XXX|HACK")
_SHOWN_CHARACTERS = 160
_LONGEST_LINE = 2_000


def find_todos(text: str, language: Language) -> tuple[Todo, ...]:
    """Find the markers in a text's comments.

    Python is tokenised, so that a marker in a string does not count; other languages are read line by line.
    """
    if not language.has_comments or not _ANY.search(text):
        return ()
    lines = text.split("\n")
    comments = _python_comments(text) if language.name == "Python" else None
    if comments is None:
        candidates = ((number, line) for number, line in enumerate(lines, start=1) if _ANY.search(line))
        comments = ((number, part) for number, line in candidates if (part := comment_of(line, language)) is not None)
    found: list[Todo] = []
    for number, comment in comments:
        match = _MARKER.search(comment)
        if match and number <= len(lines) and len(lines[number - 1]) <= _LONGEST_LINE:
            rest = comment[match.end() :].removeprefix("]")
            words = " ".join(f"{match[0]}{rest}".split())[:_SHOWN_CHARACTERS]
            found.append(Todo(number, match[0], words, lines[number - 1]))
    return tuple(found)


def _python_comments(text: str) -> Iterable[tuple[int, str]] | None:
    """Return the comments that Python's tokenizer sees, or `None` where it gives up."""
    found: list[tuple[int, str]] = []
    try:
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        found.extend((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        return None
    return found


def comment_of(line: str, language: Language) -> str | None:
    """Return the comment part of one line, or `None` where it seems to have none.

    A comment mark after an odd number of quotes is taken for a part of a string. A line that begins with `*` counts as
    the inside of a block comment in languages that write them so.
    """
    stripped = line.strip()
    marks = [*language.line, *(opening for opening, _ in language.block if opening not in ('"""', "'''"))]
    if stripped.startswith("*") and any(opening == "/*" for opening, _ in language.block):
        return stripped
    places = [place for mark in marks if (place := _outside_strings(line, mark)) >= 0]
    return line[min(places) :] if places else None


def _outside_strings(line: str, mark: str) -> int:
    place = line.lower().find(mark)
    while place >= 0:
        before = line[:place]
        if all(before.count(quote) % 2 == 0 for quote in "\"'`") and not before.endswith(":"):
            return place
        place = line.lower().find(mark, place + 1)
    return -1
