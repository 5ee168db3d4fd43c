"""A run's leaves as figures, and the spans around its parts: the orchestrator updates metrics and traces."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from genesis.engine.observer import NullObserver
from genesis.engine.run_context import RunContext
from genesis.model import Leaf, Outcome, Program, Run
from genesis.observability.correlation import bind_context
from genesis.observability.instruments import (
    BUDGETS_EXCEEDED,
    CACHE_HITS,
    CALL_SECONDS,
    CALLS,
    COST,
    DETOURS,
    REHEARSALS,
    REPLANS,
    RUN_SECONDS,
    RUNS,
    RUNS_ACTIVE,
    TASK_SECONDS,
    TASKS,
    TASKS_RUNNING,
    TOKENS,
)
from genesis.observability.metrics import Metrics, metrics_of_process
from genesis.observability.span import Span, Value
from genesis.observability.stages import example
from genesis.observability.tracing import span
from genesis.observability.zero_counters import show_agent

__all__ = [
    "RehearsalMetrics",
    "RunMetrics",
    "agent_call",
    "dispatch_span",
    "run_ended",
    "run_span",
    "task_ended",
    "task_span",
]


class RunMetrics:
    """An observer that counts.

    Args:
        metrics: Where; those of this process where missing.
    """

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or metrics_of_process()
        self._running: dict[str, str] = {}
        self._active = False

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Count the run as one that continues."""
        del run, finished
        for agent in program.agents:
            show_agent(self._metrics, agent)
        self._active = True
        self._metrics.add(RUNS_ACTIVE, amount=1)

    def leaf_changed(self, outcome: Outcome) -> None:
        """Count a leaf that runs, or that has ended; one without an agent only gathers what others gave."""
        if not outcome.agent:
            return
        metrics = self._metrics
        if (agent := self._running.pop(outcome.id, None)) is not None:
            metrics.add(TASKS_RUNNING, agent, amount=-1)
        if outcome.state == "running":
            self._running[outcome.id] = outcome.agent
            metrics.add(TASKS_RUNNING, outcome.agent, amount=1)
            return
        metrics.count(TASKS, outcome.agent, outcome.state)
        if outcome.started_at is not None and outcome.ended_at is not None:
            seconds = max(0.0, (outcome.ended_at - outcome.started_at).total_seconds())
            metrics.observe(TASK_SECONDS, outcome.agent, value=seconds, example=example())
        if outcome.state == "cached":
            metrics.count(CACHE_HITS, outcome.agent)
        if outcome.usd:
            metrics.count(COST, outcome.agent, amount=float(outcome.usd))
        if outcome.tokens:
            metrics.count(TOKENS, outcome.agent, amount=outcome.tokens)

    def leaf_diverted(self, leaf: Leaf, kind: Literal["other", "later"], reason: str) -> None:
        """Count a leaf that goes another way."""
        del reason
        self._metrics.count(DETOURS, leaf.agent, kind)

    def plan_changed(self, program: Program) -> None:
        """Count a change of the plan."""
        del program
        self._metrics.count(REPLANS, "changed")

    def run_ended(self, run: Run) -> None:
        """Count the run by how it ended."""
        metrics = self._metrics
        for agent in self._running.values():
            metrics.add(TASKS_RUNNING, agent, amount=-1)
        self._running.clear()
        if self._active:
            metrics.add(RUNS_ACTIVE, amount=-1)
        self._active = False
        metrics.count(RUNS, run.state)
        metrics.observe(RUN_SECONDS, run.state, value=float(run.duration_s), example=example())
        if run.state == "budget_exceeded":
            metrics.count(BUDGETS_EXCEEDED)


class RehearsalMetrics(NullObserver):
    """An observer that counts a rehearsal, and nothing of what its timers pretend to do.

    Args:
        metrics: Where; those of this process where missing.
    """

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or metrics_of_process()

    def run_ended(self, run: Run) -> None:
        """Count it by how it ended."""
        self._metrics.count(REHEARSALS, run.state)


