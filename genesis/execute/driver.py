"""The loop that runs a program: it asks the scheduler what to start, and tells it what ended."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from genesis.errors import GenesisError
from genesis.execute.attempt import LeafRun, error_info
from genesis.execute.control import Control
from genesis.execute.session import Session
from genesis.execute.tasks import LeafTasks
from genesis.model import FINISHED, ErrorInfo, Leaf, Outcome, RunState
from genesis.schedule import Job, Limits, Scheduler, rank

__all__ = ["Driver", "Ending"]

_log = logging.getLogger(__name__)
_NAMED = 3
_TIMED_OUT = "TimedOut"
_GRACE_S = 5.0
"""How long work that was cancelled may take to end before it is left behind."""
_SPECIAL_NAMES = {"cached": "Cached", "briefed": "Briefed"}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    state: RunState
    error: ErrorInfo | None = None


class Driver:
    """Runs the leaves of one session inside the current Prefect flow run.

    Args:
        session: What to run and with what.
        control: Asks it to stop.
        finished: Outcomes of an earlier execution that are kept, by leaf index.
    """

    def __init__(self, session: Session, control: Control, finished: dict[int, Outcome]):
        self.outcomes: dict[int, Outcome] = dict(finished)
        self._session = session
        self._control = control
        self._leaves = session.program.leaves
        self._by_path = {leaf.path: leaf for leaf in self._leaves}
        self._runs: dict[int, LeafRun] = {}
        self._task_runs: dict[int, UUID] = {}
        self._ended: asyncio.Queue[int | None] = asyncio.Queue()
        self._stop: Ending | None = None
        self._working: dict[int, asyncio.Task[None]] = {}
        self._spent_usd = sum((outcome.usd or Decimal(0) for outcome in finished.values()), Decimal(0))
        self._spent_tokens = sum(outcome.tokens for outcome in finished.values())
        self._tasks = LeafTasks(self._attempt, retry_delay_s=session.settings.run.retry_delay_s)
        self._scheduler = self._schedule(finished)

    async def run(self) -> Ending:
        """Run until every leaf is final, and say how it ended."""
        watch = asyncio.create_task(self._watch())
        try:
            async with self._tasks, asyncio.TaskGroup() as group:
                while not self._scheduler.done:
                    for index in self._scheduler.take() if self._stop is None else ():
                        self._start(group, index)
                    ended = await self._ended.get()
                    if ended is None:
                        self._halt()
                    else:
                        await self._settle(ended)
        finally:
            watch.cancel()
        return self._stop or self._ending()

    def _schedule(self, finished: dict[int, Outcome]) -> Scheduler:
        jobs = [Job(leaf.seconds, leaf.after, leaf.agent) for leaf in self._leaves]
        per_agent = {name: agent.max_concurrency for name, agent in self._session.program.agents.items()}
        limits = Limits(self._session.slots, per_agent)
        scheduler = Scheduler(jobs, limits, rank(jobs, limits))
        scheduler.restore(finished)
        return scheduler

    def _start(self, group: asyncio.TaskGroup, index: int) -> None:
        leaf = self._leaves[index]
        self._runs[index] = LeafRun(self._session, leaf, self.outcomes)
        self._working[index] = group.create_task(self._run_leaf(leaf))

    async def _run_leaf(self, leaf: Leaf) -> None:
        """Run one leaf. This is the boundary for what no one else handles: a leaf's fault never ends the loop."""
        run = self._runs[leaf.index]
        self._session.observer.leaf_changed(run.start())
        try:
            after = [self._task_runs[source] for source in leaf.after if source in self._task_runs]
            task_run = self._task_runs[leaf.index] = uuid4()
            await self._conclude(run, await self._tasks.run(leaf, task_run, after))
        except asyncio.CancelledError:
            await self._record_end(run, "cancelled", None)
        except Exception as error:  # noqa: BLE001  # the named boundary of a leaf
            _log.exception("leaf failed outside its own work", extra={"leaf": leaf.path})
            await self._record_end(run, "failed", error_info(error))
        finally:
            self._ended.put_nowait(leaf.index)

    async def _attempt(self, path: str) -> Any:
        """Make one attempt in its time, and give its ending the name that a person looks for in the UI."""
        if self._stop is not None and self._stop.state != "budget_exceeded":
            return Cancelled(message="the run was stopped before this attempt")
        leaf = self._by_path[path]
        limit_s = leaf.timeout_s or self._session.settings.run.timeout_s
        try:
            async with asyncio.timeout(limit_s) as limit:
                outcome = await self._runs[leaf.index].work()
        except TimeoutError:
            if not limit.expired():
                raise
            return Failed(name=_TIMED_OUT, message=f"it did not end within {limit_s:g} s")
        except asyncio.CancelledError:
            if self._stop is None:
                raise
            return Cancelled(message=self._stop.error.message if self._stop.error else "the run was cancelled")
        name = _SPECIAL_NAMES.get(outcome.state)
        return Completed(name=name) if name else None

    async def _conclude(self, run: LeafRun, state: State[Any]) -> None:
        if run.outcome.state in FINISHED:
            return
        if state.is_cancelled():
            await self._record_end(run, "cancelled", None)
            return
        error = run.outcome.error
        if state.name == _TIMED_OUT:
            hint = "give it more with `timeout_s`"
            error = ErrorInfo(code="GEN-TASK-TIMEOUT", message=state.message or "it ran out of time", hint=hint)
        await self._record_end(run, "failed", error or ErrorInfo(code="GEN-TASK", message=state.message or "it failed"))

    async def _record_end(self, run: LeafRun, state: Any, error: ErrorInfo | None) -> None:
        try:
            await run.end(state, error)
        except GenesisError as fault:
            self._abort(Ending("failed", error_info(fault)))

    async def _settle(self, index: int) -> None:
        """Tell the scheduler that a leaf is final."""
        outcome = self._runs.pop(index).outcome
        self._working.pop(index, None)
        self.outcomes[index] = outcome
        self._session.observer.leaf_changed(outcome)
        if outcome.state in FINISHED:
            self._scheduler.finish(index)
            self._spend(outcome)
        else:
            for skipped in self._scheduler.fail(index):
                self._drop(skipped, "skipped", f"{outcome.id!r} did not finish")

    def _spend(self, outcome: Outcome) -> None:
        budget = self._session.program.budget
        self._spent_usd += outcome.usd or Decimal(0)
        self._spent_tokens += outcome.tokens
        if budget is None or self._stop is not None or self._scheduler.done:
            return
        if budget.usd is not None and self._spent_usd > budget.usd:
            spent = f"${self._spent_usd:.2f} of ${budget.usd:.2f}"
        elif budget.tokens is not None and self._spent_tokens > budget.tokens:
            spent = f"{self._spent_tokens:,} of {budget.tokens:,} tokens"
        else:
            return
        message = f"the budget is spent: {spent}"
        self._abort(
            Ending("budget_exceeded", ErrorInfo(code="GEN-BUDGET", message=message, hint="raise the budget and resume"))
        )

    async def _watch(self) -> None:
        """Wait for a request to stop, or for the deadline."""
        deadline_s = self._session.program.deadline_s
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                await self._control.wait()
            self._abort(Ending("cancelled"))
        except TimeoutError:
            error = ErrorInfo(
                code="GEN-DEADLINE",
                message=f"the deadline of {deadline_s:g} s has passed after {time.monotonic() - started:.1f} s",
                hint="raise `deadline_s` and resume",
            )
            self._abort(Ending("failed", error))

    def _abort(self, ending: Ending) -> None:
        if self._stop is None:
            self._stop = ending
            self._ended.put_nowait(None)

    def _halt(self) -> None:
        """Start nothing more; end what runs, except when the budget is spent: what is paid for may finish."""
        for index in self._scheduler.cancel():
            self._drop(index, "cancelled", "the run stopped before it could start")
        if self._stop is not None and self._stop.state != "budget_exceeded":
            self._tasks.cancel()
            asyncio.get_running_loop().call_later(_GRACE_S, self._leave_behind)

    def _leave_behind(self) -> None:
        """Wait no longer for work that does not end: a blocking call in a thread, a pause before a repeat."""
        for leaf in self._working.values():
            leaf.cancel()

    def _drop(self, index: int, state: Any, why: str) -> None:
        leaf = self._leaves[index]
        error = ErrorInfo(code="GEN-SKIPPED", message=why) if state == "skipped" else None
        outcome = Outcome(id=leaf.path, agent=leaf.agent, state=state, error=error)
        self.outcomes[index] = outcome
        self._session.observer.leaf_changed(outcome)

    def _ending(self) -> Ending:
        failed = [outcome.id for outcome in self.outcomes.values() if outcome.state == "failed"]
        if not failed:
            return Ending("completed")
        names = ", ".join(map(repr, failed[:_NAMED]))
        if len(failed) > _NAMED:
            names += f" and {len(failed) - _NAMED} more"
        message = f"{len(failed)} task{'s' if len(failed) > 1 else ''} failed: {names}"
        return Ending("failed", ErrorInfo(code="GEN-RUN-FAILED", message=message, hint="mend the cause and resume"))
