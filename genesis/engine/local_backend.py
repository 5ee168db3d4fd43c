"""Run leaves in this process, each as a task run of the current flow run."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

from prefect.client.schemas.objects import State, TaskRunResult
from prefect.exceptions import Pause
from prefect.states import Cancelled, Completed, Failed

from genesis.agents.deadline import RUN_IS_OVER
from genesis.engine.attempts import LeafRun, error_info
from genesis.engine.inputs import list_upstream
from genesis.engine.run_context import RunContext
from genesis.engine.task_runs import GraphNode
from genesis.engine.tasks import LeafTasks
from genesis.errors import TaskTimeoutError
from genesis.model import KEPT, ErrorInfo, Leaf, Outcome
from genesis.observability.instruments import REPEATS
from genesis.observability.metrics import metrics_of_process
from genesis.resilience.retry import RetryBudget, RetryPolicy

__all__ = ["LocalBackend"]

_log = logging.getLogger(__name__)
_TIMED_OUT = "TimedOut"
_RUN_ENDED = "the run's deadline has passed"
_SETTLE_S = 1.0
"""What an attempt may take beyond its time to end, and to write its record."""
_SPECIAL_NAMES = {"cached": "Cached", "briefed": "Briefed"}


class LocalBackend:
    """Runs the leaves of one session here.

    Args:
        session: What to run and with what.
        outcomes: Outcomes of the leaves that are final, by index; the caller adds to it.
        attempts: How many attempts earlier executions made of each leaf.
        budget: What the run may spend on repeats; one of this place's own if omitted.
    """

    grace_s = 5.0

    def __init__(
        self,
        session: RunContext,
        outcomes: Mapping[int, Outcome],
        *,
        attempts: int = 0,
        budget: RetryBudget | None = None,
    ):
        self._session = session
        self._outcomes = outcomes
        self._earlier = attempts
        self._made: dict[int, Outcome] = {}
        """What became of leaves that were attempted before."""
        self._runs: dict[str, LeafRun] = {}
        self._task_runs: dict[int, UUID] = {}
        self._stopped: str | None = None
        self._budget = budget or RetryBudget(len(session.program.leaves))
        self._tasks = LeafTasks(self._attempt, pause_s=self._pause_s)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)
        await asyncio.to_thread(self._budget.flush)

    async def attach(self) -> dict[int, Outcome]:
        """Find nothing: work of this process ends with it."""
        return {}

    async def run(self, leaf: Leaf) -> Outcome:
        """Run a leaf until it is final. This is the boundary for what no one else handles.

        Raises:
            GenesisError: The ledger cannot be written, or a worker's disk has no space for the record.
        """
        if self._session.token is not None:
            self._session.ledger.reserve.require()
        made = self._made.get(leaf.index)
        history = made.history if made is not None else self._session.tried.get(leaf.index, ())
        before = max(self._earlier, history[-1].number) if history else self._earlier
        attempts = made.attempts if made is not None else before
        run = self._runs[leaf.path] = LeafRun(
            self._session, leaf, self._outcomes, attempts=attempts, history=history, repeats=self._budget
        )
        self._session.observer.leaf_changed(run.start())
        try:
            upstream = list_upstream(leaf, self._session.program.leaves)
            after = [self._task_runs[source] for source in upstream if source in self._task_runs]
            task_run = self._task_runs[leaf.index] = uuid4()
            state = await self._tasks.run(leaf, task_run, after)
        except asyncio.CancelledError:
            self._tasks.cancel(leaf.path)
            return await run.end("cancelled")
        except Exception as error:  # noqa: BLE001  # the named boundary of a leaf
            if isinstance(error.__cause__, Pause):  # the flow around the run is suspended: Prefect begins nothing
                return await run.end("cancelled")
            _log.exception("leaf failed outside its own work", extra={"task": leaf.path})
            return await run.end("failed", error_info(error))
        finally:
            self._runs.pop(leaf.path, None)
            self._made[leaf.index] = run.outcome
        return await _conclude_leaf(run, state)

    def suspend(self, suspended: bool) -> None:
        """Do nothing: every leaf that was given to this place has begun."""

    def nodes(self) -> dict[int, GraphNode]:
        """Name the task runs of this execution's leaves."""
        return {index: TaskRunResult(id=task_run) for index, task_run in self._task_runs.items()}

    def cancel(self, why: str) -> None:
        """End all attempts, and make no other, but for leaves that always run."""
        self._stopped = why
        for path, run in tuple(self._runs.items()):
            if not run.leaf.always:
                self._tasks.cancel(path)

    def _why(self, leaf: Leaf) -> str | None:
        """Describe why a leaf's work was stopped; asked again after a wait, since it can change meanwhile."""
        return None if leaf.always else self._stopped

    def _left_s(self, leaf: Leaf) -> float:
        """Return the seconds until the run's deadline, which a leaf that always runs has not."""
        return math.inf if leaf.always else self._session.left_s

    def _pause_s(self, leaf: Leaf, error: BaseException, repeat: int) -> float | None:
        """Return the pause before a retry; None where a retry cannot help, the time is short or the budget refuses."""
        policy = RetryPolicy.of_leaf(leaf, self._session.settings.run.retry_delay_s)
        reported = self._runs[leaf.path].outcome.error
        code = reported.code if reported is not None else ""
        pause_s = policy.pause_s(error, repeat, left_s=self._left_s(leaf), code=code)
        if pause_s is None or self._why(leaf) is not None:
            return None
        made = self._budget.take(leaf.path)
        metrics_of_process().count(REPEATS, "attempt", "made" if made else "refused")
        if not made:
            self._runs[leaf.path].repeat_refused(repeat)
        return pause_s if made else None

    async def _attempt(self, path: str) -> Any:
        """Make one attempt in its time, and give its ending the name that a person looks for in the UI."""
        run = self._runs[path]
        if self._why(run.leaf) is not None:
            return Cancelled(message="the run was stopped before this attempt")
        if self._left_s(run.leaf) <= 0:
            return Cancelled(message=_RUN_ENDED)
        left_s = min(run.limit_s, self._left_s(run.leaf))
        try:
            async with asyncio.timeout(left_s + _SETTLE_S) as limit:
                outcome = await run.work()
            self._budget.record_success()
        except TaskTimeoutError as error:
            return Cancelled(message=_RUN_ENDED) if error.code == RUN_IS_OVER else _out_of_time(run)
        except TimeoutError:
            if not limit.expired():
                raise
            if self._left_s(run.leaf) <= 0:
                return Cancelled(message=_RUN_ENDED)
            hint = "give it more with `timeout_s`"
            message = f"it did not end within {run.limit_s:g} s"
            run.record_failure(ErrorInfo(code="GEN-TASK-TIMEOUT", message=message, hint=hint, category="network"))
            return _out_of_time(run)
        except asyncio.CancelledError:
            if (why := self._why(run.leaf)) is None:
                raise
            return Cancelled(message=why)
        name = _SPECIAL_NAMES.get(outcome.state)
        return Completed(name=name) if name else None


def _out_of_time(run: LeafRun) -> State[Any]:
    return Failed(name=_TIMED_OUT, message=f"it did not end within {run.limit_s:g} s")


async def _conclude_leaf(run: LeafRun, state: State[Any]) -> Outcome:
    """Make the leaf final by the last state of its task run; work that succeeded is in the ledger already."""
    if run.outcome.state in KEPT:
        return run.outcome
    if state.is_cancelled():
        over = ErrorInfo(code=RUN_IS_OVER, message=_RUN_ENDED) if state.message == _RUN_ENDED else None
        return await run.end("cancelled", over)
    error = run.outcome.error or ErrorInfo(code="GEN-TASK", message=state.message or "it failed")
    return await run.end("failed", error)
