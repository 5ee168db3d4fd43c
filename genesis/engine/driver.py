"""The loop that runs a program: it asks the scheduler what to start, and reports to it what ended."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

from genesis.agents.deadline import RUN_IS_OVER
from genesis.engine.attempts import error_info, fault_info
from genesis.engine.budget import Spending
from genesis.engine.copies import find_forgiven, gather_copies
from genesis.engine.ending import Ending, decide
from genesis.engine.failover import OPEN, Failover, FailoverDecision
from genesis.engine.leaf_backend import LeafBackend
from genesis.engine.limits import DELIVERY_POLL_S
from genesis.engine.mutexes import LOST, Mutexes
from genesis.engine.observers.telemetry import task_ended, task_span
from genesis.engine.replanner import Replanner, ReplanOutcome
from genesis.engine.run_context import RunContext
from genesis.engine.start_rules import StartRules, Verdict
from genesis.engine.waits import Waits
from genesis.errors import GenesisError
from genesis.ledger.control import Control
from genesis.ledger.ledger import with_allowance
from genesis.model import FINISHED, ErrorInfo, Leaf, Outcome
from genesis.observability.instruments import REPLANS, TASKS_READY
from genesis.observability.metrics import metrics_of_process
from genesis.resilience.breakers import reset_command
from genesis.schedule import (
    JobState,
    ScheduleJob,
    Scheduler,
    add_rules,
    find_needs,
    rank_work,
    schedule_job,
    schedule_limits,
)

__all__ = ["Driver"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _LeafEvent:
    """A leaf has ended, or it is known whether it changes the plan."""

    leaf: Leaf
    outcome: Outcome
    answer: ReplanOutcome | None = None


class Driver:
    """Runs the leaves of one session inside the current Prefect flow run.

    Args:
        session: What to run and with what.
        control: Asks it to stop.
        backend: Where the leaves run; it has been entered.
        outcomes: Outcomes of an earlier execution that are kept, by leaf index. It is added to.
    """

    def __init__(self, session: RunContext, control: Control, backend: LeafBackend, outcomes: dict[int, Outcome]):
        self.outcomes = outcomes
        self._session = session
        self._control = control
        self._backend = backend
        self._leaves = session.program.leaves
        self._now: dict[int, Leaf] = {}
        """Leaves that another agent has now."""
        self._events: asyncio.Queue[_LeafEvent | Verdict | None] = asyncio.Queue()
        self._past: dict[int, Outcome] = {}
        """What became of leaves that were put back."""
        self._traced: dict[int, str] = {}
        """Where leaves are in the trace, so that one that is done again points to the time before."""
        self._shown_ready = 0
        """Leaves that the metrics have as ready."""
        self._stop: Ending | None = None
        self._halted = False
        self._blocked: set[str] = set()
        self._waiting: set[int] = set()
        """Leaves that are ready, and wait for an agent whose circuit breaker is open."""
        self._resting: dict[int, asyncio.TimerHandle] = {}
        """Leaves that wait, without a slot, for the time at which they may be tried again."""
        self._working: set[asyncio.Task[None]] = set()
        self._uncancelled: set[asyncio.Task[None]] = set()
        """Work that a stop of the run does not end: leaves that always run, and conditions."""
        self._not_met: list[Leaf] = []
        """Leaves that their conditions or rules left out, and that are to be written down."""
        self._considering: set[asyncio.Task[None]] = set()
        """What a stop of the run ends at once, since it is no work: replanning, and waits."""
        tried = (
            Outcome(id=self._leaves[index].path, agent=self._leaves[index].agent, history=history)
            for index, history in session.tried.items()
        )
        self._spending = Spending(session.program.budget, (*tried, *outcomes.values()))
        self._replanner = Replanner(session)
        self._undecided = {index: outcomes.pop(index) for index in self._replanner.find_undecided(outcomes)}
        self._rules = StartRules(session, outcomes)
        self._mutexes = Mutexes(session, self._lose_mutex)
        self._holders: dict[int, asyncio.Task[None] | None] = {}
        """The tasks of leaves that run with a mutex."""
        self._lost: set[int] = set()
        """Leaves that are ended since another task has their mutex."""
        self._waits = Waits(session)
        self._scheduler = self._schedule()
        self._restore()
        self._failover = Failover(session, self._look_again)
        control.when_suspended(self._suspend)

    async def run(self) -> Ending:
        """Run until every leaf is final, and say how it ended."""
        await self._failover.look()
        self._check_budget()
        looks = (self._watch(), self._failover.watch(), self._watch_deliveries(), self._mutexes.watch())
        watches = [asyncio.create_task(look) for look in looks]
        for watch in watches:
            watch.add_done_callback(self._check_watch)
        try:
            async with self._mutexes, asyncio.TaskGroup() as group:
                for index, outcome in self._undecided.items():
                    self._consider(self._leaves[index], outcome, group)
                while not await self._is_over(group):
                    for leaf in self._start():
                        self._begin(leaf, group)
                    self._count_ready()
                    event = await self._events.get()
                    if isinstance(event, Verdict):
                        self._handle_verdict(event)
                    elif event is not None:
                        self._handle_end(event, group)
                    elif self._stop is not None and not self._halted:
                        self._halt()
        finally:
            for watch in watches:
                watch.cancel()
            for timer in self._resting.values():
                timer.cancel()
            metrics_of_process().add(TASKS_READY, amount=-self._shown_ready)
        return self._ending()

    def _ending(self) -> Ending:
        leaves = self._session.program.leaves
        forgiven = find_forgiven(self._session.program_state, self.outcomes)
        known = (
            self.outcomes.get(leaf.index) or Outcome(id=leaf.path, agent=leaf.agent)
            for leaf in leaves
            if leaf.index not in forgiven
        )
        return decide(known, self._stop, run_id=self._session.run_id)

    async def _is_over(self, group: asyncio.TaskGroup) -> bool:
        """Whether nothing runs or can run any more, with all that people have delivered so far."""
        await self._follow_rules(group)
        while self._scheduler.done:
            if not await self._look_for_deliveries():
                return True
            await self._follow_rules(group)
        return False

    def _restore(self) -> None:
        """Let the scheduler know what an earlier execution has done."""
        by_state: dict[str, list[int]] = {}
        for index, outcome in self.outcomes.items():
            by_state.setdefault("not met" if outcome.skipped_by else outcome.state, []).append(index)
        finished = [index for state in FINISHED for index in by_state.get(state, ())]
        failed, not_met = by_state.get("failed", ()), by_state.get("not met", ())
        # What is skipped follows from what failed. What ran, and may still change the plan, has met its condition.
        self._scheduler.restore(finished, failed=failed, not_met=not_met, met=self._undecided)
        for index in by_state.get("briefed", ()):
            self._scheduler.suspend(index)

    async def _follow_rules(self, group: asyncio.TaskGroup) -> None:
        """Have the conditions evaluated that can be, begin waits, and write down what the rules have left out."""
        for source in self._rules.take_undecided():
            self._work(self._evaluate(source), group, self._uncancelled)
        for index in self._scheduler.take_waits() if self._stop is None or self._halted else ():
            leaf = self._leaves[index]
            self._work(self._run_leaf(leaf), group, self._uncancelled if leaf.always else self._considering)
        self._take_left_out("what it comes after did not finish")
        leaves, self._not_met = self._not_met, []
        try:
            recorded = await self._rules.record([(leaf, self.outcomes[leaf.index]) for leaf in leaves])
        except GenesisError as fault:
            self._abort(Ending("failed", error_info(fault)))
            return
        for outcome in recorded:
            self._session.observer.leaf_changed(outcome)

    async def _evaluate(self, source: int) -> None:
        verdict = Verdict(source, holds=False)
        try:
            verdict = await self._rules.evaluate(source)
        except GenesisError as fault:
            self._abort(Ending("failed", error_info(fault)))
        finally:
            self._events.put_nowait(verdict)

    def _handle_verdict(self, verdict: Verdict) -> None:
        """Let what has a condition run, or not; a leaf whose condition has no value has failed."""
        if not self._rules.is_asked(verdict.source):  # the run was stopped meanwhile
            return
        if verdict.failed is not None:
            self._conclude(self._leaf(verdict.source), verdict.failed)
        else:
            self._rules.decide(verdict)

    def _take_left_out(self, why: str) -> None:
        """Note the leaves that have ended without running: since something failed, or by their conditions and rules."""
        for leaf, outcome in self._rules.take_left_out(why):
            found = with_allowance(leaf, self._replanner.find_lost(leaf, why) or outcome)
            self.outcomes[leaf.index] = found
            if found.is_settled:
                self._not_met.append(leaf)
            else:
                self._session.observer.leaf_changed(found)

    def _count_ready(self) -> None:
        """Keep the gauge of leaves that wait for a slot; several runs of a process share it."""
        ready = self._scheduler.ready_count
        if ready != self._shown_ready:
            metrics_of_process().add(TASKS_READY, amount=ready - self._shown_ready)
            self._shown_ready = ready

    def _schedule(self) -> Scheduler:
        joins, program = self._replanner.joins, self._session.program
        self._scheduled = program
        work = [self._job(leaf) for leaf in self._leaves]
        limits = schedule_limits(program, self._session.slots, self._session.machine)
        jobs = add_rules(program, work, {index: amendment.group.id for index, amendment in joins.items()})
        scheduler = Scheduler(jobs, limits, rank_work(work, jobs, limits))
        self._rules.follow(scheduler, self._leaves)
        return scheduler

    def _job(self, leaf: Leaf) -> ScheduleJob:
        job = schedule_job(self._leaf(leaf.index))
        if not leaf.agent:
            return job
        if leaf.index in self._replanner.joins:
            return replace(job, duration_s=0.0, agent=None, needs=())
        return replace(job, early=self._session.is_brief(leaf))

    def _begin(self, leaf: Leaf, group: asyncio.TaskGroup) -> None:
        """Run a leaf; one that waits for its mutex, or whose list is known now and gets its copies, has no slot."""
        if self._mutexes.is_needed(leaf) and leaf.index not in self._replanner.joins:
            self._scheduler.hold(leaf.index)
            self._work(self._wait_for_mutex(leaf), group, self._uncancelled if leaf.always else self._considering)
            self._events.put_nowait(None)  # another leaf may have its slot
            return
        if leaf.for_each is None:
            self._work(self._run_leaf(leaf), group, self._uncancelled if leaf.always else self._working)
            return
        self._scheduler.hold(leaf.index)
        self._work(self._make_copies(leaf), group, self._uncancelled if leaf.always else self._considering)

    @staticmethod
    def _work(work: Coroutine[Any, Any, None], group: asyncio.TaskGroup, running: set[asyncio.Task[None]]) -> None:
        task = group.create_task(work)
        running.add(task)
        task.add_done_callback(running.discard)

    async def _wait_for_mutex(self, leaf: Leaf) -> None:
        """Let a leaf run once it has its mutex, or fail where that cannot be had."""
        try:
            await self._mutexes.acquire(leaf)
        except GenesisError as fault:
            self._conclude(leaf, Outcome(id=leaf.path, agent=leaf.agent, state="failed", error=error_info(fault)))
        if self._scheduler.state(leaf.index) is JobState.HELD:
            self._scheduler.release(leaf.index)
        self._events.put_nowait(None)

    def _lose_mutex(self, index: int) -> None:
        """End a leaf that runs although another task has its mutex."""
        holder = self._holders.get(index)
        if holder is not None:
            self._lost.add(index)
            holder.cancel()

    def _conclude_lost(self, leaf: Leaf, outcome: Outcome) -> Outcome:
        """Return the outcome of a leaf that was ended since it had lost its mutex."""
        self._lost.discard(leaf.index)
        if outcome.state in FINISHED:
            return outcome
        error = ErrorInfo(
            code=LOST,
            message=f"the mutex {leaf.mutex!r} could not be renewed in time, and another task has it now",
            hint=f"the Prefect server or this process stood still for a minute; then: genesis resume "
            f"{self._session.run_id}",
        )
        return outcome.model_copy(update={"state": "failed", "error": error})

    async def _run_leaf(self, leaf: Leaf) -> None:
        """Run one leaf, gather its result, or wait; a ledger that cannot be written ends the run."""
        outcome = Outcome(id=leaf.path, agent=leaf.agent, state="failed")
        if leaf.mutex is not None:
            self._holders[leaf.index] = asyncio.current_task()
        try:
            with task_span(leaf, again=self._traced.get(leaf.index)) as made:
                if made.traceparent is not None:
                    self._traced[leaf.index] = made.traceparent
                if leaf.gathers is not None:
                    outcome = await gather_copies(self._session, leaf, self.outcomes)
                elif leaf.wait_for is not None:
                    outcome = await self._waits.wait(leaf, self.outcomes)
                elif leaf.index in self._replanner.joins:
                    outcome = await self._replanner.gather_result(leaf, self.outcomes)
                else:
                    outcome = await self._backend.run(leaf)
                task_ended(made, outcome)
        except asyncio.CancelledError:
            outcome = outcome.model_copy(update={"state": "cancelled"})
        except GenesisError as fault:
            outcome = outcome.model_copy(update={"error": error_info(fault)})
            self._abort(Ending("failed", error_info(fault)))
        finally:
            self._holders.pop(leaf.index, None)
            self._mutexes.release(leaf.index)
            if leaf.index in self._lost:
                outcome = self._conclude_lost(leaf, outcome)
            self._events.put_nowait(_LeafEvent(leaf, outcome))

    def _handle_end(self, event: _LeafEvent, group: asyncio.TaskGroup) -> None:
        """Decide what becomes of a leaf that has ended: another agent, another plan, or nothing more."""
        leaf, outcome = event.leaf, event.outcome
        if self._stop is None and self._session.left_s <= 0:  # the leaf's own clock was first
            self._abort(self._too_late())
            self._halt()
        if event.answer is not None and event.answer.changed:
            self._grow(leaf)
            return
        if event.answer is not None:
            metrics_of_process().count(REPLANS, "unchanged")
            outcome = self._replanner.note_unchanged(outcome, event.answer)
        elif self._stop is None and leaf.index not in self._replanner.joins and leaf.agent:
            if outcome.state == "cancelled" and _is_over(outcome):
                self._handle_deadline(leaf, outcome)
                return
            if outcome.state == "failed" and (turn := self._failover.after(leaf, outcome)).kind != "end":
                self._past[leaf.index] = outcome
                self._put_back(turn)
                return
            if self._replanner.considers(leaf, outcome):
                self._consider(leaf, outcome, group)
                return
        if outcome.state == "failed" and self._stop is None and self._replanner.may_be_written_down(leaf):
            self._work(self._write_work_order(leaf, outcome), group, self._working)
            return
        self._conclude(leaf, outcome)

    def _handle_deadline(self, leaf: Leaf, outcome: Outcome) -> None:
        """Decide what becomes of a leaf whose worker says that the run is over, while it is not by the run's own clock.

        Its worker has the deadline of an earlier execution: it is done again, with the time that is left now.
        """
        if _is_over(self._past.get(leaf.index)):
            self._abort(self._too_late())
            self._conclude(leaf, outcome)
            return
        self._past[leaf.index] = outcome
        self._put_back(FailoverDecision("later", leaf))

    async def _write_work_order(self, leaf: Leaf, failed: Outcome) -> None:
        """Leave a leaf that no agent could do to a person."""
        outcome = failed
        try:
            outcome = await self._replanner.write_work_order(leaf, failed, self.outcomes)
        except GenesisError as fault:
            more = {"task": leaf.path, "code": fault.code}
            _log.warning("no work order could be written for %r: %s", leaf.path, fault, extra=more)
        finally:
            self._events.put_nowait(_LeafEvent(leaf, outcome))

    def _conclude(self, leaf: Leaf, outcome: Outcome) -> None:
        """Tell the scheduler that a leaf is final."""
        index, outcome = leaf.index, with_allowance(leaf, outcome)
        self._mutexes.release(index)
        self.outcomes[index] = outcome
        self._session.observer.leaf_changed(outcome)
        if self._scheduler.state(index) is JobState.CANCELLED:  # the run was stopped while its plan was considered
            return
        if outcome.state in FINISHED:
            self._scheduler.finish(index)
            self._spend(outcome)
        elif outcome.state == "briefed":
            self._scheduler.suspend(index)
        else:
            self._scheduler.fail(index)
            self._take_left_out(f"{outcome.id!r} did not finish")
        if (full := self._session.ledger.full) is not None and not self._scheduler.done:
            self._abort(Ending("failed", error_info(full), lets_end=True))

    def _consider(self, leaf: Leaf, outcome: Outcome, group: asyncio.TaskGroup) -> None:
        """Let a leaf wait, without its slot, until it is known whether it changes the plan."""
        if self._scheduler.state(leaf.index) is not JobState.HELD:
            self._scheduler.hold(leaf.index)
        self._work(self._consider_replan(leaf, outcome), group, self._considering)

    async def _consider_replan(self, leaf: Leaf, outcome: Outcome) -> None:
        answer = ReplanOutcome(changed=False)
        try:
            answer = await self._replanner.consider(leaf, outcome, self._failover.find_tried(leaf))
        except GenesisError as fault:
            self._abort(Ending("failed", error_info(fault)))
        finally:
            self._events.put_nowait(_LeafEvent(leaf, outcome, answer))

    async def _make_copies(self, leaf: Leaf) -> None:
        """Create the copies of a `for_each` task, or end it where it cannot have them."""
        outcome, changed = Outcome(id=leaf.path, agent=leaf.agent, state="failed"), False
        try:
            failed = await self._replanner.make_copies(leaf, self.outcomes)
            outcome, changed = failed or outcome, failed is None
        except asyncio.CancelledError:
            outcome = outcome.model_copy(update={"state": "cancelled"})
        except GenesisError as fault:
            outcome = outcome.model_copy(update={"error": error_info(fault)})
            self._abort(Ending("failed", error_info(fault)))
        finally:
            self._events.put_nowait(_LeafEvent(leaf, outcome, ReplanOutcome(changed=True) if changed else None))

    def _grow(self, leaf: Leaf) -> None:
        """Continue with the plan as it is now: the leaf waits for what was added."""
        program = self._session.program
        new = program.leaves[len(self._leaves) :]
        self._leaves = program.leaves
        self._now.pop(leaf.index, None)
        if self._scheduler.state(leaf.index) is JobState.CANCELLED:  # the run was stopped meanwhile
            for each in new:
                self._cancel_unstarted(each.index)
            return
        if self._scheduled is program:  # another leaf's change came into force together with this one's
            self._scheduler.release(leaf.index)
            return
        scheduler = self._schedule()
        scheduler.take_over(self._scheduler)
        scheduler.release(leaf.index)
        self._scheduler = scheduler
        if self._halted:  # the copies of a task that always runs
            for index in scheduler.cancel():
                if index not in self.outcomes:
                    self._cancel_unstarted(index)
        self._failover.agents |= {each.agent for each in new if each.agent}
        self._session.observer.plan_changed(program)

    def _leaf(self, index: int) -> Leaf:
        return self._now.get(index) or self._leaves[index]

    def _start(self) -> list[Leaf]:
        """Take what starts now. An agent that is on trial gets one leaf, and what was taken beyond that goes back."""
        if self._halted:
            return [self._leaf(index) for index in self._scheduler.take()]
        if self._stop is not None or self._control.suspended:
            return []
        self._steer()
        taken = [self._leaf(index) for index in self._scheduler.take()]
        joins = self._replanner.joins
        started = [
            leaf for leaf in taken if leaf.index in joins or not leaf.agent or self._failover.may_start(leaf.agent)
        ]
        going = {leaf.index for leaf in started}
        self._waiting -= going
        for leaf in taken:
            if leaf.index not in going:
                self._scheduler.hold(leaf.index)
                self._scheduler.release(leaf.index)
        return started

    def _steer(self) -> None:
        """Start nothing with agents whose circuit breakers are open: their leaves go to others, or wait."""
        shut = self._failover.open_agents()
        for agent in self._blocked - shut:
            self._scheduler.unblock(agent)
        self._blocked &= shut
        for agent in shut:
            waiting = [self._leaf(index) for index in self._scheduler.ready(agent)]
            for leaf in waiting:
                turn = self._failover.around(leaf)
                if turn is not None:
                    self._put_back(turn)
            left = [leaf for leaf in waiting if leaf.index not in self._now or self._now[leaf.index].agent == agent]
            for leaf in left:
                if leaf.index not in self._waiting:
                    self._waiting.add(leaf.index)
                    self._report_diversion(FailoverDecision("later", leaf))
            for leaf in self._failover.find_timed_out(left):
                self._scheduler.hold(leaf.index)
                self._give_up(leaf)
            if agent not in self._blocked:
                self._scheduler.block(agent)
                self._blocked.add(agent)

    def _put_back(self, turn: FailoverDecision) -> None:
        """Let a leaf wait for its turn again, perhaps with another agent; a running one gives its slot back."""
        index = turn.leaf.index
        self._mutexes.release(index)
        self._scheduler.hold(index)
        self._report_diversion(turn)
        if turn.after_s > 0:
            timer = asyncio.get_running_loop().call_later(turn.after_s, self._wake, index)
            self._resting[index] = timer
            return
        if turn.kind == "other":
            self._now[index] = turn.leaf
            more = {"event": "task.moved", "task": turn.leaf.path, "agent": turn.leaf.agent}
            _log.warning("task %r: %s", turn.leaf.path, turn.leaf.note, extra=more)
            at_once = self._session.program.profile(turn.leaf.agent).max_concurrency
            self._scheduler.reassign(index, turn.leaf.agent, at_once, find_needs(turn.leaf))
        self._scheduler.release(index)

    def _report_diversion(self, turn: FailoverDecision) -> None:
        observer = self._session.observer
        if turn.kind == "other":
            observer.leaf_diverted(turn.leaf, "other", turn.leaf.note)
            return
        past = self._past.get(turn.leaf.index)
        error = past.error if past is not None else None
        observer.leaf_diverted(turn.leaf, "later", error.message if error else f"{turn.leaf.agent} cannot be asked now")

    def _wake(self, index: int) -> None:
        """Let a leaf that rested wait for its turn again."""
        del self._resting[index]
        self._scheduler.release(index)
        self._events.put_nowait(None)

    def _give_up(self, leaf: Leaf) -> None:
        """End a leaf that has waited for its agent for as long as it may."""
        error = ErrorInfo(
            code=OPEN,
            message=f"{leaf.agent} has failed too often, and was waited for in vain",
            hint=f"fix what {leaf.agent} needs, then: {reset_command(leaf.agent)}, and resume; "
            "GENESIS_RESILIENCE__WAIT_S is how long a task waits",
        )
        past = self._past.get(leaf.index) or Outcome(id=leaf.path, agent=leaf.agent)
        ended = {
            "agent": leaf.agent,
            "state": "failed",
            "error": error,
            "note": leaf.note,
            "ended_at": self._session.now(),
        }
        self._events.put_nowait(_LeafEvent(leaf, past.model_copy(update=ended)))

    def _look_again(self) -> None:
        """Wake the loop: an agent can be used again, or no more."""
        if self._stop is None:
            self._events.put_nowait(None)

    def _suspend(self) -> None:
        """Start nothing for now, or continue."""
        self._backend.suspend(self._control.suspended)
        self._mutexes.suspend(self._control.suspended, running=self._holders)
        self._look_again()

    def _spend(self, outcome: Outcome) -> None:
        self._spending.add(outcome)
        self._check_budget()

    def _check_budget(self) -> None:
        """Start nothing more once the budget is spent, by this execution or by earlier ones."""
        spent = self._spending.over()
        if spent is None or self._stop is not None or self._scheduler.done:
            return
        hint = f"genesis resume {self._session.run_id} --budget {self._spending.more()}"
        error = ErrorInfo(code="GEN-BUDGET", message=f"the budget is spent: {spent}", hint=hint)
        self._abort(Ending("budget_exceeded", error, lets_end=True))

    async def _watch(self) -> None:
        """Wait for a request to stop, or for the deadline."""
        left_s = self._session.left_s
        try:
            async with asyncio.timeout(None if left_s == math.inf else max(0.0, left_s)):
                await self._control.wait()
            self._abort(Ending("cancelled"))
        except TimeoutError:
            self._abort(self._too_late())

    def _too_late(self) -> Ending:
        deadline_s = self._session.program.deadline_s or 0
        message = f"the deadline of {deadline_s:g} s has passed"
        hint = f"genesis resume {self._session.run_id} --deadline {2 * deadline_s:g}"
        return Ending("failed", ErrorInfo(code=RUN_IS_OVER, message=message, hint=hint))

    async def _watch_deliveries(self) -> None:
        """Continue with leaves that wait for a person, as their results come in."""
        while True:
            await asyncio.sleep(DELIVERY_POLL_S)
            if self._scheduler.suspended and not self._halted and await self._look_for_deliveries():
                self._events.put_nowait(None)

    async def _look_for_deliveries(self) -> bool:
        """Take up what people have delivered since the last look, and say whether there was any."""
        waiting = [leaf for leaf in self._leaves if self._scheduler.state(leaf.index) is JobState.SUSPENDED]
        if not waiting or self._halted:
            return False
        try:
            delivered = await self._session.ledger.deliveries(waiting)
        except GenesisError as error:
            _log.warning("the ledger does not say what was delivered", extra={"reason": error.message})
            return False
        found = [leaf for leaf in waiting if leaf.index in delivered]
        for leaf in found:
            if self._scheduler.state(leaf.index) is JobState.SUSPENDED:
                self._conclude(leaf, delivered[leaf.index])
        return bool(found)

    def _check_watch(self, watch: asyncio.Task[None]) -> None:
        """End the run when a watching task fails: without it, leaves could wait forever."""
        error = None if watch.cancelled() else watch.exception()
        if error is not None:
            self._abort(Ending("failed", fault_info(error, self._session.run_id)))

    def _abort(self, ending: Ending) -> None:
        if self._stop is None:
            self._stop = ending
            self._events.put_nowait(None)

    def _halt(self) -> None:
        """Start nothing more but what always runs; end what runs, unless it may finish."""
        self._halted = True
        for thought in self._considering:
            thought.cancel()
        for index in self._scheduler.cancel():
            self._cancel_unstarted(index)
        for index, timer in tuple(self._resting.items()):
            timer.cancel()
            if self._scheduler.state(index) is JobState.HELD:
                self._wake(index)
        for agent in self._blocked:
            self._scheduler.unblock(agent)
        self._blocked.clear()
        if self._stop is not None and not self._stop.lets_end:
            self._backend.cancel(self._stop.error.message if self._stop.error else "the run was cancelled")
            asyncio.get_running_loop().call_later(self._backend.grace_s, self._leave_behind)

    def _leave_behind(self) -> None:
        """Wait no longer for work that does not end: a blocking call in a thread, a pause before a repeat."""
        for leaf in self._working:
            leaf.cancel()

    def _cancel_unstarted(self, index: int) -> None:
        leaf = self._leaves[index]
        self.outcomes[index] = Outcome(id=leaf.path, agent=leaf.agent, state="cancelled")
        self._session.observer.leaf_changed(self.outcomes[index])


def _is_over(outcome: Outcome | None) -> bool:
    """Whether a leaf was ended because the run's deadline had passed."""
    return outcome is not None and outcome.error is not None and outcome.error.code == RUN_IS_OVER
