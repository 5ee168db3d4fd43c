"""Where ledgers live: a folder, or any Prefect storage block that can read and write."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

from genesis.errors import ResourceError, ServiceError
from genesis.prefect_api.configured import find_configured_storage, path_of_user

__all__ = ["ROOT", "BlockStore", "FolderStore", "LedgerStore", "is_run_id", "list_runs", "open_store"]

ROOT = "genesis"
"""Folder of all runs in a store."""
_LARGE = 1_000_000
"""Bytes of a content that takes a disk longer than the event loop may be held up."""
_RUN_ID = re.compile(r"[\w\-][\w.\-]{0,119}")


class LedgerStore(Protocol):
    """Named bytes. A write is all or nothing; a reader never sees a part."""

    async def read(self, name: str) -> bytes | None:
        """Return the content, or None where there is none."""
        ...

    async def write(self, name: str, data: bytes) -> None:
        """Write the content."""
        ...

    async def create(self, name: str, data: bytes) -> bool:
        """Write the content where there is none yet, and say whether it was written."""
        ...

    async def names(self, folder: str) -> list[str] | None:
        """List the names directly in a folder, sorted; None where the storage cannot list."""
        ...

    def url(self, name: str) -> str:
        """Describe where the content is, for a person or another process."""
        ...


class FolderStore:
    """A local folder. Its calls are short system calls, made in place; for large contents they are made in a thread."""

    def __init__(self, root: Path):
        self.root = root

    async def read(self, name: str) -> bytes | None:
        """Return the content, or None where there is none."""
        path = self.root / name
        try:
            is_large = path.stat().st_size > _LARGE
            return await asyncio.to_thread(path.read_bytes) if is_large else path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _make_unreadable_error(path, error) from error

    async def write(self, name: str, data: bytes) -> None:
        """Write the content atomically."""
        from genesis.document import write_atomic  # noqa: PLC0415  # with YAML, which reading needs not

        write_atomic(self.root / name, data)

    async def create(self, name: str, data: bytes) -> bool:
        """Write the content where there is none yet, atomically, and say whether it was written."""
        path = self.root / name
        if path.exists():
            return False
        if len(data) > _LARGE:
            return await asyncio.to_thread(self._create, path, data)
        return self._create(path, data)

    @staticmethod
    def _create(path: Path, data: bytes) -> bool:
        from genesis.document import write_atomic  # noqa: PLC0415

        whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        write_atomic(whole, data, durable=True)
        try:
            os.link(whole, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            if path.exists():
                return False
            whole.replace(path)
        finally:
            whole.unlink(missing_ok=True)
        return True

    async def names(self, folder: str) -> list[str] | None:
        """List the names directly in a folder, sorted, without unfinished writes."""
        try:
            return sorted(entry.name for entry in (self.root / folder).iterdir() if not entry.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _make_unreadable_error(self.root / folder, error) from error

    def url(self, name: str) -> str:
        """Return the file's path."""
        return str(self.root / name)


class _Block(Protocol):
    """The part of Prefect's `WritableFileSystem` that is used."""

    def read_path(self, path: str) -> Awaitable[bytes]: ...

    def write_path(self, path: str, content: bytes) -> Awaitable[object]: ...


class BlockStore:
    """A Prefect storage block, for example a bucket. It is shared, so another host can resume a run."""

    def __init__(self, block: _Block, label: str):
        self._block = block
        self._label = label

    async def read(self, name: str) -> bytes | None:
        """Return the content, or None where there is none."""
        try:
            return await self._block.read_path(name)
        except (FileNotFoundError, ValueError, KeyError):
            return None
        except OSError as error:
            raise ServiceError(f"{self.url(name)} cannot be read: {error}", hint="check the storage block") from error

    async def write(self, name: str, data: bytes) -> None:
        """Write the content; the block decides whether that is atomic, object stores are."""
        try:
            await self._block.write_path(name, data)
        except OSError as error:
            raise ServiceError(
                f"{self.url(name)} cannot be written: {error}", hint="check the storage block"
            ) from error

    async def create(self, name: str, data: bytes) -> bool:
        """Write the content where there is none yet. Blocks have no locks: of two writers at once the later stands."""
        if await self.read(name) is not None:
            return False
        await self.write(name, data)
        return True

    async def names(self, folder: str) -> list[str] | None:  # noqa: ARG002  # the protocol gives it
        """Report that a block cannot list."""
        return None

    def url(self, name: str) -> str:
        """Return the block's label and the name in it."""
        return f"{self._label}/{name}"


async def open_store() -> LedgerStore:
    """Open Prefect's result storage as it is configured: its local folder, or the default result storage block.

    Prefect is asked where it is at hand, and where it alone can say.
    """
    if "prefect" not in sys.modules and (folder := find_configured_storage()) is not None:
        return _folder(folder)
    from prefect.blocks.core import Block  # noqa: PLC0415  # takes seconds
    from prefect.filesystems import LocalFileSystem, WritableFileSystem  # noqa: PLC0415
    from prefect.settings import get_current_settings  # noqa: PLC0415

    from genesis.prefect_api.errors import API_ERRORS  # noqa: PLC0415

    settings = get_current_settings()
    local = settings.results.local_storage_path
    slug = settings.results.default_storage_block
    if slug is None:
        return _folder(local)
    try:
        block: Block = await Block.aload(slug)
    except (*API_ERRORS, ValueError, RuntimeError) as error:
        raise ServiceError(
            f"the block {slug!r}, where results are stored, cannot be loaded: {error}",
            hint="prefect block ls shows the blocks of the API that PREFECT_API_URL or the profile names",
        ) from error
    if isinstance(block, LocalFileSystem):
        return _folder(block.basepath or local)
    if not isinstance(block, WritableFileSystem):
        raise ServiceError(f"the block {slug!r} cannot store files", hint="name a file system or bucket block")
    return BlockStore(block, slug)


def is_run_id(word: str) -> bool:
    """Whether a word can be a run's id, which names its folder."""
    return _RUN_ID.fullmatch(word) is not None


async def list_runs(store: LedgerStore) -> list[str] | None:
    """List the ids of all runs, newest first; None where the storage cannot list."""
    names = await store.names(ROOT)
    return None if names is None else sorted(filter(is_run_id, names), reverse=True)


def _folder(path: Path | str) -> FolderStore:
    return FolderStore(path_of_user(str(path)))


def _make_unreadable_error(path: Path, error: OSError) -> ResourceError:
    return ResourceError.of(error, f"{str(path)!r} cannot be read", path=path)
