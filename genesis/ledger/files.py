"""Files that leaves hand on, kept in a run's storage by the hash of their content.

A file is kept in parts of 8 MiB, each a blob of the run's ledger under its SHA-256: any storage that can read and
write takes them, equal contents are kept once, memory does not grow with the size of a file, and what is read is
verified before any of it is written. A folder is kept as its files, and a list of them, which is a file like any other.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import stat
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from genesis.errors import ResourceError, TaskError, UsageError
from genesis.model import KeptFile
from genesis.model.files import file_name_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genesis.ledger.ledger import Ledger

__all__ = ["copy_kept", "is_whole", "keep_content", "keep_file", "keep_list", "list_files", "write_kept"]

_CHUNK = 8 * 1024 * 1024
"""Bytes of a part. Larger ones take more memory, smaller ones more calls of a bucket's API."""
_WRITE = 256 * 1024
"""Bytes of one call to write: with megabytes, ext4 takes several times as long for memory of that size."""
_AT_ONCE = 2
"""Parts that are stored, or read in advance, at once: the hash of one takes as long as writing another."""
_LIST = TypeAdapter(list[KeptFile])


async def keep_file(ledger: Ledger, path: Path, name: str, *, most_bytes: int) -> KeptFile:
    """Keep a file. Nothing refers to its parts before the caller writes down what this returns.

    Args:
        ledger: The run's.
        path: The file; no link.
        name: What it is called from now on.
        most_bytes: How large it may be.

    Raises:
        TaskError: It is no regular file, cannot be read, is too large, or changes meanwhile.
        GenesisError: The storage does not take it.
    """
    handle = await asyncio.to_thread(_open_file, path, name)
    try:
        before = os.fstat(handle)
        if before.st_size > most_bytes:
            raise make_size_error(
                f"the file {name!r} has {before.st_size:,} bytes", f"{most_bytes:,}", "GENESIS_LIMITS__FILE_BYTES"
            )
        parts = (ledger.put_blob(part) async for part in _read_parts(handle, before.st_size))
        chunks = tuple([digest async for digest in _in_order(parts)])
        after = os.fstat(handle)
    finally:
        os.close(handle)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise TaskError(
            f"the file {name!r} changed while it was read",
            hint="end whatever writes to it before the task ends",
            code="GEN-TASK-FILE",
        )
    return KeptFile(name=name, bytes=before.st_size, chunks=chunks, executable=bool(before.st_mode & stat.S_IXUSR))


async def keep_content(ledger: Ledger, content: bytes, name: str, count: int | None = None) -> KeptFile:
    """Keep bytes as a file, or as the list of a folder's files.

    Raises:
        GenesisError: The storage does not take it.
    """
    parts = [content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK)]
    chunks = [await ledger.put_blob(part) for part in parts]
    return KeptFile(name=name, bytes=len(content), chunks=tuple(chunks), count=count)


async def keep_list(ledger: Ledger, files: Sequence[KeptFile], name: str) -> KeptFile:
    """Keep a folder whose files are kept already.

    Args:
        ledger: The run's.
        files: Each with its path in the folder as its name.
        name: Of the folder.
    """
    kept = await keep_content(ledger, _LIST.dump_json([*files]), name, len(files))
    return kept.model_copy(update={"bytes": sum(file.bytes for file in files)})


async def list_files(ledger: Ledger, kept: KeptFile) -> list[KeptFile]:
    """List the files of a folder, with their paths in it; of a file itself alone.

    Raises:
        TaskError: The list is missing, or was changed in the storage.
    """
    if kept.count is None:
        return [kept]
    content = b"".join([await ledger.blob(digest) for digest in kept.chunks])
    try:
        files = _LIST.validate_json(content)
    except ValidationError as error:
        raise TaskError(f"the list of the files of {kept.name!r} cannot be read", code="GEN-TASK-FILE-LOST") from error
    if problem := next(filter(None, (file_name_problem(file.name) for file in files)), None):
        raise TaskError(f"the list of the files of {kept.name!r} has a path that is none: {problem}")
    return files


