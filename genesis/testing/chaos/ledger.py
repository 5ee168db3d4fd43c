"""A ledger whose storage goes wrong, and one that dies with its process at a chosen write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NoReturn

from genesis.errors import ResourceError, ServiceError
from genesis.testing.chaos.faults import Fault, FaultKind, Faults

if TYPE_CHECKING:
    from genesis.ledger import LedgerStore

__all__ = ["ChaosLedger", "Killed", "MortalLedger"]

_WRITE: tuple[FaultKind, ...] = ("error", "delay", "hang", "partial", "duplicate", "reorder", "disconnect")
_READ: tuple[FaultKind, ...] = ("error", "delay", "hang", "garbage", "partial", "disconnect")
_LIST: tuple[FaultKind, ...] = ("error", "delay", "disconnect")


class ChaosLedger:
    """A store of ledgers that goes wrong as folders and buckets do.

    `error` is a full disk: nothing is written. `partial` leaves a part of the content, as storage does that does not
    write atomically. `disconnect` writes, and loses the answer; `reorder` and `delay` write late; `hang` gives up after
    `hang_s`. What is read can be garbage, or a part. What fails raises the errors that the real stores raise.

    Args:
        inner: Keeps the ledgers.
        faults: Decides; a call's key is the operation and the name within the run's folder.
    """

    def __init__(self, inner: LedgerStore, faults: Faults):
        self._inner = inner
        self._faults = faults
        self._written = asyncio.Event()

    async def read(self, name: str) -> bytes | None:
        """Return the content, a wrong one, or fail."""
        fault = await self._late("read", name, _READ)
        self._fail_if(fault, "error", "disconnect", "hang")
        content = await self._inner.read(name)
        if content is None or fault is None or fault.kind not in ("garbage", "partial"):
            return content
        return b"\xff\x00 garbage" if fault.kind == "garbage" else content[: int(fault.amount * len(content))]

    async def write(self, name: str, data: bytes) -> None:
        """Write the content, a part of it, twice, or fail."""
        fault = await self._late("write", name, _WRITE)
        self._fail_if(fault, "error", "hang")
        if fault is not None and fault.kind == "partial":
            await self._inner.write(name, data[: int(fault.amount * len(data))])
            raise _make_error(fault)
        await self._inner.write(name, data)
        if fault is not None and fault.kind == "duplicate":
            await self._inner.write(name, data)
        self._written.set()
        self._written = asyncio.Event()
        self._fail_if(fault, "disconnect")

    async def create(self, name: str, data: bytes) -> bool:
        """Write the content where there is none yet, or go wrong as a write does."""
        if await self._inner.read(name) is not None:
            return False
        await self.write(name, data)
        return True

    async def names(self, folder: str) -> list[str] | None:
        """List the names in a folder, or fail."""
        self._fail_if(await self._late("names", folder, _LIST), "error", "disconnect")
        return await self._inner.names(folder)

    def url(self, name: str) -> str:
        """Describe where the content is."""
        return self._inner.url(name)

    async def _late(self, operation: str, name: str, kinds: tuple[FaultKind, ...]) -> Fault | None:
        fault = self._faults.draw("ledger", f"{operation} {_within_run(name)}", kinds)
        if fault is not None and fault.kind == "hang":
            await asyncio.sleep(self._faults.hang_s)
        elif fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.amount * self._faults.delay_s)
        elif fault is not None and fault.kind == "reorder":
            written = asyncio.ensure_future(self._written.wait())
            await asyncio.wait({written}, timeout=fault.amount * self._faults.delay_s)
            written.cancel()
        return fault

    @staticmethod
    def _fail_if(fault: Fault | None, *kinds: FaultKind) -> None:
        if fault is not None and fault.kind in kinds:
            raise _make_error(fault)


def _make_error(fault: Fault) -> ResourceError | ServiceError:
    if fault.kind == "error":
        return ResourceError(f"{fault}: cannot be written: no space left on device", hint="free some space")
    return ServiceError(f"{fault}: the storage does not answer", hint="check the storage block")


def _within_run(name: str) -> str:
    """Leave out the run's id, which is another one each time."""
    parts = name.split("/")
    return "/".join(parts[2:]) or name


class Killed(BaseException):
    """The process is gone. No layer may handle it, as none could."""


def _raise_killed() -> NoReturn:
    raise Killed


class MortalLedger:
    """A store whose process dies at its n-th write: that one and all later ones are not made.

    Args:
        inner: Keeps the ledgers.
        dies_at: Number of the write, from 1; 0 lets it live, to count.
        when: `before` the write, `after` it, or in the middle of it: `torn`, as only storage leaves it that does not
            write atomically.
        die: Ends the process; `os._exit` in a real one. Without it `Killed` is raised.

    Attributes:
        written: Names that were to be written, within the run's folder.
    """

    def __init__(
        self,
        inner: LedgerStore,
        dies_at: int = 0,
        *,
        when: Literal["before", "after", "torn"] = "before",
        die: Callable[[], NoReturn] = _raise_killed,
    ):
        self.written: list[str] = []
        self._inner = inner
        self._dies_at = dies_at
        self._when = when
        self._die = die

    async def read(self, name: str) -> bytes | None:
        """Return the content."""
        return await self._inner.read(name)

    async def write(self, name: str, data: bytes) -> None:
        """Write the content, or die."""
        self.written.append(_within_run(name))
        number = len(self.written)
        if not self._dies_at or number < self._dies_at:
            await self._inner.write(name, data)
            return
        if number == self._dies_at and self._when != "before":
            await self._inner.write(name, data if self._when == "after" else data[: len(data) // 2])
        self._die()

    async def create(self, name: str, data: bytes) -> bool:
        """Write the content where there is none yet, or die."""
        if await self._inner.read(name) is not None:
            return False
        await self.write(name, data)
        return True

    async def names(self, folder: str) -> list[str] | None:
        """List the names in a folder."""
        return await self._inner.names(folder)

    def url(self, name: str) -> str:
        """Describe where the content is."""
        return self._inner.url(name)
