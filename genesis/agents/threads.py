"""Run blocking functions beside the event loop, in threads that are used again."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from genesis.errors import TaskError

__all__ = ["Threads", "exited"]

_T = TypeVar("_T")


class Threads:
    """Threads that run blocking functions beside the event loop, each kept for a while for the next function.

    Not asyncio's own pool: that has as few as six threads, which would limit how many leaves run at once, and a
    function that hangs in it would keep the process from ending. Here every function that finds no idle thread gets a
    new one. Starting one for each of a thousand small tasks would cost a third of their time.

    Args:
        idle_s: How long a thread waits for another function before it ends.
    """

    def __init__(self, *, idle_s: float = 5.0) -> None:
        self._idle_s = idle_s
        self._idle: list[queue.SimpleQueue[Callable[[], None]]] = []

    async def run(self, function: Callable[[], _T], *, label: str) -> _T:
        """Run a function in a thread, with the context variables of here. Cancelling leaves the thread behind, unheard.

        Args:
            function: What to run.
            label: What it is, for messages.

        Raises:
            TaskError: The function called `sys.exit`, or let a `KeyboardInterrupt` or a `StopIteration` out, which no
                coroutine can carry.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[_T] = loop.create_future()
        context = contextvars.copy_context()

        def report(settle: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
                loop.call_soon_threadsafe(lambda: None if outcome.done() else settle())

        def work() -> None:
            try:
                value = context.run(function)
            except BaseException as raised:  # noqa: BLE001  # a thread's boundary: the coroutine that waits gets it
                error = _carriable(raised, label)
                report(lambda: outcome.set_exception(error))
            else:
                report(lambda: outcome.set_result(value))

        self._hand_over(work)
        return await outcome

    def _hand_over(self, work: Callable[[], None]) -> None:
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="genesis work", daemon=True).start()
        inbox.put(work)

    def _serve(self, inbox: queue.SimpleQueue[Callable[[], None]]) -> None:
        while True:
            try:
                work = inbox.get(timeout=self._idle_s)
            except queue.Empty:
                try:
                    self._idle.remove(inbox)
                except ValueError:  # just taken: its work is on the way
                    continue
                return
            work()
            del work  # keeps its task's values alive otherwise
            self._idle.append(inbox)


def exited(label: str, error: SystemExit) -> TaskError:
    """Make a `sys.exit` in called code a failure of that code, since it would end the event loop."""
    return TaskError(f"{label!r} called sys.exit({error.code!r})", hint="raise an exception, or return a value")


def _carriable(error: BaseException, label: str) -> BaseException:
    if isinstance(error, SystemExit):
        wrapped = exited(label, error)
    elif isinstance(error, KeyboardInterrupt):  # nobody pressed Ctrl-C: that reaches the main thread alone
        wrapped = TaskError(f"{label!r} raised KeyboardInterrupt", hint="raise an exception, or return a value")
    elif isinstance(error, StopIteration):
        wrapped = TaskError(f"{label!r} let a StopIteration out", hint="give next() a default, or return")
    else:
        return error
    wrapped.__cause__ = error
    return wrapped
