"""One process at a time works on a run on this machine."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from genesis.errors import ResourceError, RunError

__all__ = ["RunLock"]


class RunLock:
    """An advisory lock on a run's folder. The system releases it when the process ends, however it ends."""

    def __init__(self, path: Path, run_id: str):
        self._path = path
        self._run_id = run_id
        self._handle: int | None = None

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ResourceError.of(error, f"{str(self._path)!r} cannot be opened", path=self._path) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise RunError(
                f"run {self._run_id!r} is being worked on by another process",
                hint="wait for it, or end it first",
                code="GEN-RUN-LOCKED",
            ) from error
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @property
    def held_elsewhere(self) -> bool:
        """Whether some process works on the run now."""
        try:
            with self:
                return False
        except RunError:
            return True
        except ResourceError:
            return False
