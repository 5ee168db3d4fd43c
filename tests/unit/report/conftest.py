"""Runs of which a report can be made, with times to the second."""

from datetime import UTC, datetime, timedelta

import pytest

from genesis.ledger import Moments
from genesis.model import Attempt, ErrorInfo, Moment, Outcome, Run
from genesis.report import Evidence
from genesis.testing import a_program

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def at():
    """Return the time this many seconds after the start."""
    return lambda seconds: START + timedelta(seconds=seconds)


@pytest.fixture
def an_outcome(at):
    def make(name, start=None, end=None, state="completed", *, tries=(), error=None, **more):
        history = tuple(
            Attempt(number=n, agent="worker", started_at=at(a), ended_at=at(b), code="GEN-TASK", message="it broke")
            for n, (a, b) in enumerate(tries, 1)
        )
        fields = {"agent": "worker", "attempts": len(tries) + (state == "completed")} | more
        return Outcome(
            id=name,
            state=state,
            started_at=None if start is None else at(start),
            ended_at=None if end is None else at(end),
            history=history,
            error=ErrorInfo(code="GEN-TASK", message=error) if error else None,
            **fields,
        )

    return make


@pytest.fixture
def a_moment(at):
    return lambda kind, seconds, subject="r-1", text="": Moment(kind=kind, at=at(seconds), subject=subject, text=text)


@pytest.fixture
def evidence_of(at):
    """Put tasks and what became of them together."""

    def make(tasks, outcomes, *, state="completed", start=0, end=None, now=100, moments=(), request="do it", **more):
        program = a_program(*tasks, request=request)
        run = Run(
            run_id="r-1",
            correlation_id="c-1",
            state=state,
            planner="file",
            started_at=None if start is None else at(start),
            ended_at=None if end is None else at(end),
            cost_usd=sum((outcome.usd or 0 for outcome in outcomes), 0),
            tasks=tuple(outcomes),
            ui_url=more.pop("ui_url", None),
        )
        return Evidence(run, program, at(now), moments=Moments(moments=tuple(moments)), ledger="/ledger/r-1", **more)

    return make
