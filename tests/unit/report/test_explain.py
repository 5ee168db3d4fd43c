"""What is said of a run that did not complete."""

from datetime import UTC, datetime, timedelta

import pytest

from genesis.compile import compile_program
from genesis.model import Attempt, Cause, Diagnostic, ErrorInfo, Outcome, Run
from genesis.report.explain import explain
from genesis.testing.plans import a_plan, a_task, route_to

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
FAILED = ErrorInfo(code="GEN-RUN-FAILED", message="1 task failed", hint="fix the cause and resume")


def leaves_of(*tasks):
    return compile_program(*route_to(a_plan(*tasks))).leaves


def outcome(name, state="completed", **more):
    return Outcome(id=name, agent="worker", state=state, **more)


def failure(name, code="GEN-TASK", message="it broke", hint="", **more):
    return outcome(name, "failed", error=ErrorInfo(code=code, message=message, hint=hint), **more)


def a_run(*tasks, state="failed", error=FAILED, **more):
    return Run(
        run_id="r-1", correlation_id="c", state=state, planner="file", cost_usd=0, tasks=tasks, error=error, **more
    )


def make_attempt(number, agent="worker", code="GEN-TASK", message="it broke"):
    start = START + timedelta(seconds=10 * number)
    ended = start + timedelta(seconds=2)
    return Attempt(number=number, agent=agent, started_at=start, ended_at=ended, code=code, message=message)


def test_what_the_plan_skipped_or_allowed_is_no_reason_and_kept():
    tasks = (a_task("a"), a_task("b"), a_task("c", after=("a",)), a_task("d"), a_task("e", after=("b",)))
    said = explain(
        a_run(
            failure("a"),
            failure("b", failure_allowed=True),
            outcome("c", "skipped"),
            outcome("d", "skipped", skipped_by="run_if: any_failed"),
            outcome("e"),
        ),
        leaves_of(*tasks),
    )
    assert [root.task for root in said.roots] == ["a"]
    assert [(group.because, group.tasks) for group in said.skipped] == [(("a",), ("c",))]
    assert (said.failed, said.kept) == (1, 3)


@pytest.mark.parametrize("state", ["completed", "running", "pending"])
def test_nothing_is_said_of_a_run_that_completed_or_goes_on(state):
    assert explain(a_run(outcome("a"), state=state, error=None), ()) is None


def test_what_was_skipped_is_grouped_by_the_failures_behind_it_near_or_far():
    leaves = leaves_of(
        a_task("a"),
        a_task("b"),
        a_task("only-a", after=("a",)),
        a_task("far-a", after=("only-a",)),
        a_task("both", after=("far-a", "b")),
        a_task("free"),
    )
    skipped = [outcome(name, "skipped") for name in ("only-a", "far-a", "both")]
    said = explain(a_run(failure("a"), failure("b"), *skipped, outcome("free")), leaves)
    assert [root.task for root in said.roots] == ["a", "b"]
    assert [(group.because, group.tasks) for group in said.skipped] == [
        (("a",), ("only-a", "far-a")),
        (("a", "b"), ("both",)),
    ]
    assert (said.reason, said.failed, said.kept) == ("failed", 2, 1)


def test_a_dependency_on_a_later_task_is_followed_too():
    leaves = leaves_of(a_task("first", after=("last",)), a_task("last"))
    said = explain(a_run(outcome("first", "skipped"), failure("last")), leaves)
    assert said.skipped[0].because == ("last",)


def test_tasks_that_the_program_does_not_have_are_explained_without_it():
    said = explain(a_run(failure("new"), outcome("newer", "skipped")), ())
    assert said.roots[0].task == "new"
    assert (said.skipped[0].because, said.skipped[0].count) == ((), 1)


def test_a_root_says_what_it_came_from_its_attempts_and_where_its_files_are():
    error = ErrorInfo(
        code="GEN-TASK",
        message="no input",
        category="resource",
        causes=(Cause(type="builtins.OSError", message="gone", code="ENOENT"),),
    )
    task = outcome(
        "a", "failed", error=error, attempts=2, history=(make_attempt(1), make_attempt(2, message="no input"))
    )
    (root,) = explain(a_run(task), leaves_of(a_task("a")), folders={"a": "/files/a"}).roots
    assert (root.category, root.causes[0].code, root.attempts, len(root.history)) == ("resource", "ENOENT", 2, 2)
    assert root.files == "/files/a"


def test_what_to_mend_is_the_errors_own_hint_or_what_its_code_means():
    (step,) = explain(a_run(failure("a", hint="start the service")), ()).next_steps
    assert step == "start the service"
    assert "access to the language model" in explain(a_run(failure("a", "GEN-MODEL-AUTH")), ()).next_steps[0]


def test_the_same_advice_is_given_once():
    said = explain(a_run(*(failure(name, hint="start it") for name in "abc")), ())
    assert said.next_steps == ("start it",)
    assert said.command == "genesis resume r-1"


