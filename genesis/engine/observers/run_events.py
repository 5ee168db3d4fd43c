"""What matters in a run is emitted as Prefect events, which automations can act on.

Few, however large the run: two for one in which all goes well. They come from the loop that runs the leaves, or
from the thread in which a part failed, and are emitted by `event_emitter`, inside the flow run that orchestrates.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, get_args

from genesis.agents.deadline import RUN_IS_OVER
from genesis.engine.observers.event_emitter import SETTLE_S, EventEmitter, get_process_emitter
from genesis.engine.observers.event_shapes import (
    MOST_EMITTED,
    about_run,
    describe_end,
    describe_failure,
    describe_housekeeping,
    describe_refusal,
    describe_rejection,
    describe_replan,
    describe_start,
)
from genesis.engine.run_context import RunContext
from genesis.errors import GenesisError
from genesis.model import KEPT, Leaf, Outcome, PlannerLevel, Program, Run
from genesis.resilience.degradation import Degradation, listening
from genesis.retention import Purge

__all__ = ["RunEvents", "degradations", "emit_housekeeping", "emit_refusal", "emit_run_events"]

_OF_A_PLAN = frozenset({"planning", "routing", "validation"})
_NOTHING = "no plan"
"""What is used when the last planner level fails: where a task is not planned again, the plan stays as it was."""


def degradations(program: Program) -> list[Degradation]:
    """Read from a plan what degraded before it came here: planner levels that were skipped, and routing.

    A plan is made in another process than the one that runs it, or long before, so it has to say so itself. Of routing
    it keeps only that a part failed.
    """
    plan, levels = program.source.plan, get_args(PlannerLevel)
    better = levels[: levels.index(plan.planner)] if plan.planner != "file" else ()
    passed = [level for level in better if re.search(rf"(?:^|\. ){level}: ", plan.planner_note)]
    steps = [Degradation("planning", from_, to) for from_, to in zip(passed, [*passed[1:], plan.planner], strict=False)]
    if any(route.degraded for route in program.source.routes.values()):
        steps.append(Degradation("routing", "all layers", "fewer layers"))
    return steps


class RunEvents:
    """Observes one execution of a run, and emits what matters. Degradations may be reported from any thread.

    Args:
        session: The execution.
        again: Whether an earlier one had begun.
        pools: Whether the leaves run on the work pools of their agents.
        emitter: Emits the events.
    """

    def __init__(self, session: RunContext, *, again: bool, pools: bool, emitter: EventEmitter):
        self._session = session
        self._again = again
        self._pools = pools
        self._emitter = emitter
        self._amended = len(session.program_state.amendments)
        self._failed = 0
        self._replanned = 0
        self._steps: set[tuple[str, str, str]] = set()
        self._plan_told = again

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Report that the run starts, or continues."""
        payload = {
            "planner": run.planner,
            "tasks": len(program.leaves),
            "kept": sum(outcome.state in KEPT for outcome in finished.values()),
            "deployed": self._session.deployed,
        }
        self._emit(describe_start(run, payload, again=self._again))
        self._emit_planning_steps()

    def leaf_changed(self, outcome: Outcome) -> None:
        """Report of a task that failed permanently, unless too many did."""
        if outcome.state != "failed":
            return
        self._failed += 1
        if self._failed > MOST_EMITTED:
            return
        ids = self._session.run_id, self._session.correlation_id
        pool = self._find_pool(outcome) if self._pools and outcome.agent else None
        self._emitter.emit(lambda pool_id: describe_failure(*ids, outcome, pool, pool_id), pool=pool)

    def _find_pool(self, outcome: Outcome) -> str:
        """Find the work pool of a leaf, with the agent that had it last."""
        program = self._session.program
        leaf = next(leaf for leaf in program.leaves if leaf.path == outcome.id)
        return program.pool(leaf.model_copy(update={"agent": outcome.agent}))

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Emit nothing: the breaker has emitted its own event."""

    def plan_changed(self, program: Program) -> None:
        """Report of tasks that are planned again."""
        amendments = self._session.program_state.amendments
        new, self._amended = amendments[self._amended :], len(amendments)
        for amendment in new:
            if amendment.kind != "replan" or self._replanned >= MOST_EMITTED:
                continue
            self._replanned += 1
            tasks = sum(leaf.path.startswith(f"{amendment.group.id}/") for leaf in program.leaves)
            self._emit(describe_replan(self._session.run_id, self._session.correlation_id, amendment, tasks))

    def run_ended(self, run: Run) -> None:
        """Report how the run ended: first why, then that it has."""
        self._emit_planning_steps()
        if run.findings:
            for event in describe_rejection(run.run_id, run.correlation_id, run.findings):
                self._emit(event)
        if self._failed > MOST_EMITTED:
            self._emit(self._about("tasks.failed", {"count": self._failed, "told": MOST_EMITTED}))
        if run.state == "budget_exceeded":
            self._emit(self._about("budget.exceeded", self._get_spending(run)))
        elif run.error is not None and run.error.code == RUN_IS_OVER:
            deadline_s = self._session.program.deadline_s
            payload = {"deadline_s": deadline_s, "duration_s": round(run.duration_s, 3)}
            self._emit(self._about("deadline.exceeded", payload))
        self._emit(describe_end(run))

    def report_step_down(self, step: Degradation) -> None:
        """Emit an event, once, for a stage of planning that degraded, and for a spent retry budget."""
        kind = (step.layer, step.from_, step.to)
        if step.from_ == "a repeat" and kind not in self._steps:
            self._steps.add(kind)
            self._emit(self._about("retries.refused", {"reason": step.reason}))
        if step.layer in _OF_A_PLAN and step.to != _NOTHING and kind not in self._steps:
            self._steps.add(kind)
            payload = {"layer": step.layer, "from": step.from_, "to": step.to}
            self._emit(self._about("plan.degraded", payload))

    def _emit_planning_steps(self) -> None:
        """Emit what degraded while the plan was made; for a run that continues it was emitted before."""
        if not self._plan_told:
            self._plan_told = True
            for step in degradations(self._session.program):
                self.report_step_down(step)

    def _get_spending(self, run: Run) -> dict[str, Any]:
        budget = self._session.program.budget
        return {
            "usd": float(run.cost_usd),
            "tokens": sum(task.tokens for task in run.tasks),
            "most_usd": float(budget.usd) if budget and budget.usd is not None else None,
            "most_tokens": budget.tokens if budget else None,
        }

    def _about(self, name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        return about_run(f"genesis.{name}", self._session.run_id, self._session.correlation_id, payload)

    def _emit(self, event: dict[str, Any]) -> None:
        self._emitter.emit(lambda _pool_id: event)


@asynccontextmanager
async def emit_run_events(session: RunContext, *, pools: bool) -> AsyncIterator[RunEvents]:
    """Emit the events of one execution of a run and of what degrades in it. Enter it in its flow run.

    Args:
        session: The execution; nothing of it has begun.
        pools: Whether the leaves run on the work pools of their agents.
    """
    again, emitter = False, get_process_emitter()
    with suppress(GenesisError):  # a ledger that cannot be read ends the run a moment later, and says so
        again = await session.ledger.load() is not None
    events = RunEvents(session, again=again, pools=pools, emitter=emitter)
    try:
        with listening(events.report_step_down):
            yield events
    finally:
        await _settle(emitter)


@asynccontextmanager
async def emit_refusal(run_id: str, correlation_id: str, emitter: EventEmitter | None = None) -> AsyncIterator[None]:
    """Report that a deployed run ended before it had a ledger: its request was refused, or its plan was.

    Args:
        run_id: The run that was to be.
        correlation_id: Its correlation id, where it is known.
        emitter: Emits the events; that of the process if omitted.
    """
    emitter = emitter or get_process_emitter()
    try:
        yield
    except Exception as error:
        for event in describe_refusal(run_id, correlation_id, error):
            emitter.emit(lambda _pool_id, event=event: event)  # type: ignore[misc]  # bound now, and not when it is called
        await _settle(emitter)
        raise


async def emit_housekeeping(found: Purge, keep_days: int) -> None:
    """Tell, inside its flow run, what housekeeping came to."""
    emitter = get_process_emitter()
    emitter.emit(lambda _pool_id: describe_housekeeping(found, keep_days))
    await _settle(emitter)


async def _settle(emitter: EventEmitter) -> None:
    if not emitter.settled:
        await asyncio.to_thread(emitter.settle, SETTLE_S)
