"""Consoles that write into a text, and what there is to show."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from genesis.cli.output import console
from genesis.model import ErrorInfo, Outcome, Run

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Stream(io.TextIOWrapper):
    """A stream of a terminal or a pipe that takes the characters of an encoding."""

    def __init__(self, encoding="utf-8", *, terminal=False):
        super().__init__(io.BytesIO(), encoding=encoding, newline="")
        self._terminal = terminal

    def isatty(self):
        return self._terminal

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def a_stream():
    """Make a stream."""
    return Stream


@pytest.fixture
def a_console(monkeypatch, a_stream):
    """Make the console of a command, and give what it wrote."""

    def make(width=None, *, terminal=False, encoding="utf-8", kind="xterm"):
        for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", kind)
        if width is not None:
            monkeypatch.setenv("COLUMNS", str(width))
        stream = a_stream(encoding, terminal=terminal)
        monkeypatch.setattr("sys.stdout", stream)
        return console(), stream.text

    return make


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

    def make(name, state="completed", *, result=None, error=None, agent="worker", usd=None):
        info = ErrorInfo(code="GEN-TASK", message=error, hint="fix it") if error else None
        ended = None if state in ("running", "pending", "skipped") else START + timedelta(seconds=2)
        started = None if state in ("pending", "skipped") else START
        times = {"started_at": started, "ended_at": ended}
        return Outcome(id=name, agent=agent, state=state, result=result, error=info, usd=usd, **times)

    return make


@pytest.fixture
def a_run():
    """Make a run of outcomes."""

    def make(*tasks, state="completed", error=None, rehearsal=None):
        return Run(
            run_id="20260101-120000-abcdef",
            correlation_id="c",
            state=state,
            planner="file",
            rehearsal=rehearsal,
            started_at=START,
            ended_at=START + timedelta(seconds=95),
            duration_s=95.0,
            cost_usd=Decimal("1.5"),
            tasks=tasks,
            ui_url="http://127.0.0.1:1/runs/flow-run/x",
            error=error,
        )

    return make
