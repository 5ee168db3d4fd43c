"""One process at a time works on a run on this machine."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from genesis.errors import ResourceError, RunError, UsageError

__all__ = ["RunLock", "describe_interruption", "is_abandoned"]


_TRIES = 10
"""The lock's file can be replaced between opening and locking it: that often it is opened anew."""
_LOCKS = Path("/proc/locks")


class RunLock:
    """An advisory lock on a run's folder. The system releases it when the process ends, however it ends.

    A purge moves the file away while it holds it. A process that opened it before, and gets it after, has the lock
    of a run that is no more, so the file is looked at once more, and opened anew where it is another one.

    Args:
        path: The file.
        run_id: The run, for messages.
        existing: The folder has to be there; else it is made.
    """

    def __init__(self, path: Path, run_id: str, *, existing: bool = False):
        self._path = path
        self._run_id = run_id
        self._existing = existing
        self._handle: int | None = None

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            handle = self._open_and_lock()
            if self._is_still(handle):
                self._handle = handle
                return self
            os.close(handle)
        raise self._busy()

    def _open_and_lock(self) -> int:
        """Open the file and lock it."""
        try:
            if not self._existing:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if self._existing and isinstance(error, FileNotFoundError):
                raise UsageError(
                    f"there is no run {self._run_id!r} any more", hint="run: genesis runs", code="GEN-RUN-UNKNOWN"
                ) from error
            raise ResourceError.of(error, f"{str(self._path)!r} cannot be opened", path=self._path) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise self._busy() from error
        return handle

    def _is_still(self, handle: int) -> bool:
        """Whether an open file is the one that the path names now."""
        try:
            return os.path.samestat(os.fstat(handle), self._path.stat())
        except FileNotFoundError:
            return False

    def _busy(self) -> RunError:
        return RunError(
            f"run {self._run_id!r} is being worked on by another process",
            hint=f"wait for it, or end it: genesis cancel {self._run_id}",
            code="GEN-RUN-LOCKED",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def find_stopped_holder(self) -> int | None:
        """Find the process on this host that holds the lock and is stopped (SIGSTOP); None where there is none."""
        import psutil  # noqa: PLC0415  # a command that begins need not wait for it

        try:
            inode = self._path.stat().st_ino
            locks = [line.split() for line in _LOCKS.read_text().splitlines()]
            holders = [int(words[-4]) for words in locks if "FLOCK" in words and words[-3].endswith(f":{inode}")]
            stopped = [pid for pid in holders if psutil.Process(pid).status() == psutil.STATUS_STOPPED]
        except (OSError, ValueError, psutil.Error):  # not Linux, or it has just gone
            return None
        return stopped[0] if stopped else None

    @property
    def held_elsewhere(self) -> bool:
        """Whether some process works on the run now."""
        try:
            with self:
                return False
        except RunError:
            return True
        except (ResourceError, UsageError):
            return False


def is_abandoned(lock: RunLock, host: str | None) -> bool:
    """Whether the process of a run that has not ended has gone. Of another host's processes nothing is known here.

    Args:
        lock: The run's.
        host: Where its process runs, if that is known.
    """
    return not lock.held_elsewhere and host in (None, socket.gethostname())


def describe_interruption(run_id: str) -> dict[str, str]:
    """Describe what became of a run whose process has gone, as an error's data."""
    return {
        "code": "GEN-RUN-INTERRUPTED",
        "message": "its process ended before the run did",
        "hint": f"run: genesis resume {run_id}",
    }
