"""Run a coroutine on a separate event loop in the calling thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

__all__ = ["OwnLoop"]

_TIDY_S = 1.0
"""Time limit for tasks that a coroutine left running to end."""


class OwnLoop:
    """Runs one awaitable of an agent where it can block only itself, and can be cancelled from other threads.

    On the loop that runs the leaves, a blocking coroutine would delay all others and every time limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_cancelled = False

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """Run it to its end, in the context of here. Tasks that it left running are cancelled.

        Raises:
            BaseException: Any exception of the awaitable.
        """
        loop = asyncio.new_event_loop()
        task = loop.create_task(_await_result(awaitable))
        with self._lock:
            self._loop, self._task = loop, task
            if self._is_cancelled:
                task.cancel()
        try:
            return loop.run_until_complete(task)
        finally:
            if task.done() and not task.cancelled():
                task.exception()  # an exit leaves it unread, which the loop would report
            with self._lock:
                self._loop = None
            try:
                loop.run_until_complete(_tidy())
            finally:
                loop.close()

    def cancel(self) -> bool:
        """Cancel it, from any thread; return whether there is anything to cancel."""
        with self._lock:
            self._is_cancelled = True
            if self._loop is None or self._task is None:
                return False
            with suppress(RuntimeError):  # it has just been closed
                self._loop.call_soon_threadsafe(self._task.cancel)
            return True


async def _await_result(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _tidy() -> None:
    """End remaining tasks and asynchronous generators; those that do not end in time are abandoned."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_TIDY_S)
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().shutdown_asyncgens(), _TIDY_S)
