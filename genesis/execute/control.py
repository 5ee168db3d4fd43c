"""How a run is asked to stop from outside."""

from __future__ import annotations

import asyncio

__all__ = ["Control"]


class Control:
    """A switch that ends a run early. It is made for one event loop and used from it, signal handlers included."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    def cancel(self) -> None:
        """Start nothing more, and end what is running."""
        self._stopped.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._stopped.is_set()

    async def wait(self) -> None:
        """Wait for `cancel`."""
        await self._stopped.wait()
