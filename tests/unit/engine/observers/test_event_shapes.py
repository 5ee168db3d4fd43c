"""What events of runs say: no user's text, both ids in each, and nothing that the table does not have."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from genesis.engine.observers.event_shapes import (
    MOST_EMITTED,
    about_run,
    describe_end,
    describe_failure,
    describe_refusal,
    describe_rejection,
    describe_replan,
    describe_start,
)
from genesis.errors import PlanInvalidError, PlanningError, SecurityError
from genesis.model import Amendment, Diagnostic, ErrorInfo, Outcome, Run
from genesis.testing import a_task

SECRET = "do not repeat this sentence"


def _run(state="completed", **more) -> Run:
    tasks = (Outcome(id="a", agent="w", state="completed"), Outcome(id="b", agent="w", state="failed"))
    fields = {"planner": "file", "duration_s": 1.23456, "cost_usd": Decimal("0.25"), "tasks": tasks, **more}
    return Run(run_id="r1", correlation_id="c1", state=state, **fields)


def _finding(code="GEN-CYCLE", task="a", severity="error") -> Diagnostic:
    return Diagnostic(code=code, severity=severity, task=task, message=SECRET)


def _make_failure(**more) -> Outcome:
    error = ErrorInfo(code="GEN-TASK-EXIT", message=SECRET, hint=SECRET)
    return Outcome(id="q/lint", agent="qa_agent", state="failed", attempts=3, error=error, note=SECRET, **more)


def test_a_rehearsal_is_marked_in_the_payload_and_in_a_label_for_triggers():
    rehearsal = _run().model_copy(update={"rehearsal": 0.5})
    for event in (describe_start(rehearsal, {}, again=False), describe_end(rehearsal)):
        assert event["payload"]["rehearsal"] == 0.5
        assert event["resource"]["genesis.rehearsal"] == "yes"
    for event in (describe_start(_run(), {}, again=False), describe_end(_run())):
        assert event["payload"]["rehearsal"] is None
        assert event["resource"]["genesis.rehearsal"] == "no"


def test_an_event_is_about_its_run_and_carries_both_ids_and_the_tag():
    assert about_run("genesis.run.started", "r1", "c1", {"tasks": 3}) == {
        "event": "genesis.run.started",
        "resource": {
            "prefect.resource.id": "genesis.run.r1",
            "prefect.resource.name": "r1",
            "genesis.correlation-id": "c1",
        },
        "related": [{"prefect.resource.id": "prefect.tag.cid:c1", "prefect.resource.role": "tag"}],
        "payload": {"run_id": "r1", "correlation_id": "c1", "tasks": 3},
    }


def test_a_run_ends_with_its_figures_and_its_code():
    event = describe_end(_run("failed", error=ErrorInfo(code="GEN-RUN-FAILED", message=SECRET)))
    assert event["event"] == "genesis.run.failed"
    assert event["resource"]["genesis.error.code"] == event["payload"]["error_code"] == "GEN-RUN-FAILED"
    assert event["payload"]["tasks"] == {"completed": 1, "failed": 1}
    assert (event["payload"]["duration_s"], event["payload"]["cost_usd"]) == (1.235, 0.25)
    assert describe_end(_run())["resource"]["genesis.error.code"] == "none"


def test_a_rejected_plan_counts_its_codes_and_names_tasks_without_an_agent():
    unassigned = [_finding("GEN-UNASSIGNED", f"t{number}") for number in range(30)]
    plan, tasks = describe_rejection("r1", "c1", [_finding(), _finding(), *unassigned])
    assert plan["payload"]["codes"] == {"GEN-CYCLE": 2, "GEN-UNASSIGNED": 30}
    assert plan["payload"]["count"] == 32
    assert (tasks["event"], tasks["payload"]["count"]) == ("genesis.tasks.unassigned", 30)
    assert tasks["payload"]["paths"] == [f"t{number}" for number in range(MOST_EMITTED)]
    assert [event["event"] for event in describe_rejection("r1", "c1", [_finding()])] == ["genesis.plan.rejected"]


def test_a_task_that_failed_is_told_with_its_agent_and_its_pool():
    event = describe_failure("r1", "c1", _make_failure(), "agent-qa", "8d7")
    assert event["resource"]["prefect.resource.id"] == "genesis.task.r1/q/lint"
    assert event["resource"]["genesis.agent"] == "qa_agent"
    assert event["resource"]["genesis.pool"] == "agent-qa"
    assert [each["prefect.resource.role"] for each in event["related"]] == ["tag", "work-pool"]
    unknown = describe_failure("r1", "c1", _make_failure(), "agent-qa")
    assert (unknown["resource"]["genesis.pool"], unknown["payload"]["pool"]) == ("none", "agent-qa")
    local = describe_failure("r1", "c1", _make_failure())
    assert (local["resource"]["genesis.pool"], local["payload"]["pool"]) == ("none", None)
    assert len(local["related"]) == 1


@pytest.mark.parametrize(
    ("error", "events", "code"),
    [
        (SecurityError(SECRET), ["genesis.run.refused"], "GEN-SECURITY"),
        (PlanningError(SECRET), ["genesis.run.failed"], "GEN-PLANNING"),
        (KeyError(SECRET), ["genesis.run.failed"], "GEN-INTERNAL"),
        (PlanInvalidError(SECRET), ["genesis.run.failed"], "GEN-PLAN-INVALID"),
    ],
)
def test_a_deployed_run_that_never_began_has_an_end_too(error, events, code):
    made = describe_refusal("r1", "", error)
    assert [event["event"] for event in made] == events
    assert made[-1]["payload"]["error_code"] == code
    assert made[-1]["related"] == []


def test_a_deployed_plan_that_was_rejected_says_by_what():
    diagnostics = [_finding().model_dump(mode="json"), _finding("GEN-W", severity="warning").model_dump(mode="json")]
    made = describe_refusal("r1", "c1", PlanInvalidError("x", data={"report": {"diagnostics": diagnostics}}))
    assert [event["event"] for event in made] == ["genesis.plan.rejected", "genesis.run.failed"]
    assert made[0]["payload"]["codes"] == {"GEN-CYCLE": 1}


def test_nobodys_words_are_in_an_event():
    group = a_task("again-1", a_task("x", description=SECRET), description=SECRET)
    amendment = Amendment(
        number=1,
        kind="replan",
        task="q/lint",
        group=group,
        reason=SECRET,
        outcome=_make_failure(),
        at=datetime.now(UTC),
    )
    error = ErrorInfo(code="GEN-RUN-FAILED", message=SECRET)
    events = [
        describe_end(_run("failed", error=error, findings=(_finding(),))),
        *describe_rejection("r1", "c1", [_finding("GEN-UNASSIGNED")]),
        describe_failure("r1", "c1", _make_failure()),
        describe_replan("r1", "c1", amendment, 1),
        *describe_refusal("r1", "c1", SecurityError(SECRET)),
    ]
    assert SECRET not in repr(events)
    assert all(event["payload"]["correlation_id"] == "c1" for event in events)
    assert all(event["payload"]["run_id"] == "r1" for event in events)
