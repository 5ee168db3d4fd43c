"""Output of the commands: rich text for people, exactly one JSON document on stdout for machines, all else on stderr.

Plans, requests, agents' answers and errors come from anywhere. So all consoles are made here: they show text as it is,
never as markup, without escape sequences or characters that turn or hide what stands around them, and in the characters
that the stream can take. On a terminal lines are wrapped at its width; in a pipe or a file they are not.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text

from genesis.cli.streams import answer
from genesis.errors import GenesisError
from genesis.text import INVISIBLE, escape_json, escape_terminal

__all__ = [
    "STATE_STYLES",
    "console",
    "is_live",
    "notes",
    "print_document",
    "print_error",
    "print_notice",
    "print_text",
    "printable",
    "show_warnings",
]

STATE_STYLES = {
    "completed": "green",
    "cached": "green",
    "briefed": "cyan",
    "failed": "bold red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "running": "bold",
    "budget_exceeded": "yellow",
    "refused": "bold red",
}
"""Styles of the states of runs and tasks."""
_TOLD = "genesis.engine.observers.log"
"""Logger of what the terminal shows anyway, how tasks and the run end; written to the log file only."""
_SHOWN = ("code", "message", "hint", "data")
"""Maximum number of causes shown of an error."""
_UNBOUNDED = 1_000_000
"""Width of a stream that is no terminal: lines of pipes and files are not wrapped."""
_PLAINER = {
    "✓": "+",
    "✗": "x",
    "✎": "*",
    "→": "->",
    "·": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "×": "x",
    "•": "*",
    "█": "#",
    "━": "=",
    "\u2018": "'",
    "\u2019": "'",
    "“": '"',
    "”": '"',
}
"""Replacements for characters in Genesis's messages that the stream's encoding lacks."""
_LENGTH = re.compile("[0-9]{1,5}")
"""Accepted values of COLUMNS and LINES: Rich accepts any digits, including ones that `int` rejects."""


class _Console(Console):
    """A console that sanitises every text before layout."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render objects that may contain untrusted text."""
        if isinstance(renderable, str):
            renderable = Text(renderable)
        if isinstance(renderable, Text):
            renderable = printable(renderable, self.encoding)
        return super().render(renderable, options)


def _make_console(file: IO[str], *, stderr: bool = False) -> Console:
    """Create the console of a stream, which is looked up at each print because tests and progress replace it."""
    own = None if file in (sys.stdout, sys.stderr) else file
    size = ("COLUMNS", "LINES")
    environ = {key: said for key, said in os.environ.items() if key not in size or _LENGTH.fullmatch(said)}
    out = _Console(file=own, stderr=stderr, markup=False, emoji=False, highlight=False, _environ=environ)
    if "COLUMNS" in environ:
        out.width = int(environ["COLUMNS"]) or _UNBOUNDED
    elif not out.is_terminal:
        out.width = _UNBOUNDED
    elif out.is_dumb_terminal:  # Rich would assume 80 columns
        with suppress(OSError, ValueError):
            out.size = os.get_terminal_size(file.fileno())
    return out


def console() -> Console:
    """Create the console for the answer (stdout)."""
    return _make_console(answer())


def notes() -> Console:
    """Create the console for everything else (stderr)."""
    return _make_console(sys.stderr, stderr=True)


def is_live(out: Console) -> bool:
    """Whether a console can rewrite its last line."""
    return out.is_terminal and not out.is_dumb_terminal


def printable(text: Text, encoding: str) -> Text:
    """Return a text without control characters, in characters that the encoding has."""
    shown = _map_characters(text.plain, encoding)
    if shown is None:
        return text
    places = list(accumulate(map(len, shown), initial=0))
    made = text.blank_copy("".join(shown))
    made.spans = [Span(places[span.start], places[min(span.end, len(shown))], span.style) for span in text.spans]
    return made


def _map_characters(plain: str, encoding: str) -> list[str] | None:
    """Return the replacement of each character; None where no character is replaced."""
    hidden = [match.span() for match in re.finditer(INVISIBLE, plain)]
    if not hidden and _has(encoding, plain):
        return None
    shown = list(plain)
    for start, end in hidden:
        shown[start:end] = [""] * (end - start)
    for place, char in enumerate(shown):
        if not (char.isascii() or _has(encoding, char)):
            shown[place] = _PLAINER.get(char) or char.encode(encoding, "backslashreplace").decode(encoding)
    return shown


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def print_notice(text: str) -> None:
    """Print on stderr what a command waits for."""
    notes().print(text, style="dim", soft_wrap=True)


def print_document(value: Any) -> None:
    """Print one JSON document on stdout; with escapes, where its encoding lacks a character of it."""
    out = answer()
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    if not _has(out.encoding or "utf-8", text):
        text = json.dumps(value, indent=2, allow_nan=False)
    out.write(escape_json(text) + "\n")
    out.flush()


def print_text(text: str) -> None:
    """Print a document other than JSON on stdout: unchanged in UTF-8, or sanitised on a terminal."""
    out = answer()
    if out.isatty():
        console().print(text, soft_wrap=True, end="")
        return
    if (buffer := getattr(out, "buffer", None)) is None:
        out.write(text)
    else:
        out.flush()
        buffer.write(text.encode("utf-8"))
    out.flush()


def print_error(error: GenesisError, *, as_json: bool) -> None:
    """Print an error: as a JSON document on stdout, or as a message on stderr."""
    if as_json:
        shape = error.to_dict()
        print_document({"error": {key: shape[key] for key in _SHOWN if key in shape}})
        return
    out = notes()
    out.print(Text.assemble(("Error: ", "bold red"), _hang(error.message), (f"  [{error.code}]", "dim")))
    if error.hint:
        out.print(Text.assemble(("  → ", "bold"), _hang(error.hint)))


def _hang(text: str) -> str:
    """Indent the further lines of a message, so that none of them passes for a line of the command."""
    return escape_terminal(text, indent=4)


@contextmanager
def show_warnings(notify: Callable[[str], None], *, of: str = "genesis") -> Iterator[None]:
    """Show each warning that Genesis logs, once.

    Args:
        notify: Called with each warning.
        of: The package or module whose warnings are shown.
    """
    log, handler = logging.getLogger(of), _Notes(notify)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Notes(logging.Handler):
    def __init__(self, notify: Callable[[str], None]):
        super().__init__(logging.WARNING)
        self._notify = notify
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.name == _TOLD or said in self._said:
            return
        self._said.add(said)
        reason = getattr(record, "reason", "")
        self._notify(f"Note: {said}{f': {reason}' if reason else ''}"[:400])
