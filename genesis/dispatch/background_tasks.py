"""Work beside the caller's: short background tasks, and loops that run until it closes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any

from genesis.dispatch.limits import LOOP_RETRY_S
from genesis.errors import GenesisError

__all__ = ["BackgroundTasks"]

_log = logging.getLogger(__name__)


class BackgroundTasks:
    """Tasks of one backend. They end with it.

    Args:
        context: Each runs in a copy of it.
    """

    def __init__(self, context: Context):
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None], failed: Callable[[Exception], Awaitable[None]]) -> None:
        """Run something once. This is the boundary for what no one else handles: `failed` receives it."""

        async def run_guarded() -> None:
            try:
                await work
            except GenesisError as error:
                await failed(error)
            except Exception as error:  # noqa: BLE001  # the named boundary of a background task
                _log.exception("a background task of the dispatch failed")
                await failed(error)

        self._add(run_guarded(), work)

    def run_loop(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a loop until `close`; a fault in it is logged, and it continues."""

        async def run_forever() -> None:
            while True:
                try:
                    await loop()
                except Exception:  # noqa: BLE001  # the named boundary of a loop
                    _log.exception("a loop of the dispatch failed and continues")
                await asyncio.sleep(LOOP_RETRY_S)

        self._add(run_forever())

    async def close(self) -> None:
        """End everything."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _add(self, task_of: Coroutine[Any, Any, None], *inner: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(task_of, context=self._context.copy())
        self._tasks.add(task)

        def discard_task(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            for work in inner:  # one that was cancelled before it began
                work.close()

        task.add_done_callback(discard_task)
