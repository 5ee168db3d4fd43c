"""Prefect tasks, generated for the leaves of one run: one for each agent and policy, used again for all its leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRunResult
from prefect.task_engine import run_task_async

from genesis.model import Leaf

__all__ = ["LeafTasks", "retry_delays"]

_LONGEST_DELAY_S = 60.0

Body = Callable[[str, str], Awaitable[Any]]


def retry_delays(retries: int, first_s: float) -> list[float]:
    """Give the pause before each repeat in seconds: doubling, at most a minute."""
    return [min(_LONGEST_DELAY_S, first_s * 2**repeat) for repeat in range(retries)]


class LeafTasks:
    """Runs leaves as Prefect task runs.

    The engine is entered directly and told which task runs a leaf comes after. Passing their states to `wait_for` gives
    the same edges in the UI, but searches every parameter for states and copies contexts for a thread, which doubles
    the time that a small task takes.
    """

    def __init__(self, body: Body, *, retry_delay_s: float, timeout_s: float):
        self._body = body
        self._retry_delay_s = retry_delay_s
        self._timeout_s = timeout_s
        self._tasks: dict[tuple[str, int, float], Task[..., Any]] = {}

    async def run(self, leaf: Leaf, after: Iterable[UUID]) -> State[Any]:
        """Run a leaf until its task run is final.

        Args:
            leaf: The leaf; its path goes to the body.
            after: Task runs that the UI shows as its upstream.
        """
        return await run_task_async(  # type: ignore[no-any-return]  # the return type depends on `return_type`
            self._task(leaf),
            parameters={"agent": leaf.agent, "path": leaf.path, "after": None},
            dependencies={"after": {TaskRunResult(id=task_run) for task_run in after}},
            return_type="state",
        )

    def _task(self, leaf: Leaf) -> Task[..., Any]:
        key = (leaf.agent, leaf.retries, leaf.timeout_s or self._timeout_s)
        if key not in self._tasks:
            agent, retries, timeout_s = key
            body = self._body

            async def attempt(agent: str, path: str, after: None) -> Any:
                del after  # only there because Prefect draws an edge to a parameter
                return await body(agent, path)

            self._tasks[key] = Task(
                attempt,
                name=agent,
                description=f"Work of {agent}",
                task_run_name="{agent} · {path}",
                retries=retries,
                retry_delay_seconds=retry_delays(retries, self._retry_delay_s) or None,
                timeout_seconds=timeout_s,
                persist_result=False,
                cache_policy=NO_CACHE,
                log_prints=False,
            )
        return self._tasks[key]
