"""The loop that runs a program: it asks the scheduler what to start, and tells it what ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from genesis.errors import GenesisError
from genesis.execute.attempt import error_info, fault_info
from genesis.execute.control import Control
from genesis.execute.detours import OPEN, Detours, Turn
from genesis.execute.place import Place
from genesis.execute.session import Session
from genesis.model import FINISHED, ErrorInfo, Leaf, Outcome, RunState
from genesis.schedule import Job, Limits, Scheduler, rank

__all__ = ["Driver", "Ending"]

_log = logging.getLogger(__name__)
_NAMED = 3


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
        place: Where the leaves run; it has been entered.
        outcomes: Outcomes of an earlier execution that are kept, by leaf index. It is added to.
    """

    def __init__(self, session: Session, control: Control, place: Place, outcomes: dict[int, Outcome]):
        self.outcomes = outcomes
        self._session = session
        self._control = control
        self._place = place
        self._leaves = session.program.leaves
        self._now: dict[int, Leaf] = {}
        """Leaves that another agent has now."""
        self._ended: asyncio.Queue[tuple[Leaf, Outcome] | None] = asyncio.Queue()
        self._stop: Ending | None = None
        self._halted = False
        self._blocked: set[str] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._spent_usd = sum((outcome.usd or Decimal(0) for outcome in outcomes.values()), Decimal(0))
        self._spent_tokens = sum(outcome.tokens for outcome in outcomes.values())
        self._scheduler = self._schedule(outcomes)
        self._detours = Detours(session, self._look_again)

    async def run(self) -> Ending:
        """Run until every leaf is final, and say how it ended."""
        await self._detours.look()
        watches = [asyncio.create_task(self._watch()), asyncio.create_task(self._detours.watch())]
        for watch in watches:
            watch.add_done_callback(self._watched)
        try:
            async with asyncio.TaskGroup() as group:
                while not self._scheduler.done:
                    if self._stop is None:
                        self._steer()
                        for leaf in self._start():
                            work = group.create_task(self._run_leaf(leaf))
                            self._working.add(work)
                            work.add_done_callback(self._working.discard)
                    ended = await self._ended.get()
                    if ended is not None:
                        self._settle(*ended)
                    elif self._stop is not None and not self._halted:
                        self._halt()
        finally:
            for watch in watches:
                watch.cancel()
        return self._stop or self._ending()

    def _schedule(self, finished: Mapping[int, Outcome]) -> Scheduler:
        jobs = [Job(leaf.seconds, leaf.after, leaf.agent) for leaf in self._leaves]
        per_agent = {name: agent.max_concurrency for name, agent in self._session.program.agents.items()}
        limits = Limits(self._session.slots, per_agent)
        scheduler = Scheduler(jobs, limits, rank(jobs, limits))
        scheduler.restore(finished)
        return scheduler

    async def _run_leaf(self, leaf: Leaf) -> None:
        """Run one leaf; a ledger that cannot be written ends the run."""
        outcome = Outcome(id=leaf.path, agent=leaf.agent, state="failed")
        try:
            outcome = await self._place.run(leaf)
        except asyncio.CancelledError:
            outcome = outcome.model_copy(update={"state": "cancelled"})
        except GenesisError as fault:
            outcome = outcome.model_copy(update={"error": error_info(fault)})
            self._abort(Ending("failed", error_info(fault)))
        finally:
            self._ended.put_nowait((leaf, outcome))

    def _settle(self, leaf: Leaf, outcome: Outcome) -> None:
        """Tell the scheduler that a leaf is final."""
        index = leaf.index
        if outcome.state == "failed" and self._stop is None:
            turn = self._detours.after(leaf, outcome)
            if turn.kind != "end":
                self._put_back(turn)
                return
        self.outcomes[index] = outcome
        self._session.observer.leaf_changed(outcome)
        if outcome.state in FINISHED:
            self._scheduler.finish(index)
            self._spend(outcome)
        else:
            for skipped in self._scheduler.fail(index):
                self._drop(skipped, "skipped", f"{outcome.id!r} did not finish")

    def _leaf(self, index: int) -> Leaf:
        return self._now.get(index) or self._leaves[index]

    def _start(self) -> list[Leaf]:
        """Take what starts now. An agent that is on trial gets one leaf, and what was taken beyond that goes back."""
        taken = [self._leaf(index) for index in self._scheduler.take()]
        started = [leaf for leaf in taken if self._detours.may_start(leaf.agent)]
        going = {leaf.index for leaf in started}
        for leaf in taken:
            if leaf.index not in going:
                self._scheduler.hold(leaf.index)
                self._scheduler.release(leaf.index)
        return started

    def _steer(self) -> None:
        """Start nothing with agents whose circuit breakers are open: their leaves go to others, or wait."""
        shut = self._detours.open_agents()
        for agent in self._blocked - shut:
            self._scheduler.unblock(agent)
        self._blocked &= shut
        for agent in shut:
            waiting = [self._leaf(index) for index in self._scheduler.ready(agent)]
            for leaf in waiting:
                turn = self._detours.around(leaf)
                if turn is not None:
                    self._put_back(turn)
            left = [leaf for leaf in waiting if leaf.index not in self._now or self._now[leaf.index].agent == agent]
            for leaf in self._detours.given_up(left):
                self._scheduler.hold(leaf.index)
                self._give_up(leaf)
            if agent not in self._blocked:
                self._scheduler.block(agent)
                self._blocked.add(agent)

    def _put_back(self, turn: Turn) -> None:
        """Let a leaf wait for its turn again, perhaps with another agent; a running one gives its slot back."""
        index = turn.leaf.index
        self._scheduler.hold(index)
        if turn.kind == "other":
            self._now[index] = turn.leaf
            _log.warning("task %r: %s", turn.leaf.path, turn.leaf.note)
            at_once = self._session.program.profile(turn.leaf.agent).max_concurrency
            self._scheduler.reassign(index, turn.leaf.agent, at_once)
        self._scheduler.release(index)

    def _give_up(self, leaf: Leaf) -> None:
        """End a leaf that has waited for its agent for as long as it may."""
        error = ErrorInfo(
            code=OPEN,
            message=f"{leaf.agent} has failed too often, and was waited for in vain",
            hint=f"mend what {leaf.agent} needs, and resume; GENESIS_RESILIENCE__WAIT_S is how long a task waits",
        )
        self._ended.put_nowait((leaf, Outcome(id=leaf.path, agent=leaf.agent, state="failed", error=error)))

    def _look_again(self) -> None:
        """Wake the loop: an agent can be used again, or no more."""
        if self._stop is None:
            self._ended.put_nowait(None)

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

    def _watched(self, watch: asyncio.Task[None]) -> None:
        """End the run when what watches it fails by itself: without it, leaves could wait for ever."""
        error = None if watch.cancelled() else watch.exception()
        if error is not None:
            self._abort(Ending("failed", fault_info(error, self._session.run_id)))

    def _abort(self, ending: Ending) -> None:
        if self._stop is None:
            self._stop = ending
            self._ended.put_nowait(None)

    def _halt(self) -> None:
        """Start nothing more; end what runs, except when the budget is spent: what is paid for may finish."""
        self._halted = True
        for index in self._scheduler.cancel():
            self._drop(index, "cancelled", "the run stopped before it could start")
        if self._stop is not None and self._stop.state != "budget_exceeded":
            self._place.cancel(self._stop.error.message if self._stop.error else "the run was cancelled")
            asyncio.get_running_loop().call_later(self._place.grace_s, self._leave_behind)

    def _leave_behind(self) -> None:
        """Wait no longer for work that does not end: a blocking call in a thread, a pause before a repeat."""
        for leaf in self._working:
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
