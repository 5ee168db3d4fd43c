"""Space that a run keeps on its disk, so that what has been done can still be written down when the disk is full."""

from __future__ import annotations

import os
from pathlib import Path

from genesis.errors import ResourceError

__all__ = ["Reserve"]

_LEAST = 512 * 1024
_A_LEAF = 512


class Reserve:
    """A file of a run's folder that is there to be deleted: when a write finds no space, and when the run ends.

    Without it the results of all leaves that are at work when the disk fills up would be lost, and a resume would do
    their work a second time, side effects too.

    Args:
        folder: The run's folder; None in a remote storage, where nothing is kept.
    """

    def __init__(self, folder: Path | None):
        self._file = None if folder is None else folder / ".reserve"

    def hold(self, leaves: int) -> None:
        """Take the space: half a megabyte for records, and some for each leaf in the run's state.

        Raises:
            ResourceError: There is not that much.
        """
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_bytes(os.urandom(_LEAST + _A_LEAF * leaves))  # which no file system can make smaller
        except OSError as error:
            self.drop()
            raise ResourceError.of(error, f"{str(self._file)!r} cannot be written", path=self._file) from error

    def drop(self) -> bool:
        """Give the space back; says whether there was any."""
        try:
            if self._file is not None:
                self._file.unlink()
                return True
        except OSError:  # it has been given back, or the folder can only be read
            pass
        return False
