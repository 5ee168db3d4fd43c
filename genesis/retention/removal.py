"""Remove folders so that none is ever half there: each is renamed to a trash name at once, and deleted then."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["delete", "put_aside", "size_of", "trash_in", "why_not"]

_TRASH = ".trash-"
_TRIES = 20
"""Attempts to empty a folder while something still writes into it."""


def put_aside(folder: Path) -> Path:
    """Rename a folder to a trash name beside it, in one step, and give its new path. Ledgers are not looked for there.

    Raises:
        OSError: The folder above cannot be written.
    """
    trash = folder.with_name(f"{_TRASH}{folder.name}-{secrets.token_hex(4)}")
    folder.rename(trash)
    return trash


def trash_in(folder: Path) -> Iterator[Path]:
    """Find what an interrupted purge has put aside and not deleted."""
    try:
        yield from sorted(path for path in folder.iterdir() if path.name.startswith(_TRASH))
    except (FileNotFoundError, NotADirectoryError):
        return


def delete(folder: Path) -> None:
    """Delete a folder with all that is in it. Links are removed, and not followed.

    Another purge may be deleting it, too. Folders in it that their owner may not write are made writable once.

    Raises:
        OSError: Something in it cannot be removed; the rest may be gone.
    """
    opened = False
    for _ in range(_TRIES):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not os.path.lexists(folder):
                return
        except PermissionError:
            if opened:
                raise
            opened = True
            _open(folder)
        else:
            return
    raise OSError(f"{str(folder)!r} is being written to")


def size_of(path: Path) -> int:
    """Add up the bytes of a file, or of all files of a folder; what goes away meanwhile has none."""
    total = 0
    waiting = [path]
    while waiting:
        try:
            found = waiting.pop()
            status = found.lstat()
            if stat.S_ISDIR(status.st_mode):
                waiting += list(found.iterdir())
            elif stat.S_ISREG(status.st_mode):
                total += status.st_size
        except OSError:
            continue
    return total


def why_not(error: Exception) -> str:
    """Describe why something could not be removed, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {str(error.filename)!r}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _open(folder: Path) -> None:
    """Grant the owner all rights on the folders of a tree, where that is allowed."""
    waiting = [folder]
    while waiting:
        found = waiting.pop()
        try:
            found.chmod(found.lstat().st_mode | stat.S_IRWXU)
            waiting += [path for path in found.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:
            continue
