"""Run a blocking function beside the event loop, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from genesis.errors import TaskError

__all__ = ["exited", "in_thread"]

_T = TypeVar("_T")


async def in_thread(function: Callable[[], _T], *, label: str) -> _T:
    """Run a function in a thread of its own, with the context variables of here.

    Not in asyncio's own pool: that has as few as six threads, which would limit how many leaves run at once, and a
    function that hangs in it would keep the process from ending. Cancelling leaves the thread behind, unheard.

    Args:
        function: What to run.
        label: What it is, for messages and the thread's name.

    Raises:
        TaskError: The function called `sys.exit`, or let a `StopIteration` out, which no coroutine can carry.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_T] = loop.create_future()
    context = contextvars.copy_context()

    def report(settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if outcome.done() else settle())

    def run() -> None:
        try:
            value = context.run(function)
        except BaseException as raised:  # noqa: BLE001  # a thread's boundary: the coroutine that waits gets it
            error = _carriable(raised, label)
            report(lambda: outcome.set_exception(error))
        else:
            report(lambda: outcome.set_result(value))

    threading.Thread(target=run, name=f"genesis {label}", daemon=True).start()
    return await outcome


def exited(label: str, error: SystemExit) -> TaskError:
    """Make a `sys.exit` in called code a failure of that code, since it would end the event loop."""
    return TaskError(f"{label!r} called sys.exit({error.code!r})", hint="raise an exception, or return a value")


def _carriable(error: BaseException, label: str) -> BaseException:
    if isinstance(error, SystemExit):
        wrapped = exited(label, error)
    elif isinstance(error, StopIteration):
        wrapped = TaskError(f"{label!r} let a StopIteration out", hint="give next() a default, or return")
    else:
        return error
    wrapped.__cause__ = error
    return wrapped
