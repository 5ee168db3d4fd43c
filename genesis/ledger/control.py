"""How a run is asked to stop, or to pause, from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Control"]


class Control:
    """Switches of a run. It is made for one event loop and used from it, signal handlers included."""

    def __init__(self) -> None:
        self.suspended = False
        """Whether no leaf is to start for now; those that run continue."""
        self._stopped = asyncio.Event()
        self._told: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Start nothing more, and end what is running."""
        self._stopped.set()

    def suspend(self, suspended: bool) -> None:
        """Start nothing for now, or continue."""
        if suspended != self.suspended:
            self.suspended = suspended
            for call in self._told:
                call()

    def when_suspended(self, call: Callable[[], None]) -> None:
        """Have something called each time that the run is suspended or continues."""
        self._told.append(call)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._stopped.is_set()

    async def wait(self) -> None:
        """Wait for `cancel`."""
        await self._stopped.wait()
