"""Space that a run keeps on its disk, so that what has been done can still be written down when the disk is full."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from genesis.errors import ResourceError

__all__ = ["Reserve"]

_LEAST = 512 * 1024
"""Bytes of the reserve, besides those for each leaf: the run's header and its state."""
_A_LEAF = 512
"""Bytes of the reserve for each leaf: the record of one that was skipped or cancelled."""
_ROOM = 2 * _LEAST
"""What a worker finds on the disk besides, or begins nothing: more than a reserve that was given back leaves."""


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

    def require(self) -> None:
        """Make sure that the disk has room, so that what begins now can be written down when it has ended.

        A run's own process learns from its writes that the disk is full. Workers on it have to look: what they have
        under way shares the one reserve.

        Raises:
            ResourceError: It has not.
        """
        if self._file is None or not self._file.parent.is_dir():
            return
        if shutil.disk_usage(self._file.parent).free < _ROOM:
            lack = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise ResourceError.of(lack, f"{str(self._file.parent)!r} has no space for records", path=self._file)

    def drop(self) -> bool:
        """Free the reserved space; return whether there was any."""
        try:
            if self._file is not None:
                self._file.unlink()
                return True
        except OSError:  # it has been given back, or the folder can only be read
            pass
        return False
