"""Shared state, of breakers and quotas, whose storage goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from genesis.resilience import StateStore, StoreError
from genesis.testing.chaos.faults import Fault, FaultKind, Faults

__all__ = ["ChaosStore"]

_T = TypeVar("_T")
_CHANGE: tuple[FaultKind, ...] = (
    "error", "delay", "hang", "garbage", "partial", "duplicate", "disconnect", "clock_jump"
)  # fmt: skip
_READ: tuple[FaultKind, ...] = ("error", "delay", "hang", "garbage", "partial", "reorder", "disconnect", "clock_jump")


class ChaosStore:
    """A store of shared state that goes wrong.

    `error` and `hang` change nothing, `disconnect` does, and the answer is lost. `duplicate` makes a step twice, as one
    is made again whose value was changed meanwhile. `garbage` and `partial` are what is found there, as after a crash
    of the machine. `reorder` reads what was there before the last change. A clock that jumps stays where it is then.

    Args:
        inner: Keeps the state.
        faults: Decides; a call's key is the operation and the name.
    """

    def __init__(self, inner: StateStore, faults: Faults):
        self._inner = inner
        self._faults = faults
        self._before: dict[str, str | None] = {}
        self._ahead_s = 0.0

    def now(self) -> float:
        """Return the store's time."""
        return self._inner.now() + self._ahead_s

    def change(self, name: str, step: Callable[[str | None, float], tuple[str | None, _T]]) -> _T:
        """Change what is kept under a name, or go wrong."""
        fault = self._apply_fault("change", name, _CHANGE)

        def spoilt(kept: str | None, now: float) -> tuple[str | None, _T]:
            self._before[name] = kept
            if fault is not None and fault.kind == "duplicate":
                step(kept, now + self._ahead_s)
            return step(_spoilt(kept, fault), now + self._ahead_s)

        value = self._inner.change(name, spoilt)
        if fault is not None and fault.kind == "disconnect":
            raise StoreError(str(fault))
        return value

    def read(self, name: str) -> tuple[str | None, float]:
        """Return what is kept under a name, or something else."""
        fault = self._apply_fault("read", name, _READ)
        kept, now = self._inner.read(name)
        if fault is not None and fault.kind == "disconnect":
            raise StoreError(str(fault))
        if fault is not None and fault.kind == "reorder":
            kept = self._before.get(name, kept)
        return _spoilt(kept, fault), now + self._ahead_s

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin with a prefix."""
        return self._inner.names(prefix)

    def _apply_fault(self, operation: str, name: str, kinds: tuple[FaultKind, ...]) -> Fault | None:
        fault = self._faults.draw("store", f"{operation} {name}", kinds)
        if fault is None:
            return None
        if fault.kind == "delay":
            time.sleep(fault.amount * self._faults.delay_s)
        elif fault.kind == "clock_jump":
            self._ahead_s += (2 * fault.amount - 1) * self._faults.jump_s
        elif fault.kind in ("error", "hang"):
            if fault.kind == "hang":
                time.sleep(self._faults.hang_s)
            raise StoreError(str(fault))
        return fault


def _spoilt(kept: str | None, fault: Fault | None) -> str | None:
    if kept is None or fault is None:
        return kept
    if fault.kind == "garbage":
        return "\ufffd{garbage"
    return kept[: int(fault.amount * len(kept))] if fault.kind == "partial" else kept
