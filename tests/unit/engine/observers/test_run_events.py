"""An execution tells of what matters in it, in few events, and of each kind of trouble within a bound."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from genesis.engine.attempts import LeafRun
from genesis.engine.observers.event_shapes import MOST_EMITTED
from genesis.engine.observers.event_table import EVENT_TABLE
from genesis.engine.observers.run_events import RunEvents, degradations, emit_refusal, emit_run_events
from genesis.engine.run_context import RunContext
from genesis.errors import SecurityError
from genesis.ledger import FolderStore, Ledger
from genesis.ledger.program_state import ProgramState
from genesis.model import Amendment, Diagnostic, ErrorInfo, Outcome, Run
from genesis.resilience.degradation import Degradation, listening, step_down
from genesis.settings import Settings
from genesis.testing import a_program, a_task, an_agent

_TABLE = {kind.name: kind for kind in EVENT_TABLE}


class _Teller:
    """Keeps what it is told."""

    settled = True

    def __init__(self):
        self.events, self.pools = [], []

    def emit(self, describe, *, pool=None):
        self.events.append(describe("8d7" if pool else None))
        self.pools.append(pool)

    @property
    def names(self):
        return [event["event"].removeprefix("genesis.") for event in self.events]

    def payload(self, name):
        (found,) = [event["payload"] for event in self.events if event["event"] == f"genesis.{name}"]
        return found


@pytest.fixture
def emitter():
    """All events are checked against the table."""
    kept = _Teller()
    yield kept
    for event in kept.events:
        kind = _TABLE[event["event"]]
        assert set(event["payload"]) == set(kind.payload)
        named = {label for label in event["resource"] if not label.startswith("prefect.")}
        assert named == set(kind.labels)


def _session(tmp_path: Path, program=None, **more) -> RunContext:
    program = program or a_program(a_task("a"), a_task("b"))
    return RunContext(
        program_state=ProgramState(program),
        ledger=Ledger(FolderStore(tmp_path), "r1"),
        correlation_id="c1",
        settings=Settings(home=tmp_path),
        executor=lambda _leaf: None,
        slots=1,
        files=tmp_path,
        **more,
    )


def _run(state="completed", **more) -> Run:
    return Run(run_id="r1", correlation_id="c1", state=state, planner="file", cost_usd=Decimal("0.5"), **more)


def _events(tmp_path, emitter, program=None, *, again=False, pools=False, **more) -> RunEvents:
    return RunEvents(_session(tmp_path, program, **more), again=again, pools=pools, emitter=emitter)


def _make_failure(path="a", agent="worker") -> Outcome:
    return Outcome(id=path, agent=agent, state="failed", attempts=1, error=ErrorInfo(code="GEN-TASK", message="no"))


def test_a_run_without_failures_has_two_events_however_many_tasks_it_has(tmp_path, emitter):
    program = a_program(*(a_task(f"t{number}") for number in range(200)))
    events = _events(tmp_path, emitter, program)
    events.run_started(program, _run("running"), {})
    for leaf in program.leaves:
        for state in ("running", "completed"):
            events.leaf_changed(Outcome(id=leaf.path, agent="worker", state=state))
    events.run_ended(_run())
    assert emitter.names == ["run.started", "run.completed"]
    assert emitter.payload("run.started")["tasks"] == 200


def test_repeats_that_a_storm_forbids_are_told_of_once(tmp_path, emitter):
    program = a_program(*(a_task(f"t{number}", retries=5) for number in range(3)))
    session = _session(tmp_path, program)
    events = RunEvents(session, again=False, pools=False, emitter=emitter)
    with listening(events.report_step_down):
        for leaf in program.leaves:
            LeafRun(session, leaf, {}).repeat_refused(1)
    assert emitter.names == ["retries.refused"]
    assert emitter.payload("retries.refused")["reason"] == (
        "t0: repeat 1 of 5 was not made: too many tasks of this run fail at once"
    )


def test_a_repeat_that_a_storm_forbids_is_in_the_hint_and_the_note_of_its_task(tmp_path):
    program = a_program(a_task("a", retries=5))
    run = LeafRun(_session(tmp_path, program), program.leaves[0], {})
    error = ErrorInfo(code="GEN-TASK", message="down", hint="fix it")
    run.outcome = run.outcome.model_copy(update={"error": error})
    run.repeat_refused(2)
    why = "repeat 2 of 5 was not made: too many tasks of this run fail at once"
    assert run.outcome.note == why
    assert run.outcome.error.hint == f"fix it; {why}; fix the cause, and resume"


def test_a_resume_says_how_much_was_kept(tmp_path, emitter):
    events = _events(tmp_path, emitter, again=True)
    kept = {0: Outcome(id="a", agent="worker", state="completed"), 1: _make_failure("b")}
    events.run_started(a_program(a_task("a"), a_task("b")), _run("running"), kept)
    assert emitter.names == ["run.resumed"]
    assert emitter.payload("run.resumed")["kept"] == 1


def test_a_hundred_tasks_that_failed_are_twenty_events_and_one_that_counts(tmp_path, emitter):
    program = a_program(*(a_task(f"t{number}") for number in range(100)))
    events = _events(tmp_path, emitter, program)
    for leaf in program.leaves:
        events.leaf_changed(_make_failure(leaf.path))
    events.run_ended(_run("failed"))
    assert emitter.names == ["task.failed"] * MOST_EMITTED + ["tasks.failed", "run.failed"]
    assert emitter.payload("tasks.failed") == {
        "run_id": "r1",
        "correlation_id": "c1",
        "count": 100,
        "told": MOST_EMITTED,
    }


def test_a_task_that_failed_is_related_to_its_pool_only_where_tasks_run_on_pools(tmp_path, emitter):
    program = a_program(a_task("a"), agents=(an_agent("qa_agent"),))
    for pools in (False, True):
        _events(tmp_path, emitter, program, pools=pools).leaf_changed(_make_failure(agent="qa_agent"))
    assert emitter.pools == [None, "agent-qa"]
    assert "prefect.work-pool.8d7" in str(emitter.events[1]["related"])


def test_a_task_that_failed_is_related_to_the_pool_of_its_own_or_of_the_agent_that_had_it_last(tmp_path, emitter):
    agents = an_agent("qa_agent"), an_agent("dev_agent")
    program = a_program(a_task("a"), a_task("b", runs_in={"pool": "agent-gpu"}), agents=agents)
    events = _events(tmp_path, emitter, program, pools=True)
    for task, agent in (("a", "dev_agent"), ("b", "dev_agent")):
        events.leaf_changed(_make_failure(agent=agent).model_copy(update={"id": task}))
    assert emitter.pools == ["agent-dev", "agent-gpu"]


def test_a_rejected_plan_a_spent_budget_and_a_deadline_are_told_before_the_end(tmp_path, emitter):
    finding = Diagnostic(code="GEN-UNASSIGNED", severity="error", task="a", message="x")
    _events(tmp_path, emitter).run_ended(_run("failed", findings=(finding,)))
    assert emitter.names == ["plan.rejected", "tasks.unassigned", "run.failed"]

    emitter.events.clear()
    program = a_program(a_task("a"), budget={"usd": 0.25, "tokens": 10})
    tasks = (Outcome(id="a", agent="worker", state="completed", tokens=40),)
    _events(tmp_path, emitter, program).run_ended(_run("budget_exceeded", tasks=tasks))
    assert emitter.names == ["budget.exceeded", "run.budget_exceeded"]
    spent = emitter.payload("budget.exceeded")
    assert [spent[key] for key in ("usd", "tokens", "most_usd", "most_tokens")] == [0.5, 40, 0.25, 10]

    emitter.events.clear()
    late = ErrorInfo(code="GEN-DEADLINE", message="x")
    _events(tmp_path, emitter, a_program(a_task("a"), deadline_s=3)).run_ended(_run("failed", error=late))
    assert emitter.names == ["deadline.exceeded", "run.failed"]


def test_what_gave_way_is_told_once_of_each_kind_and_only_of_planning_routing_and_checks(tmp_path, emitter):
    events = _events(tmp_path, emitter)
    for _ in range(5):
        events.report_step_down(Degradation("validation", "all checks", "structural checks", "a reason"))
    events.report_step_down(Degradation("observing", "an artifact", "no artifact"))
    events.report_step_down(Degradation("planning", "heuristic", "no plan"))
    events.report_step_down(Degradation("execution", "the run", "a saved state"))
    assert emitter.names == ["plan.degraded"]
    assert emitter.payload("plan.degraded")["layer"] == "validation"


@pytest.mark.parametrize(
    ("planner", "note", "steps"),
    [
        ("file", "", []),
        ("file", "llm: it is only said", []),
        ("heuristic", "", []),
        ("heuristic", "heuristic: a note of its own", []),
        ("heuristic", "llm: it did not answer", [("llm", "heuristic")]),
        ("minimal", "llm: no. heuristic: no playbook fits", [("llm", "heuristic"), ("heuristic", "minimal")]),
        ("minimal", "heuristic: no playbook fits", [("heuristic", "minimal")]),
    ],
)
def test_a_plan_that_was_made_elsewhere_says_what_gave_way(planner, note, steps):
    program = a_program(a_task("a"), planner=planner, planner_note=note)
    assert [(step.from_, step.to) for step in degradations(program)] == steps


def test_routing_that_gave_way_is_told(tmp_path, emitter):
    program = a_program(a_task("a"))
    routes = {path: route.model_copy(update={"degraded": True}) for path, route in program.source.routes.items()}
    program = program.model_copy(update={"source": program.source.model_copy(update={"routes": routes})})
    events = _events(tmp_path, emitter, program)
    events.run_started(program, _run("running"), {})
    events.run_ended(_run())
    assert emitter.names == ["run.started", "plan.degraded", "run.completed"]


def test_a_task_that_is_planned_again_is_told_with_its_new_tasks(tmp_path, emitter):
    events = _events(tmp_path, emitter)
    group = a_task("again-1", a_task("x"), a_task("y"))
    more = {"outcome": _make_failure(), "at": datetime.now(UTC), "reason": "r", "task": "a", "group": group}
    events._session.program_state.amendments = (
        Amendment(number=1, kind="replan", planner="llm", **more),
        Amendment(number=2, kind="expand", **more),
    )
    events.plan_changed(a_program(a_task("a"), group))
    events.plan_changed(a_program(a_task("a"), group))
    assert emitter.names == ["task.replanned"]
    assert (emitter.payload("task.replanned")["tasks"], emitter.payload("task.replanned")["planner"]) == (2, "llm")


async def test_an_execution_hears_what_gives_way_in_it_and_knows_whether_it_is_the_first(
    tmp_path, emitter, monkeypatch
):
    monkeypatch.setattr("genesis.engine.observers.run_events.get_process_emitter", lambda: emitter)
    session = _session(tmp_path)
    step = Degradation("validation", "all checks", "structural checks")
    step_down(step)
    async with emit_run_events(session, pools=False) as events:
        step_down(step)
        events.run_started(session.program, _run("running"), {})
    step_down(step)
    assert emitter.names == ["plan.degraded", "run.started"]
    await session.ledger.save(_run("failed"))
    async with emit_run_events(session, pools=False) as events:
        events.run_started(session.program, _run("running"), {})
    assert emitter.names[-1] == "run.resumed"


async def test_a_ledger_that_cannot_be_read_does_not_keep_the_run_from_saying_so(tmp_path, emitter, monkeypatch):
    monkeypatch.setattr("genesis.engine.observers.run_events.get_process_emitter", lambda: emitter)
    (tmp_path / "genesis" / "r1" / "state.json").mkdir(parents=True)
    async with emit_run_events(_session(tmp_path), pools=False) as events:
        events.run_ended(_run("failed"))
    assert emitter.names == ["run.failed"]


async def test_a_refused_request_of_a_deployed_run_is_told_and_goes_on_as_an_error(emitter):
    with pytest.raises(SecurityError):
        async with emit_refusal("r1", "c1", emitter):
            raise SecurityError("no")
    async with emit_refusal("r1", "c1", emitter):
        pass
    assert emitter.names == ["run.refused"]
