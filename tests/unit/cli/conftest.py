"""Consoles that write into a text, and what there is to show."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genesis.cli.output import console

from genesis.model import ErrorInfo, Outcome, Run

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def shown():
    """Render something at a width, and give the text."""

    def show(thing, width=100):
        out = console()
        out.file, out.width = io.StringIO(), width
        out.print(thing)
        return out.file.getvalue()

    return show


@pytest.fixture
def an_outcome():
    """Make an outcome that took two seconds."""

    def make(name, state="completed", *, result=None, error=None, agent="worker"):
        info = ErrorInfo(code="GEN-TASK", message=error, hint="mend it") if error else None
        ended = None if state in ("running", "pending", "skipped") else START + timedelta(seconds=2)
        started = None if state in ("pending", "skipped") else START
        return Outcome(id=name, agent=agent, state=state, started_at=started, ended_at=ended, result=result, error=info)

    return make


@pytest.fixture
def a_run():
    """Make a run of outcomes."""

    def make(*tasks, state="completed", error=None):
        return Run(
            run_id="20260101-120000-abcdef",
            correlation_id="c",
            state=state,
            planner="file",
            started_at=START,
            ended_at=START + timedelta(seconds=95),
            duration_s=95.0,
            cost_usd=Decimal("1.5"),
            tasks=tasks,
            ui_url="http://127.0.0.1:1/runs/flow-run/x",
            error=error,
        )

    return make