def test_what_could_not_be_tried_is_said_where_another_agent_would_have_helped():
    (leaf,) = leaves_of(a_task("a"))
    alone = explain(a_run(failure("a", "GEN-SERVICE")), [leaf]).roots[0]
    assert alone.tried == ("no other agent may take it over",)
    with_others = leaf.model_copy(update={"fallbacks": ("second", "third")})
    task = failure("a", "GEN-SERVICE", history=(make_attempt(1, "second"),))
    assert explain(a_run(task), [with_others]).roots[0].tried == (
        "not asked, since they could not take it over: third",
    )
    assert explain(a_run(failure("a", "GEN-TASK-EXIT")), [leaf]).roots[0].tried == ()


def test_waiting_for_a_circuit_breaker_is_something_that_was_tried():
    said = explain(a_run(failure("a", "GEN-BREAKER-OPEN", "waited in vain")), ()).roots[0]
    assert said.tried == ("worker was waited for: its circuit breaker is open",)


def test_what_is_mended_in_the_plan_says_where_a_resume_reads_it():
    said = explain(a_run(failure("a", "GEN-TASK-TIMEOUT", hint="give it more with `timeout_s`")), (), ledger="/l/r-1")
    assert said.next_steps == (
        "give it more with `timeout_s`",
        "what the plan says, a resume reads from /l/r-1/run.json",
    )


@pytest.mark.parametrize(
    ("state", "code", "reason", "step"),
    [
        ("failed", "GEN-DEADLINE", "deadline", "a resume has the whole deadline again"),
        ("failed", "GEN-RESOURCE", "stopped", "free some space"),
    ],
)
def test_a_run_that_stopped_says_why_and_what_helps(state, code, reason, step):
    error = ErrorInfo(code=code, message="that is why", hint="free some space")
    said = explain(a_run(outcome("a"), outcome("b", "cancelled"), state=state, error=error), (), ledger="/l/r-1")
    assert (said.reason, said.summary, said.cancelled) == (reason, "that is why", 1)
    assert said.next_steps[0].startswith(step)


@pytest.mark.parametrize(("state", "reason"), [("cancelled", "cancelled"), ("awaiting_approval", "waiting")])
def test_a_run_without_an_error_is_explained_by_its_state(state, reason):
    said = explain(a_run(outcome("a", "cancelled"), state=state, error=None), ())
    assert (said.reason, said.next_steps, said.command) == (reason, (), "genesis resume r-1")


def test_a_run_that_waits_for_people_names_the_orders_and_the_command_that_delivers_the_first():
    order = outcome("a b", "briefed").model_copy(update={"result": {"brief": "/f/x y/brief.md"}})
    said = explain(a_run(order, outcome("c", "briefed"), outcome("d"), state="briefed", error=None), ())
    assert (said.reason, said.kept) == ("briefed", 1)
    assert said.summary == "2 work orders for people are not delivered yet: a b, c"
    assert said.command == "genesis deliver r-1 'a b' --result '/f/x y/result.json'"
    assert len(said.next_steps) == 1


def test_a_run_whose_orders_are_all_delivered_is_to_be_resumed():
    said = explain(a_run(outcome("a"), outcome("b", "pending"), state="briefed", error=None), ())
    assert (said.summary.startswith("all work orders are delivered"), said.command) == (True, "genesis resume r-1")


@pytest.mark.parametrize(
    ("code", "state", "hint"),
    [
        ("GEN-BUDGET", "budget_exceeded", "genesis resume r-1 --budget 5.00"),
        ("GEN-DEADLINE", "failed", "genesis resume r-1 --deadline 20"),
    ],
)
def test_a_spent_bound_is_raised_by_the_command_that_goes_on(code, state, hint):
    error = ErrorInfo(code=code, message="that is why", hint=hint)
    assert explain(a_run(outcome("a", "cancelled"), state=state, error=error), ()).command == hint


def test_a_refused_run_is_not_to_be_resumed():
    error = ErrorInfo(code="GEN-SECURITY", message="it asks for secrets")
    said = explain(a_run(state="refused", error=error), ())
    assert (said.reason, said.command) == ("refused", "")


def test_an_interrupted_run_needs_nothing_but_a_resume():
    error = ErrorInfo(code="GEN-RUN-INTERRUPTED", message="its process ended", hint="run: genesis resume r-1")
    said = explain(a_run(outcome("a"), outcome("b", "pending"), error=error), ())
    assert (said.reason, said.next_steps, said.kept) == ("interrupted", (), 1)


def test_a_plan_that_could_not_start_shows_what_the_check_found():
    found = Diagnostic(code="GEN-SECRET-MISSING", severity="error", message="no key", hint="set KEY")
    error = ErrorInfo(code="GEN-PLAN-INVALID", message="the plan has 1 error")
    said = explain(a_run(outcome("a", "pending"), error=error, findings=(found,)), ())
    assert (said.reason, said.findings, said.next_steps) == ("invalid", (found,), ("set KEY",))


def test_a_run_of_many_failures_is_explained_in_a_bounded_size():
    names = [f"t{number}" for number in range(500)]
    leaves = leaves_of(*(a_task(name) for name in names), a_task("end", after=tuple(names)))
    said = explain(a_run(*(failure(name) for name in names), outcome("end", "skipped")), leaves)
    assert (said.failed, len(said.roots)) == (500, 20)
    assert (said.skipped[0].failed, len(said.skipped[0].because)) == (500, 10)
    assert len(said.model_dump_json()) < 20_000
