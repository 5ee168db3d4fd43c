"""Run blocking functions beside the event loop, in threads that are used again."""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from genesis.errors import TaskError
from genesis.foreign import read_safely
from genesis.resilience.taxonomy import classify

__all__ = ["Threads"]

_T = TypeVar("_T")
_GRACE_S = 2.0
"""How long a function that was asked to end may take for that."""


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

    async def run(self, function: Callable[[], _T], *, label: str, stop: Callable[[], bool] | None = None) -> _T:
        """Run a function in a thread, with the context variables of here. Cancelling leaves the thread behind, unheard.

        Args:
            function: What to run.
            label: What it is, for messages.
            stop: Asks the function to end when the call is cancelled, and says whether it can; it then has two seconds.

        Raises:
            TaskError: The function raised what is no `Exception`, such as `SystemExit`, or what no coroutine can carry.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[_T] = loop.create_future()
        context = contextvars.copy_context()

        def report(settle: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
                loop.call_soon_threadsafe(lambda: None if outcome.done() else settle())

        def work() -> None:
            process = os.getpid()
            try:
                value = context.run(function)
            except BaseException as raised:  # noqa: BLE001  # a thread's boundary: the coroutine that waits gets it
                _end_forked(process, raised)
                error = _carriable(raised, label)
                report(lambda: outcome.set_exception(error))
            else:
                _end_forked(process)
                report(lambda: outcome.set_result(value))

        self._put_result(work)
        if stop is None:
            return await outcome
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            if stop():
                await asyncio.wait([outcome], timeout=_GRACE_S)
            if not outcome.cancel():
                outcome.exception()  # heard: nobody waits for it any more
            raise

    def _put_result(self, work: Callable[[], None]) -> None:
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


def _end_forked(process: int, raised: BaseException | None = None) -> None:
    """End a child that the function forked and that came back from it: the thread's caller is not its own."""
    if os.getpid() == process:
        return
    code = raised.code if isinstance(raised, SystemExit) else raised is not None
    os._exit(code if isinstance(code, int) else code is not None)


def _carriable(error: BaseException, label: str) -> BaseException:
    """Make a failure of what would end the event loop, and of an exception that cannot even be described.

    `KeyboardInterrupt` is no Ctrl-C here: that reaches the main thread alone.
    """
    kind = type(error).__name__
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        if _is_describable(error):
            return error
        return TaskError(f"{label!r} raised {kind!r}, which cannot be described", hint="correct the exception's class")
    if isinstance(error, SystemExit):
        said = f"{label!r} called sys.exit({error.code!r})"
    elif isinstance(error, Exception):
        said = f"{label!r} let a {kind} out"
    else:
        said = f"{label!r} raised {kind}, which is no Exception" + (f": {error}" if _is_describable(error) else "")
    wrapped = TaskError(said, hint="raise an exception, or return a value")
    if _is_describable(error):
        wrapped.__cause__ = error
    return wrapped


def _is_describable(error: BaseException) -> bool:
    """Whether an exception's text and attributes can be read; both are anyone's code."""
    return read_safely(lambda: (str(error), repr(error), classify(error)), None) is not None