@contextmanager
def run_span(session: RunContext, *, earlier: str | None) -> Iterator[Span]:
    """Make the span of a run's execution, and say to all inside which run it is.

    Args:
        session: The run.
        earlier: `traceparent` of its first execution, where this one continues with it.
    """
    about: dict[str, Value | None] = {
        "genesis.run.id": session.run_id,
        "genesis.correlation_id": session.correlation_id,
        "genesis.run.tasks": len(session.program.leaves),
        "genesis.rehearsal": session.rehearse,
    }
    links = [earlier] if earlier is not None else []
    with (
        bind_context(correlation_id=session.correlation_id, run_id=session.run_id),
        span("genesis.run", about, links=links) as made,
    ):
        made.set_text("genesis.request", session.program.request)
        yield made


def run_ended(made: Span, run: Run) -> None:
    """Tell a run's span how it ended."""
    made.set("genesis.run.state", run.state)
    if run.state not in ("completed", "briefed"):
        made.mark_failed(
            run.error.code if run.error else f"GEN-RUN-{run.state.upper()}", run.error.message if run.error else ""
        )


@contextmanager
def task_span(leaf: Leaf, *, again: str | None) -> Iterator[Span]:
    """Make the span of a leaf, from its slot to its end, and say to all inside which leaf it is.

    Args:
        leaf: The leaf, with the agent that has it now.
        again: `traceparent` of the time before, where it is done once more.
    """
    about = {"genesis.task.path": leaf.path, "genesis.task.type": leaf.type, "genesis.agent": leaf.agent}
    links = [again] if again is not None else []
    with bind_context(task=leaf.path, agent=leaf.agent), span("genesis.task", about, links=links) as made:
        made.set_text("genesis.task.description", leaf.description)
        yield made


def task_ended(made: Span, outcome: Outcome) -> None:
    """Tell a leaf's span how it ended."""
    if not made.records:
        return
    made.set("genesis.task.state", outcome.state)
    made.set("genesis.attempt", outcome.attempts)
    if outcome.state == "failed":
        error = outcome.error
        made.mark_failed(error.code if error else "GEN-TASK", error.message if error else "")


@contextmanager
def dispatch_span(leaves: Sequence[Leaf], pool: str, *, parent: str | None) -> Iterator[Span]:
    """Make the span in which leaves are handed to a work pool; what runs them there becomes a part of it."""
    about: dict[str, Value | None] = {
        "messaging.destination.name": pool,
        "messaging.batch.message_count": len(leaves),
        "genesis.task.path": leaves[0].path,
        "genesis.agent": leaves[0].agent,
    }
    with span("genesis.dispatch", about, kind="producer", parent=parent) as made:
        yield made


@contextmanager
def agent_call(session: RunContext, leaf: Leaf, attempt: int, *, again: str | None) -> Iterator[Span]:
    """Make the span and the figures of one attempt of an agent.

    Args:
        session: The run.
        leaf: What it works on.
        attempt: Which attempt this is, over the run's whole life, from 1.
        again: `traceparent` of the attempt before, where it was made here.
    """
    metrics, begun, outcome = metrics_of_process(), time.perf_counter(), "ok"
    about: dict[str, Value | None] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": leaf.agent,
        "genesis.task.path": leaf.path,
        "genesis.attempt": attempt,
    }
    if session.token is not None:  # the spans around it are of other processes
        about |= {"genesis.run.id": session.run_id, "genesis.correlation_id": session.correlation_id}
    links = [again] if again is not None else []
    with (
        bind_context(task=leaf.path, agent=leaf.agent, attempt=attempt),
        span(f"invoke_agent {leaf.agent}", about, kind="client", links=links) as made,
    ):
        try:
            yield made
        except BaseException as error:
            outcome = getattr(error, "code", None) or type(error).__name__
            outcome = outcome if isinstance(outcome, str) and outcome.startswith("GEN-") else "error"
            raise
        finally:
            if session.rehearse is None:
                metrics.count(CALLS, leaf.agent, outcome)
                metrics.observe(CALL_SECONDS, leaf.agent, value=time.perf_counter() - begun, example=example(made))
