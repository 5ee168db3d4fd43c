"""An agent whose calls go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from pydantic import JsonValue

from genesis.agents import Executor, Result, Work
from genesis.testing.chaos.faults import Fault, FaultKind, Faults, InjectedError

__all__ = ["ChaosExecutor", "call_key"]

_KINDS: tuple[FaultKind, ...] = (
    "error", "delay", "hang", "garbage", "partial", "duplicate", "reorder", "disconnect"
)  # fmt: skip
_GARBAGE = "\ufffd\ufffd<html>\ufffd"


def call_key(work: Work) -> str:
    """Name a call by its agent and its leaf: repeats are the calls that are counted."""
    return f"{work.agent.name} {work.path}"


class ChaosExecutor:
    """Calls another executor, or goes wrong.

    `error` raises before the work is begun, `disconnect` after it is done. `hang` begins nothing and waits, until it is
    cancelled or for `hang_s`. `garbage` and `partial` give a value without what was promised, or without half of it;
    where nothing was promised nobody can tell. `duplicate` does the work twice, as a message that is delivered twice
    would. `reorder` holds the answer back until another call has been answered, for at most `delay_s`.

    Args:
        inner: Does the work.
        faults: Decides.
        kinds: What can happen here, of the kinds that the faults have; all but jumps of clocks make sense.
        key: Names a call.
    """

    def __init__(
        self,
        inner: Executor,
        faults: Faults,
        *,
        kinds: Iterable[FaultKind] = _KINDS,
        key: Callable[[Work], str] = call_key,
    ):
        self._inner = inner
        self._faults = faults
        self._kinds = tuple(kind for kind in _KINDS if kind in set(kinds))
        self._key = key
        self._answered = asyncio.Event()

    async def execute(self, work: Work) -> Result:
        """Do the work, or go wrong."""
        fault = self._faults.draw("agent", self._key(work), self._kinds)
        result = await self._inner.execute(work) if fault is None else await self._wrong(work, fault)
        self._answered.set()
        self._answered = asyncio.Event()
        return result

    async def _wrong(self, work: Work, fault: Fault) -> Result:
        match fault.kind:
            case "error":
                raise InjectedError(str(fault))
            case "hang":
                await asyncio.sleep(self._faults.hang_s)
                raise TimeoutError(str(fault))
            case "delay":
                await asyncio.sleep(fault.amount * self._faults.delay_s)
            case "duplicate":
                await self._inner.execute(work)
            case _:
                pass
        result = await self._inner.execute(work)
        if fault.kind == "disconnect":
            raise ConnectionResetError(str(fault))
        if fault.kind == "reorder":
            await self._hold_back(fault.amount * self._faults.delay_s)
        return replace(result, value=_spoilt(result.value, fault))

    async def _hold_back(self, longest_s: float) -> None:
        answered = self._answered
        try:
            async with asyncio.timeout(longest_s):
                await answered.wait()
        except TimeoutError:
            return


def _spoilt(value: JsonValue, fault: Fault) -> JsonValue:
    if fault.kind == "garbage":
        return _GARBAGE
    if fault.kind == "partial":
        return dict(list(value.items())[: len(value) // 2]) if isinstance(value, dict) else None
    return value
