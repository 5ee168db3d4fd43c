"""How the explanation of a run looks on a terminal."""

from datetime import UTC, datetime, timedelta

import pytest

from genesis.cli.explanation import explanation_view
from genesis.model import Attempt, Cause, Diagnostic
from genesis.report.explain import Explanation, RootCause, Skipped

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_attempt(number, agent="worker", message="it broke"):
    start = START + timedelta(seconds=10 * number)
    ended = start + timedelta(seconds=2)
    return Attempt(number=number, agent=agent, started_at=start, ended_at=ended, code="GEN-TASK", message=message)


def a_root(task="a", **more):
    known = {"agent": "worker", "code": "GEN-TASK", "category": "network", "message": "it broke", "attempts": 1}
    return RootCause(task=task, mend="fix it", **known | more)


@pytest.fixture
def view(shown):
    def lines(explanation, *, short=False, width=80):
        return [line.rstrip() for line in shown(explanation_view(explanation, short=short), width).splitlines()]

    return lines


def explain(*roots, **more):
    known = {"reason": "failed", "summary": "1 task failed", "failed": len(roots), "command": "genesis resume r-1"}
    return Explanation(roots=roots, **known | more)


def test_one_failure_with_all_that_was_skipped_fits_in_a_few_lines(view):
    skipped = Skipped(because=("a",), failed=1, count=30, tasks=tuple(f"s{n}" for n in range(10)))
    root = a_root(history=(make_attempt(1),))
    assert view(explain(root, skipped=(skipped,), next_steps=("fix it",), kept=1)) == [
        "✗ a: it broke  GEN-TASK",
        "  1 attempt by worker, 12:00:10 UTC (2.0 s)",
        "– 30 tasks skipped that depend on a: s0, s1, s2, s3, s4 and 25 more",
        "To continue: (1 task done before is kept)",
        "  1. fix it",
        "  2. genesis resume r-1",
    ]


def test_repeats_that_went_the_same_way_are_one_sentence(view):
    root = a_root(attempts=3, history=(make_attempt(1), make_attempt(2), make_attempt(3)))
    assert view(explain(root))[1] == "  3 attempts by worker, 12:00:10 UTC (22 s), all with this error"


def test_attempts_that_went_differently_are_listed(view):
    root = a_root(
        attempts=4,
        history=(make_attempt(1, "first", "no answer"), make_attempt(2, "first", "no answer"), make_attempt(3)),
    )
    assert view(explain(root))[1:4] == [
        "  4 attempts by first, worker",
        "  2×  12:00:10 UTC (12 s)   first   no answer",
        "  1×  12:00:30 UTC (2.0 s)  worker  it broke",
    ]
    assert view(explain(root), short=True)[1:3] == ["  4 attempts by first, worker", "To continue:"]


def test_an_attempt_without_a_record_has_the_time_of_its_end(view):
    root = a_root(history=(make_attempt(1).model_copy(update={"started_at": None}),))
    assert view(explain(root))[1] == "  1 attempt by worker, 12:00:12 UTC (0.0 s)"


def test_where_it_came_from_and_where_its_files_are_is_said(view):
    cause = Cause(type="builtins.FileNotFoundError", message="no file /x")
    root = a_root(causes=(cause,), files="/runs/r-1/files/00000-a", tried=("no other agent may take it over",))
    text = "\n".join(view(explain(root)))
    assert "from FileNotFoundError: no file /x" in text
    assert "no other agent may take it over" in text
    assert "its files: /runs/r-1/files/00000-a" in text
    assert "its files" not in "\n".join(view(explain(root), short=True))


def test_a_cause_that_the_message_tells_already_is_not_repeated(view):
    root = a_root(message="cannot start: no file /x", causes=(Cause(type="OSError", message="no file /x"),))
    assert not any("from OSError" in line for line in view(explain(root)))


def test_many_failures_are_cut_and_counted(view):
    lines = view(explain(*(a_root(f"t{n}") for n in range(20)), failed=27))
    assert sum(line.startswith("✗") for line in lines) == 10
    assert "… and 17 more that failed, in --json" in lines
    short = view(explain(*(a_root(f"t{n}") for n in range(20)), failed=27), short=True)
    assert "… and 24 more that failed, in --json" in short


def test_what_a_run_stopped_for_comes_first(view):
    lines = view(explain(reason="budget", summary="the budget is spent: $2 of $1", cancelled=3))
    assert lines[0] == "the budget is spent: $2 of $1"
    assert "– 3 tasks cancelled or not started because the run stopped" in lines


def test_findings_of_the_check_are_shown_with_what_to_do(view):
    found = Diagnostic(code="GEN-SECRET-MISSING", severity="error", message="no key", hint="set KEY")
    lines = view(explain(reason="invalid", summary="the plan has 1 error: no key", findings=(found,)))
    assert lines[:3] == ["The pre-flight check found:", "GEN-SECRET-MISSING  no key", " " * 20 + "→ set KEY"]


def test_the_command_is_a_line_of_its_own(view):
    assert view(explain())[-1] == "  genesis resume r-1"
    assert not any("resume" in line for line in view(explain(command="", next_steps=("start anew",))))


def test_hostile_and_long_texts_stay_text(view):
    root = a_root(message="[bold]x[/] " + "y" * 5000, attempts=0)
    text = "".join(view(explain(root)))
    assert "[bold]x[/]" in text
    assert len(text) < 1000


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(view, width):
    skipped = Skipped(because=("a" * 30, "b" * 30), failed=2, count=9, tasks=("c" * 30,) * 9)
    root = a_root(message="m" * 300, history=(make_attempt(1, "x" * 20), make_attempt(2)), attempts=2, files="/f" * 40)
    lines = view(explain(root, skipped=(skipped,), next_steps=("do " * 60,)), width=width)
    assert max(map(len, lines)) <= width
