"""Run a coroutine from code that is not async."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["run_apart", "run_blocking"]

_Result = TypeVar("_Result")


def run_blocking(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a coroutine to its end on a separate event loop.

    Planning is sync, models are async, and a program may plan inside its own event loop. There the work gets a thread,
    with the caller's context variables; the caller's loop is blocked during the call.

    Args:
        work: Makes the coroutine.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="genesis-llm") as pool:
        return pool.submit(context.run, lambda: asyncio.run(work())).result()


async def run_apart(work: Callable[[], None]) -> None:
    """Run a blocking function in a thread that is not joined: Ctrl-C ends the program although it continues.

    `asyncio.to_thread` would delay the end of the loop, and of the program, until it is done.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def whole() -> None:
        error: BaseException | None = None
        try:
            work()
        except Exception as raised:  # noqa: BLE001  # the boundary of a thread: it is raised where it is waited for
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=whole, name="genesis-llm-apart", daemon=True).start()
    await ended
