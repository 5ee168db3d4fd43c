"""A file of log lines that several processes write to at once."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["LineFile"]

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
"""Without waiting: a pipe that nobody reads must not hold a run up. For a file it means nothing."""
_AGAIN_S = 3.0
"""Pause after a rotation that failed: each attempt costs system calls."""


class LineFile(logging.Handler):
    """Appends each line by a single write, so that lines of several processes stay whole, and puts full files aside.

    What was logged is in the file when the call returns: a process that is killed loses nothing. A file that cannot be
    written costs lines, and never the run: it is said once on standard error, tried again every few seconds, and once
    it works again a line says how many are missing.

    Args:
        path: The file. Its folder is created if needed.
        most_bytes: A file that would grow beyond this is put aside, as `PATH.1`, and those before it move on.
        keep: How many of those are kept.
        clock: Seconds, of any beginning.
    """

    def __init__(self, path: Path, *, most_bytes: int, keep: int, clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self.path = path
        self._name = str(path)
        self._most_bytes = most_bytes
        self._keep = keep
        self._clock = clock
        self._descriptor: int | None = None
        self._identity = (0, 0)
        self._again_at = float("-inf")
        self._turn_at = float("-inf")
        self._lost = 0
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line."""
        line = self.format(record)
        if self._clock() < self._again_at:
            self._lost += 1
            return
        try:
            if self._lost:
                self._write(self.format(_make_loss_record(self._lost)))
                self._lost = 0
            self._write(line)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Close the file. A line that comes nevertheless opens it again: Prefect closes all handlers that it finds."""
        self.acquire()
        try:
            self._let_go()
        finally:
            self.release()
        super().close()

    def _write(self, line: str) -> None:
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        descriptor = self._ready(len(data))
        if self._torn:
            data = b"\n" + data
        while data:
            written = os.write(descriptor, data)
            data = data[written:]
            self._torn = bool(data)

    def _ready(self, size: int) -> int:
        """Return the file that has the name now; one that is full is put aside first."""
        descriptor, there = self._descriptor, self._look()
        if descriptor is None or there is None or (there.st_dev, there.st_ino) != self._identity:
            descriptor, there = self._open()
        full = there.st_size > 0 and there.st_size + size > self._most_bytes and stat.S_ISREG(there.st_mode)
        if full and self._clock() >= self._turn_at and self._put_aside():
            descriptor, _ = self._open()
        return descriptor

    def _look(self) -> os.stat_result | None:
        try:
            return os.stat(self._name)  # noqa: PTH116  # for each line, and twice as quick as a path's own
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _open(self) -> tuple[int, os.stat_result]:
        self._let_go()
        try:
            descriptor = os.open(self.path, _FLAGS, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, _FLAGS, 0o600)
        there = os.fstat(descriptor)
        identity = (there.st_dev, there.st_ino)
        self._torn = self._torn and identity == self._identity
        self._descriptor, self._identity = descriptor, identity
        return descriptor, there

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _put_aside(self) -> bool:
        """Put the full file aside, where no other process is at it; a file that cannot be moved is written to further.

        Returns:
            Whether there is another file now.
        """
        try:
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            self._turn_at = self._clock() + _AGAIN_S
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = self._look()
            if there is None or (there.st_dev, there.st_ino) != self._identity:
                return True  # another process was faster
            self._move_on()
        except BlockingIOError:
            return False  # another process does it now; the next line finds the new file
        except OSError:
            self._turn_at = self._clock() + _AGAIN_S
            return False
        else:
            return True
        finally:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)  # a process that was forked meanwhile has the lock's descriptor too
            os.close(lock)

    def _move_on(self) -> None:
        if self._keep == 0:
            self.path.unlink()
            return
        for number in range(self._keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._aside(number).replace(self._aside(number + 1))
        self.path.replace(self._aside(1))

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _fail(self, error: OSError) -> None:
        if not self._lost:
            _complain(
                f"genesis: log lines cannot be written to {self.path}: {error.strerror or error}; it continues without"
            )
        self._lost += 1
        self._again_at = self._clock() + _AGAIN_S
        self._let_go()


def _make_loss_record(count: int) -> logging.LogRecord:
    said = f"{count:,} log lines could not be written before this one"
    more = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": said}
    return logging.makeLogRecord({**more, "event": "log.lost", "lost": count})


def _complain(text: str) -> None:
    """Say it where a person may see it; a program may have closed that too."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
