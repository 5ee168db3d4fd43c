"""The standard streams of a command: always open, never fatal to write to, and stdout has only the answer.

Agents, their programs and the threads they leave behind print. Meanwhile descriptor 1 is redirected to stderr
for the process and its children, and only the command has the real stdout.
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

from genesis.text import escape_terminal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "answer",
    "are_streams_own",
    "explain_lost_answer",
    "flush",
    "prepare_streams",
    "reserve_stdout",
    "show_output_as_lines",
]

_STDOUT, _STDERR = 1, 2
_CHUNK = 65_536
"""Bytes that one read takes: the size of a pipe's buffer."""
_LONGEST_LINE = 10_000
"""A longer line of foreign output is cut."""
_ANSWER: ContextVar[TextIO | None] = ContextVar("answer", default=None)


class _Stream(io.FileIO):
    """A descriptor that drops what cannot be written: the reader is gone, the disk is full, the terminal was closed."""

    lost: OSError | None = None
    """Reason for dropping output."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, and wait where a program has made the descriptor non-blocking."""
        try:
            while (written := super().write(data)) is None:
                select.select((), (self,), ())
        except OSError as error:
            self.lost = error
            return memoryview(data).nbytes
        return written


def prepare_streams() -> None:
    """Open those of the three streams that are closed, and make writing safe, also of text that cannot be encoded.

    Streams that a caller has put in place of stdout and stderr, as tests do, are kept.
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
    """Whether the command has its own process, and is not called by a program that replaced the streams."""
    return _stream(sys.stdout) is not None


def reserve_stdout() -> None:
    """Redirect to stderr, until the process ends, all output except the command's own."""
    if _ANSWER.get() is not None or not are_streams_own():
        return
    sys.stdout.flush()
    _ANSWER.set(_text(os.dup(_STDOUT), "replace", like=sys.stdout))
    os.dup2(_STDERR, _STDOUT)
    sys.stdout = _text(_STDOUT, "replace", like=sys.stdout, by_line=True)


def answer() -> TextIO:
    """The stream for the answer."""
    return _ANSWER.get() or sys.stdout


def explain_lost_answer() -> str:
    """Return why the answer could not be written in full; empty where its reader closed the pipe."""
    stream = _stream(answer())
    error = stream.lost if stream is not None else None
    return "" if error is None or error.errno == errno.EPIPE else error.strerror or str(error)


def flush() -> None:
    """Flush what is buffered."""
    for stream in (answer(), sys.stdout, sys.stderr):
        stream.flush()


@contextmanager
def show_output_as_lines(show: Callable[[str], None]) -> Iterator[None]:
    """Show line by line what is written to descriptors 1 and 2, which would break a live display on stderr.

    Args:
        show: Called with each line, from another thread.
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
        reader.join(1.0)  # a program that still runs has the pipe open
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
    return escape_terminal(line.decode("utf-8", "replace"))[:_LONGEST_LINE]


def _text(descriptor: int, errors: str, *, like: TextIO | None, by_line: bool = False) -> TextIO:
    raw = _Stream(descriptor, "w", closefd=False)
    by_line = by_line or descriptor == _STDERR or raw.isatty()
    encoding = getattr(like, "encoding", None) or "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=by_line)


def _stream(text: TextIO) -> _Stream | None:
    raw = getattr(getattr(text, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Stream) else None
