"""The standard streams of a command: they are always there, writing to them never ends it, and stdout has the answer.

Agents print, start programs that print, and leave threads behind that do. While they can, descriptor 1 leads to stderr,
for all of the process and its children, and only the command itself has the way to the real stdout.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "answer",
    "are_streams_own",
    "explain_lost_answer",
    "flush",
    "keep_stdout_for_the_answer",
    "output_shown_as_lines",
    "prepare_streams",
]

_STDOUT, _STDERR = 1, 2
_CHUNK = 65_536
_LONGEST_LINE = 10_000
_ANSWER: ContextVar[TextIO | None] = ContextVar("answer", default=None)
_NO_CONTROL = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160)))
"""Of what agents print to a terminal, everything that would move its cursor."""


class _Stream(io.FileIO):
    """A descriptor that drops what it cannot take: a reader that has gone, a full disk, a terminal that was closed."""

    lost: OSError | None = None
    """Why something was dropped."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, and wait where a program has set the descriptor to not do so."""
        try:
            while (written := super().write(data)) is None:
                select.select((), (self,), ())
        except OSError as error:
            self.lost = error
            return memoryview(data).nbytes
        return written


def prepare_streams() -> None:
    """Open those of the three streams that are closed, and make writing safe: of names that no encoding has, too.

    Where the caller has streams of its own in place of stdout and stderr, as tests do, these stay.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003  # the lowest that is free: this one
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  # for the life of the process
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _text(_STDOUT, "replace", like=sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _text(_STDERR, "backslashreplace", like=sys.stderr)


def are_streams_own() -> bool:
    """Whether this is a process of its own, and not a command that a program calls with streams of its choice."""
    return _stream(sys.stdout) is not None


def keep_stdout_for_the_answer() -> None:
    """Send to stderr, from now on and to the end of the process, what is printed by anybody but the command itself."""
    if _ANSWER.get() is not None or not are_streams_own():
        return
    sys.stdout.flush()
    _ANSWER.set(_text(os.dup(_STDOUT), "replace", like=sys.stdout))
    os.dup2(_STDERR, _STDOUT)
    sys.stdout = _text(_STDOUT, "replace", like=sys.stdout, by_line=True)


def answer() -> TextIO:
    """The stream for the answer itself."""
    return _ANSWER.get() or sys.stdout


def explain_lost_answer() -> str:
    """Describe why the answer, or a part of it, could not be written; nothing where its reader did not want more."""
    stream = _stream(answer())
    error = stream.lost if stream is not None else None
    return "" if error is None or error.errno == errno.EPIPE else error.strerror or str(error)


def flush() -> None:
    """Write what is still held back."""
    for stream in (answer(), sys.stdout, sys.stderr):
        stream.flush()


@contextmanager
def output_shown_as_lines(show: Callable[[str], None]) -> Iterator[None]:
    """Show what is written to the descriptors 1 and 2 line by line, where a live display on stderr would be torn by it.

    Args:
        show: Is given a line, from another thread.
    """
    if _ANSWER.get() is None or not os.isatty(_STDERR):
        yield
        return
    reading, writing = os.pipe()
    before, terminal = sys.stderr, os.dup(_STDERR)
    sys.stderr = _text(terminal, "backslashreplace", like=before)
    for descriptor in (_STDOUT, _STDERR):
        os.dup2(writing, descriptor)
    os.close(writing)
    reader = threading.Thread(target=_show_lines, args=(reading, show), name="agents' output", daemon=True)
    reader.start()
    try:
        yield
    finally:
        sys.stdout.flush()
        for descriptor in (_STDOUT, _STDERR):
            os.dup2(terminal, descriptor)
        reader.join(1.0)  # a program that continues has the pipe open
        sys.stderr = before


def _show_lines(reading: int, show: Callable[[str], None]) -> None:
    held = b""
    while chunk := os.read(reading, _CHUNK):
        *lines, held = (held + chunk).split(b"\n")
        if len(held) > _LONGEST_LINE:
            lines, held = [*lines, held], b""
        for line in lines:
            show(_plain(line))
    if held:
        show(_plain(held))


def _plain(line: bytes) -> str:
    return line.decode("utf-8", "replace").translate(_NO_CONTROL)[:_LONGEST_LINE]


def _text(descriptor: int, errors: str, *, like: TextIO | None, by_line: bool = False) -> TextIO:
    raw = _Stream(descriptor, "w", closefd=False)
    by_line = by_line or descriptor == _STDERR or raw.isatty()
    encoding = getattr(like, "encoding", None) or "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=by_line)


def _stream(text: TextIO) -> _Stream | None:
    raw = getattr(getattr(text, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Stream) else None
