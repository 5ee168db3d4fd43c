"""Run a coroutine from code that is not async."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["run_blocking"]

_Result = TypeVar("_Result")


def run_blocking(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a coroutine to its end on an event loop of its own.

    Planning is sync, models are async, and a program may plan inside its own event loop. There the work gets a thread,
    with the caller's context variables; the caller's loop stands still for as long as the call takes.

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