async def write_kept(ledger: Ledger, kept: KeptFile, folder: Path, path: str, *, replace: bool = False) -> None:
    """Write a kept file, or all files of a kept folder, below a folder.

    Links below that folder are not followed, and each file gets its name when it is whole.

    Args:
        ledger: The run's.
        kept: What.
        folder: Where; it exists.
        path: The file's path in it; that of a folder has its files below.
        replace: Whether files that are there are replaced.

    Raises:
        TaskError: A part is missing, or was changed in the storage.
        UsageError: A file is there already, or a link is in the way.
        ResourceError: The machine does not take it.
    """
    for file in await list_files(ledger, kept):
        target = path if kept.count is None else f"{path}/{file.name}"
        try:
            await _write_file(ledger, file, folder, target, replace=replace)
        except OSError as error:
            where = str(folder / target)
            if error.errno in (errno.EEXIST, errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
                raise _make_occupied_error(where, error) from error
            raise ResourceError.of(error, f"{where!r} cannot be written", path=where) from error


async def is_whole(ledger: Ledger, kept: KeptFile) -> bool:
    """Whether every part of a file, or of all files of a folder, is in the storage as it was written."""
    try:
        for file in await list_files(ledger, kept):
            for digest in file.chunks:
                await ledger.blob(digest)
    except TaskError:
        return False
    return True


async def copy_kept(source: Ledger, target: Ledger, kept: KeptFile) -> None:
    """Copy a file, or a folder with its files, from the storage of one run into that of another.

    Raises:
        TaskError: A part is missing, or was changed in the storage.
    """
    digests = [digest for file in await list_files(source, kept) for digest in file.chunks]
    for digest in dict.fromkeys((*digests, *kept.chunks)):
        await target.put_blob(await source.blob(digest))


def make_size_error(what: str, most: str, setting: str) -> TaskError:
    """Make the error of what is larger than a limit."""
    return TaskError(
        f"{what}, and at most {most} are kept",
        hint=f"keep less, or raise {setting}",
        code="GEN-TASK-FILE-SIZE",
    )


def _open_file(path: Path, name: str) -> int:
    """Open a regular file, waiting for nothing: to open a pipe or a device would.

    Raises:
        TaskError: It is none, or cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TaskError(
            f"the file {name!r} cannot be read: {error.strerror}",
            hint="it must be a regular file that its owner may read",
            code="GEN-TASK-FILE",
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise TaskError(
            f"{name!r} is no regular file: a folder, a pipe, a socket or a device",
            hint="promise a file, or a folder of files",
            code="GEN-TASK-FILE",
        )
    return handle


async def _read_parts(handle: int, size: int) -> AsyncIterator[bytes]:
    """Read as much as the file had when it was opened, in parts."""
    left = size
    while left > 0 and (part := await asyncio.to_thread(_read_part, handle, min(left, _CHUNK))):
        left -= len(part)
        yield part


def _read_part(handle: int, size: int) -> bytes:
    pieces = [os.read(handle, size)]
    while pieces[-1] and (left := size - sum(map(len, pieces))):
        pieces.append(os.read(handle, left))
    return b"".join(pieces)


async def _in_order(calls: AsyncIterator[Coroutine[Any, Any, Any]]) -> AsyncIterator[Any]:
    """Yield the results of calls in their order, while the next ones are being made."""
    waiting: deque[asyncio.Task[Any]] = deque()
    try:
        async for call in calls:
            waiting.append(asyncio.create_task(call))
            if len(waiting) == _AT_ONCE:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()


async def _write_file(ledger: Ledger, file: KeptFile, folder: Path, path: str, *, replace: bool) -> None:
    """Write a file under another name, and give it its own when it is whole."""
    *above, name = path.split("/")
    with _opened_folder(folder, above) as parent:
        temporary = f".{name[:40]}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(temporary, flags, 0o777 if file.executable else 0o666, dir_fd=parent)
        try:
            with os.fdopen(handle, "wb", buffering=0) as target:
                async for part in _in_order(_calls(ledger, file.chunks)):
                    await asyncio.to_thread(_write_part, target.fileno(), part)
            _rename(temporary, name, parent, replace=replace)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)


def _rename(temporary: str, name: str, parent: int, *, replace: bool) -> None:
    """Rename a file, and replace another one only if that is wanted.

    Raises:
        FileExistsError: There is another one.
    """
    if not replace:
        try:
            os.link(temporary, name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if name in os.listdir(parent):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        else:
            return
    os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)


async def _calls(ledger: Ledger, digests: Iterable[str]) -> AsyncIterator[Coroutine[Any, Any, bytes]]:
    for digest in digests:
        yield ledger.blob(digest)


def _write_part(handle: int, part: bytes) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(handle, view[:_WRITE]) :]


@contextmanager
def _opened_folder(folder: Path, parts: Sequence[str]) -> Iterator[int]:
    """Open a folder below another one, which is made where it is missing; no link on the way is followed."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    handle = os.open(folder, flags)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=handle)
            below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def _make_occupied_error(where: str, error: OSError) -> UsageError:
    if error.errno == errno.EEXIST:
        return UsageError(
            f"{where!r} exists", hint="use another folder, or --force to replace it", code="GEN-FILE-EXISTS"
        )
    return UsageError(
        f"{where!r} cannot be written: a link, a file or a folder is in its way",
        hint="use another folder, or remove what is there",
        code="GEN-FILE-EXISTS",
    )
