"""The lines of a run: their names, their fields, their levels."""

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from genesis.engine.observers.log import LogObserver
from genesis.model import Diagnostic, ErrorInfo, Outcome, Run
from genesis.testing import a_program, a_task

_BEGUN = datetime(2026, 11, 22, 15, tzinfo=UTC)


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.DEBUG, "genesis.engine.observers.log")

    def given():
        return [(record.levelname, record.event, record) for record in caplog.records]

    return given


def a_run(state="completed", **more):
    return Run(run_id="r-1", correlation_id="c-1", state=state, planner="file", cost_usd=Decimal("0.5"), **more)


def an_outcome(state, **more):
    times = {"started_at": _BEGUN, "ended_at": _BEGUN + timedelta(seconds=1.5)} if state != "running" else {}
    return Outcome(id="build/api", agent="worker", state=state, **{"attempts": 2, **times, **more})


def test_a_run_begins_and_ends_with_a_line(lines):
    told = LogObserver("r-1", "c-1")
    told.run_started(
        a_program(a_task("a"), a_task("b")), a_run("running", ui_url="http://ui"), {0: an_outcome("completed")}
    )
    error = ErrorInfo(code="GEN-RUN", message="it broke")
    told.run_ended(a_run("failed", duration_s=2.5, error=error, tasks=(an_outcome("failed", tokens=7),)))
    (_, _, started), (_, _, ended) = lines()
    assert [(level, event) for level, event, _ in lines()] == [("INFO", "run.started"), ("INFO", "run.ended")]
    assert (started.run_id, started.correlation_id) == ("r-1", "c-1")
    assert (started.tasks, started.finished, started.planner, started.ui_url) == (2, 1, "file", "http://ui")
    assert (ended.state, ended.seconds, ended.usd, ended.tokens, ended.states) == ("failed", 2.5, 0.5, 7, {"failed": 1})
    assert ended.error == {"code": "GEN-RUN", "message": "it broke"}


def test_each_line_of_a_rehearsal_says_that_it_is_one(lines):
    told = LogObserver("r-1", "c-1", rehearsal=0.0)
    told.run_started(a_program(a_task("a")), a_run("running"), {})
    told.leaf_changed(an_outcome("running"))
    told.leaf_changed(an_outcome("completed"))
    told.run_ended(a_run())
    records = [record for _, _, record in lines()]
    assert [record.rehearsal for record in records] == [0.0] * 4
    assert records[-1].getMessage() == "rehearsal r-1 completed"
    LogObserver("r-2", "c-2").run_ended(a_run())
    assert not hasattr(lines()[-1][2], "rehearsal")


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("running", ("DEBUG", "task.started")),
        ("completed", ("INFO", "task.ended")),
        ("cached", ("INFO", "task.ended")),
        ("skipped", ("INFO", "task.ended")),
        ("cancelled", ("INFO", "task.ended")),
        ("failed", ("WARNING", "task.ended")),
    ],
)
def test_a_task_has_a_line_for_its_start_and_one_for_its_end(lines, state, wanted):
    LogObserver("r-1", "c-1").leaf_changed(an_outcome(state))
    (level, event, record), *others = lines()
    assert ((level, event), others) == (wanted, [])
    assert (record.task, record.agent) == ("build/api", "worker")


def test_what_a_task_took_and_cost_is_in_its_line(lines):
    error = ErrorInfo(code="GEN-TASK", message="no")
    outcome = an_outcome("failed", usd=Decimal("0.25"), tokens=512, error=error, note="moved")
    LogObserver("r-1", "c-1").leaf_changed(outcome)
    record = lines()[0][2]
    assert (record.state, record.seconds, record.attempts, record.usd, record.tokens) == ("failed", 1.5, 2, 0.25, 512)
    assert (record.error, record.note) == ({"code": "GEN-TASK", "message": "no"}, "moved")
    assert record.send_to_api


def test_prefect_tells_the_ui_of_tasks_that_succeed(lines):
    LogObserver("r-1", "c-1").leaf_changed(an_outcome("completed"))
    assert not lines()[0][2].send_to_api


def test_a_worker_s_attempts_are_told_from_the_tasks_of_the_run(lines):
    LogObserver("r-1", "c-1", noun="attempt").leaf_changed(an_outcome("completed"))
    assert lines()[0][1] == "attempt.ended"


def test_a_leaf_that_waits_is_not_told(lines):
    LogObserver("r-1", "c-1").leaf_changed(an_outcome("pending"))
    assert lines() == []


def test_a_plan_that_grows_says_by_how_much(lines):
    told = LogObserver("r-1", "c-1")
    told.run_started(a_program(a_task("a")), a_run("running"), {})
    told.plan_changed(a_program(a_task("a"), a_task("b"), a_task("c")))
    _, event, record = lines()[1]
    assert (event, record.added, record.tasks) == ("plan.changed", 2, 3)


def test_a_plan_that_the_check_before_the_start_refuses_says_why(lines):
    finding = Diagnostic(code="GEN-X", severity="error", message="the agent cannot", task="a")
    LogObserver("r-1", "c-1").run_ended(a_run("failed", findings=(finding,)))
    assert [event for _, event, _ in lines()] == ["plan.rejected", "run.ended"]
    assert lines()[0][2].codes == ["GEN-X"]


def test_nothing_is_made_that_nobody_wants(caplog):
    caplog.set_level(logging.ERROR, "genesis.engine.observers.log")
    LogObserver("r-1", "c-1").leaf_changed(an_outcome("failed"))
    assert caplog.records == []
