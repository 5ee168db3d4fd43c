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
from genesis.errors import RunError
from genesis.model import Leaf

__all__ = ["JITTER", "LeafTasks", "retry_delays"]

_NO_RESULT: ResultRecord[None] = ResultRecord(result=None, metadata=ResultRecordMetadata(storage_key="genesis"))
"""What an attempt hands to the engine, since the result is in the ledger: for a value it would resolve a path."""
_LONGEST_DELAY_S = 60.0

JITTER = 0.5
"""Pauses vary by this share, so that tasks that failed together do not come back together."""

Body = Callable[[str], Coroutine[Any, Any, Any]]


def _always(_error: BaseException) -> bool:
    return True


def retry_delays(retries: int, first_s: float) -> list[float]:
    """Give the pause before each repeat in seconds: doubling, at most a minute."""
    return [min(_LONGEST_DELAY_S, first_s * 2**repeat) for repeat in range(retries)]


class LeafTasks:
    """Runs leaves as Prefect task runs. Enter it inside the flow, on the loop that does the leaves' work.

    Args:
        body: One attempt of the leaf with this path; it may return a Prefect state.
        retry_delay_s: Pause before the first repeat.
        again: Whether an attempt that raised this may be repeated, where the leaf has repeats left.
    """

    def __init__(self, body: Body, *, retry_delay_s: float, again: Callable[[BaseException], bool] = _always):
        self._body = body
        self._again = again
        self._raised = threading.local()
        self._retry_delay_s = retry_delay_s
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
        """Cancel the work of the attempts that are going on: that of one leaf, or of all."""
        for name, work in self._working.items():
            if path in (None, name):
                work.cancel()

    def _task(self, leaf: Leaf) -> Task[..., Any]:
        key = (leaf.agent, leaf.retries)
        if key not in self._tasks:

            def attempt(path: str) -> Any:
                self._raised.error = None
                try:
                    value = self._on_loop(path).result()
                except BaseException as error:
                    self._raised.error = error
                    raise
                return _NO_RESULT if value is None else value

            self._tasks[key] = Task(
                attempt,
                name=leaf.agent,
                description=f"Work of {leaf.agent}",
                task_run_name=f"{leaf.agent} · {{path}}",
                retries=leaf.retries,
                retry_delay_seconds=retry_delays(leaf.retries, self._retry_delay_s) or None,
                retry_jitter_factor=JITTER if leaf.retries else None,
                # Without an exception the attempt has returned a failed state: it ran out of time.
                retry_condition_fn=lambda *_: self._again(self._raised.error or TimeoutError()),
                persist_result=False,
                cache_policy=NO_CACHE,
                log_prints=False,
            )
        return self._tasks[key]

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
