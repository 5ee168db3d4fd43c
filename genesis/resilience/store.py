"""State that several processes or hosts share, changed atomically."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from genesis.errors import GenesisError

__all__ = ["StateStore", "StoreError"]

_T = TypeVar("_T")


class StoreError(GenesisError):
    """A store of shared state cannot be used. Who shares something then continues with what it knows itself."""

    code = "GEN-STORE"
    exit_code = 4


class StateStore(Protocol):
    """Keeps small texts by name for several processes."""

    def now(self) -> float:
        """Return the time in seconds that all processes agree on.

        Raises:
            StoreError: The store cannot be used; so for each method.
        """
        ...

    def change(self, name: str, step: Callable[[str | None, float], tuple[str | None, _T]]) -> _T:
        """Change what is kept under a name, atomically.

        Args:
            name: The name.
            step: Is given what is kept and the time; gives what to keep instead (None: leave it) and a value for the
                caller. It may be called more than once.
        """
        ...

    def read(self, name: str) -> tuple[str | None, float]:
        """Return what is kept under a name, and the time."""
        ...

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin with a prefix, in order."""
        ...
