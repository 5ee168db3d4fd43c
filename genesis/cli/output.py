"""Where output goes: people get rich text, machines exactly one JSON document on stdout; all else is on stderr."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from genesis.cli.streams import answer
from genesis.errors import GenesisError

__all__ = ["console", "notes", "print_document", "print_error", "shown_warnings", "tell"]

_TOLD = "genesis.execute.log_observer"
"""Logger whose lines tell the log file what the terminal shows by itself: how tasks and the run end."""
_SHOWN = ("code", "message", "hint", "data")
"""Of an error; what it came from is for the processes that hand errors on."""


def console() -> Console:
    """Make the console for the answer itself."""
    return Console(file=answer(), highlight=False, soft_wrap=False)


def notes() -> Console:
    """Make the console for everything besides the answer."""
    return Console(stderr=True, highlight=False)


def tell(text: str) -> None:
    """Say on stderr what a command waits for."""
    notes().print(text, style="dim", soft_wrap=True, markup=False)


def print_document(value: Any) -> None:
    """Print one JSON document on stdout; with escapes, where its encoding lacks a character of it."""
    out = answer()
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2, allow_nan=False)
    out.write(text + "\n")
    out.flush()


def print_error(error: GenesisError, *, as_json: bool) -> None:
    """Print an error: as a JSON document on stdout, or as a message on stderr."""
    if as_json:
        shape = error.to_dict()
        print_document({"error": {key: shape[key] for key in _SHOWN if key in shape}})
        return
    from rich.text import Text

    out = notes()
    out.print(Text.assemble(("Error: ", "bold red"), error.message, (f"  [{error.code}]", "dim")), soft_wrap=True)
    if error.hint:
        out.print(Text.assemble(("  → ", "bold"), error.hint), soft_wrap=True)


@contextmanager
def shown_warnings(say: Callable[[str], None]) -> Iterator[None]:
    """Show what Genesis warns about in its log, each sentence once.

    Args:
        say: Is given a sentence.
    """
    log, handler = logging.getLogger("genesis"), _Notes(say)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Notes(logging.Handler):
    def __init__(self, say: Callable[[str], None]):
        super().__init__(logging.WARNING)
        self._say = say
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.name == _TOLD or said in self._said:
            return
        self._said.add(said)
        reason = getattr(record, "reason", "")
        self._say(f"Note: {said}{f': {reason}' if reason else ''}"[:400])
