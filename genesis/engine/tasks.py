"""Prefect tasks, generated for the leaves of one run: one for each agent and number of repeats.

Each leaf's task run is made by Prefect's synchronous engine in a thread of its own, inside one client context, and told
which task runs it comes after. Its work runs on the loop. Against the usual `submit(..., wait_for=futures)` this takes
about 0.6 of the time and of the processor: `wait_for` resolves every upstream result on another thread, and a task run
outside of a client context makes an HTTP client of its own. Both draw the same edges in the UI.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextlib import ExitStack
from contextvars import copy_context
from copy import copy
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import RunInput, State, TaskRunResult
from prefect.context import SyncClientContext
from prefect.results import ResultRecord, ResultRecordMetadata  # type: ignore[attr-defined]  # public, not listed
from prefect.task_engine import run_task_sync

from genesis.agents.threads import Threads
from genesis.errors import RunError, TaskError
from genesis.foreign import read_safely
from genesis.model import Leaf
from genesis.security.known_secrets import secrets_of_process
from genesis.security.redact import redact

__all__ = ["LeafTasks"]

_NO_RESULT: ResultRecord[None] = ResultRecord(result=None, metadata=ResultRecordMetadata(storage_key="genesis"))
"""What an attempt hands to the engine, since the result is in the ledger: for a value it would resolve a path."""

Body = Callable[[str], Coroutine[Any, Any, Any]]
Pause = Callable[[Leaf, BaseException, int], float | None]


def _none(_leaf: Leaf, _error: BaseException, _repeat: int) -> None:
    return None


class LeafTasks:
    """Runs leaves as Prefect task runs. Enter it inside the flow, on the loop that does the leaves' work.

    Args:
        body: One attempt of the leaf with this path; it may return a Prefect state.
        pause_s: Gives the seconds before a repeat of a leaf, by what was raised and which repeat it is, from 1; None
            where there is none. It may block.
    """

    def __init__(self, body: Body, *, pause_s: Pause = _none):
        self._body = body
        self._pause_s = pause_s
        self._raised = threading.local()
        self._tasks: dict[tuple[str, int], Task[..., Any]] = {}
        self._working: dict[str, asyncio.Task[Any]] = {}
        self._stack = ExitStack()
        self._threads = Threads()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._stack.enter_context(SyncClientContext.get_or_create())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def run(self, leaf: Leaf, task_run_id: UUID, after: Iterable[UUID]) -> State[Any]:
        """Run a leaf until its task run is final.

        Args:
            leaf: The leaf; its path goes to the body.
            task_run_id: Id of the task run.
            after: Task runs that the UI shows as its upstream.
        """
        task, path = self._task(leaf), leaf.path
        upstream: dict[str, set[RunInput]] = {"path": {TaskRunResult(id=source) for source in after}}

        def in_engine() -> State[Any]:
            state = run_task_sync(
                task,
                task_run_id=task_run_id,
                parameters={"path": path},
                dependencies=upstream,  # keyed by a parameter, as Prefect wants it
                return_type="state",
            )
            if state is None:
                raise RunError(f"Prefect gave no state for task {path!r}")
            return state

        return await self._threads.run(in_engine, label=path)

    def cancel(self, path: str | None = None) -> None:
        """Cancel the work of the attempts that are running: that of one leaf, or of all."""
        for name, work in self._working.items():
            if path in (None, name):
                work.cancel()

    def _task(self, leaf: Leaf) -> Task[..., Any]:
        """Return the task of a leaf: the one of its agent and repeats, or where it has repeats a copy of its own.

        Prefect asks the condition first, and reads the pause from the task after that: so the pause can depend on what
        was raised.
        """
        key = (leaf.agent, leaf.retries)
        if key not in self._tasks:
            self._tasks[key] = self._make_task(leaf)
        if not leaf.retries:
            return self._tasks[key]
        task, repeat = copy(self._tasks[key]), 0

        def again(*_: object) -> bool:
            nonlocal repeat
            repeat += 1
            # Without an exception the attempt has returned a failed state: it ran out of time.
            pause_s = self._pause_s(leaf, self._raised.error or TimeoutError(), repeat)
            task.retry_delay_seconds = [pause_s] if pause_s else []
            return pause_s is not None

        task.retry_condition_fn = again
        return task

    def _make_task(self, leaf: Leaf) -> Task[..., Any]:
        def attempt(path: str) -> Any:
            self._raised.error = None
            try:
                value = self._on_loop(path).result()
            except BaseException as error:
                self._raised.error = error
                said = read_safely(error.__str__, "")
                if isinstance(error, Exception) and (shown := redact(said, secrets_of_process()())) != said:
                    # Prefect keeps the message of what it catches, and logs it with its traceback.
                    raise TaskError(shown) from None
                raise
            return _NO_RESULT if value is None else value

        return Task(
            attempt,
            name=leaf.agent,
            description=f"Work of {leaf.agent}",
            task_run_name=f"{leaf.agent} · {{path}}",
            retries=leaf.retries,
            persist_result=False,
            cache_policy=NO_CACHE,
            log_prints=False,
        )

    def _on_loop(self, path: str) -> concurrent.futures.Future[Any]:
        """Start an attempt on the loop, from the task run's thread and in its context.

        `asyncio.run_coroutine_threadsafe` would run it in the loop's context: log lines and nested runs would then
        belong to the flow and not to the task run.
        """
        context = copy_context()
        ended: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def start() -> None:
            work = self._loop.create_task(self._body(path), context=context)
            self._working[path] = work
            work.add_done_callback(finish)

        def finish(work: asyncio.Task[Any]) -> None:
            self._working.pop(path, None)
            if work.cancelled():
                ended.set_exception(concurrent.futures.CancelledError())
            elif error := work.exception():
                ended.set_exception(error)
            else:
                ended.set_result(work.result())

        self._loop.call_soon_threadsafe(start)
        return ended
