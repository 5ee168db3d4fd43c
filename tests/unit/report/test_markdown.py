"""Pages for people: complete, bounded, and with nothing in them that a stranger wrote as markup."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from genesis.model import Diagnostic, ErrorInfo, Outcome, Report, Run, ScoreParts
from genesis.report.markdown import (
    plan_markdown,
    progress_markdown,
    report_markdown,
    routing_rows,
    run_markdown,
)
from genesis.report.picture import Picture
from genesis.testing import a_plan, a_program, a_task, an_agent, route_to
from genesis.text.markdown import escape_markdown

HOSTILE = (
    "**b** | `c` <img src=x onerror=alert(1)> [l](javascript:alert(2)) ![i](http://h/p.png)\n"
    "# H1\n```\nfence\n| a | b |\n\n- \u202egnp \\ ~~s~~ &lt;i&gt; <!-- c -->"
)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
PARTS = ScoreParts(success=0.8, quality=0.7, cost=1.0, time=0.5)


def _plan_page(program) -> str:
    return plan_markdown(program, Picture(program))


def _run(*outcomes: Outcome, state="completed", **more) -> Run:
    return Run(
        run_id="r-1", correlation_id="c", state=state, planner="file", cost_usd=Decimal(0), tasks=outcomes, **more
    )


def _run_page(run, *, said=None, files=()) -> str:
    program = a_program(*(a_task(outcome.id) for outcome in run.tasks))
    return run_markdown(run, Picture(program), said=said or {}, files=files)


def _unescape(page: str) -> str:
    """Take out what is escaped, data and the text of fences; what is left is what a renderer takes for markup."""
    page = re.sub(r"```text\n.*?\n```", "", page, flags=re.DOTALL)
    return re.sub(r"\(data:[^)]*\)", "()", re.sub(r"\\[!-/:-@\[-`{-~]", "", page))


def _assert_plain(page: str) -> None:
    rest = _unescape(page)
    for markup in ("<", "![i", "](javascript", "](http", "# H1", "~~", "&", "\u202e", "```"):
        assert markup not in rest, (markup, rest)


def test_markup_is_escaped_and_stays_readable():
    text = escape_markdown(HOSTILE)
    assert "\n" not in text
    assert "\u202e" not in text
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text) == " ".join(HOSTILE.replace("\u202e", "").split())


def test_a_cell_has_a_length():
    assert len(escape_markdown("|" * 10_000)) <= 600


def test_the_plan_has_its_request_picture_tree_and_tasks():
    program = a_program(
        a_task("a", description="First", estimate={"seconds": 90}),
        a_task("c", a_task("x"), a_task("y", after=("x",)), after=("a",), description="Both"),
        a_task("z", after=("c",)),
        request="Do it all",
        planner="heuristic",
        planner_note="heuristic: playbook x",
    )
    page = _plan_page(program)
    assert "**Request:** Do it all" in page
    assert "4 tasks for 1 agent · at least 2 min of work as estimated" in page
    assert "Planned by the **heuristics**: playbook x" in page
    assert "![Picture: the tasks and what each comes after](data:image/svg+xml;base64," in page
    tree = page.split("```text\n")[1].split("\n```")[0].splitlines()
    assert tree == [
        "├─ a: First",
        "├─ c (after a): Both",
        "│  ├─ x: x",
        "│  └─ y (after x): y",
        "└─ z (after c): z",
    ]
    assert "| a | worker | 2 min | – |" in page
    assert "| c/x | worker | – | a |" in page
    assert "| z | worker | – | c/y |" in page


@pytest.mark.parametrize("level", ["llm", "minimal", "file"])
def test_each_level_is_named(level):
    assert "Planned" in _plan_page(a_program(a_task("a"), planner=level))


def test_a_hostile_plan_is_plain_text():
    program = a_program(
        a_task("a_b_c", description=HOSTILE), a_task("d", description="```", after=("a_b_c",)), request=HOSTILE
    )
    page = _plan_page(program)
    _assert_plain(page)
    assert "a\\_b\\_c" in page
    assert page.count("```") == 2


def test_many_names_are_counted():
    names = [f"t{i}" for i in range(9)]
    page = _plan_page(a_program(*(a_task(name) for name in names), a_task("end", after=tuple(names))))
    assert "| end | worker | – | t0, t1, t2 and 6 more |" in page
    assert "end (after t0, t1, t2 and 6 more): end" in page


def test_a_plan_without_a_picture_says_so():
    page = _plan_page(a_program(*(a_task(f"t{i}") for i in range(100))))
    assert "data:image" not in page
    assert "too large or too plain for a picture" in page


def test_summed_up_boxes_are_explained():
    page = _plan_page(a_program(a_task("p", *(a_task(f"w{i}") for i in range(70))), a_task("q")))
    assert "Each box stands for the tasks of one part of the plan." in page


def test_the_pages_of_a_thousand_long_tasks_are_bounded():
    tasks = [a_task(f"{'x' * 150}-{i}", description="many words | " * 100, after=()) for i in range(1000)]
    program = a_program(*tasks, request="r" * 5000)
    page = _plan_page(program)
    assert len(page) < 250_000
    assert re.search(r"… and \d+ more; the run's ledger has them all\.", page)
    rows = routing_rows(program)
    assert sum(len(value) for row in rows for value in row.values()) < 200_000
    assert rows[-1]["task"] == f"… and {1000 - (len(rows) - 1)} more"
    failed = [
        Outcome(id=leaf.path, agent="worker", state="failed", error=ErrorInfo(code="X", message="m|" * 3000))
        for leaf in program.leaves
    ]
    page = run_markdown(_run(*failed, state="failed"), Picture(program), said={}, files=[("f" * 999, "p" * 999)] * 900)
    assert len(page) < 250_000
    assert "… and 880 more; the folder of the run has them all." in page
    page = progress_markdown(program, dict(enumerate(failed)), Picture(program))
    assert "- … and 980 more failed" in page
    assert len(page) < 100_000


def test_routing_rows_say_who_why_and_who_else():
    routed, registry = route_to(a_plan(a_task("a")), an_agent("ann"), an_agent("bob"))
    route = routed.routes["a"].model_copy(update={"reason": HOSTILE, "score": None})
    program = a_program(a_task("a"), agents=tuple(registry.agents))
    source = program.source.model_copy(update={"routes": {"a": route}})
    (row,) = routing_rows(program.model_copy(update={"source": source}))
    assert row["agent"] == "ann"
    assert row["score"] == ""
    assert "\n" not in row["reason"]
    assert "\u202e" not in row["reason"]


def _find(severity, number=1, **more):
    fields = {"code": f"GEN-{severity.upper()}", "severity": severity, "message": "something is wrong", **more}
    return [Diagnostic(**fields)] * number


def test_a_report_shows_the_worst_first():
    report = Report(
        ok=False,
        score=0.5,
        parts=PARTS,
        diagnostics=(*_find("info"), *_find("warning"), *_find("error", hint="fix it")),
    )
    page = report_markdown(report)
    assert page.startswith("**The plan cannot run: 1 error.** Quality 0.50 of 1: success 0.80, quality 0.70,")
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Errors (1)",
        "## Warnings (1)",
        "## Notes (1)",
    ]
    assert "- **GEN-ERROR**: Something is wrong. *Fix it.*" in page


def test_an_empty_report_says_so():
    page = report_markdown(Report(ok=True, score=1.0, parts=PARTS))
    assert page.startswith("**The plan can run.**")
    assert "Nothing was found." in page


def test_a_long_report_is_bounded_and_hostile_findings_are_text():
    found = _find("error", 700, message=HOSTILE) + _find("warning", 2000, message="w" * 400, hint="h" * 400)
    page = report_markdown(Report(ok=False, score=0.0, parts=PARTS, diagnostics=tuple(found)))
    assert len(page) < 150_000
    assert "`genesis validate` shows them all" in page
    _assert_plain(page)


def test_progress_counts_and_lists_what_runs_and_failed():
    program = a_program(*(a_task(name) for name in "abcd"))
    outcomes = {
        0: Outcome(id="a", agent="worker", state="completed"),
        1: Outcome(id="b", agent="worker", state="running"),
        2: Outcome(id="c", agent="worker", state="failed", error=ErrorInfo(code="X", message=HOSTILE, hint="retry")),
    }
    page = progress_markdown(program, outcomes, Picture(program))
    assert page.startswith("█████░░░░░░░░░░░░░░░ **1 of 4 done** · 1 completed · 1 running · 1 failed · 1 pending")
    assert "![Picture: the state of each task](data:" in page
    assert "- running: **b** (worker)" in page
    assert "- failed: **c** (worker): \\*\\*b\\*\\*" in page
    assert "*Retry.*" in page
    _assert_plain(page)


def test_a_rehearsal_is_marked_on_each_page():
    program = a_program(a_task("a"))
    mark = "**Rehearsal: no agent runs; timers take 0.5 of the estimated time.**\n"
    assert plan_markdown(program, Picture(program), rehearse=0.5).startswith(mark)
    assert progress_markdown(program, {}, Picture(program), rehearse=0.5).startswith(mark)
    outcome = Outcome(id="a", agent="worker", state="completed", usd=Decimal(0))
    page = _run_page(_run(outcome, rehearsal=0.5))
    assert page.startswith(mark)
    assert "$" not in page


def test_the_tree_has_the_edges_of_references():
    program = a_program(a_task("a", outputs=("x",)), a_task("b", inputs={"p": "{a.x}"}))
    assert "└─ b (after a (x)): b" in _plan_page(program)


def test_the_result_of_a_good_run_shows_what_it_left():
    outcome = Outcome(
        id="a", agent="worker", state="completed", attempts=1, started_at=NOW, ended_at=NOW + timedelta(seconds=2.31)
    )
    page = _run_page(
        _run(outcome, duration_s=3.04), said={"a": "427 files | many"}, files=[("From a", "/tmp/a_report_.md")]
    )
    assert page.startswith("**Completed** after 3 s · 1 completed")
    assert "- From a: /tmp/a\\_report\\_.md" in page
    assert "| a | worker | completed | 1 | 2.3 s | 427 files \\| many |" in page
    assert "resume" not in page
    assert "What failed" not in page


def test_the_result_of_a_failed_run_says_why_and_how_to_go_on():
    failed = Outcome(id="a", agent="worker", state="failed", attempts=2, error=ErrorInfo(code="X", message=HOSTILE))
    skipped = Outcome(id="b", agent="worker", state="skipped", error=ErrorInfo(code="S", message="'a' did not finish"))
    error = ErrorInfo(code="GEN-RUN-FAILED", message="1 task failed: 'a'", hint="fix the cause and resume")
    page = _run_page(_run(failed, skipped, state="failed", error=error))
    assert "1 task failed: 'a'. *Fix the cause and resume.*" in page
    assert "Continue with it: `genesis resume r-1`" in page
    assert "## What failed" in page
    assert "| b | worker | skipped | 0 | – | 'a' did not finish |" in page
    _assert_plain(page)


def test_commands_and_finished_sentences_stay_as_they_are():
    error = ErrorInfo(code="X", message="Why not?", hint="run: genesis doctor")
    page = _run_page(_run(Outcome(id="a", agent="w"), state="budget_exceeded", error=error))
    assert page.startswith("**Budget exceeded**")
    assert "Why not? *run: genesis doctor*" in page


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.02, "\\< 0.1 s"),
        (2.34, "2.3 s"),
        (9.0, "9 s"),
        (42.4, "42 s"),
        (89, "1 min"),
        (3599, "1 h"),
        (5400, "1 h 30 min"),
        (7200, "2 h"),
    ],
)
def test_durations_are_said_as_people_do(seconds, shown):
    outcome = Outcome(id="a", agent="w", state="completed", started_at=NOW, ended_at=NOW + timedelta(seconds=seconds))
    assert f"| completed | 0 | {shown} |" in _run_page(_run(outcome))


def test_a_plan_says_what_was_not_selected():
    selection = {"select": ["a"], "left_out": ["b", "c/d"]}
    page = _plan_page(a_program(a_task("a"), selection=selection))
    assert "**Not selected for this run:** b, c/d" in page
    assert "Not selected" not in _plan_page(a_program(a_task("a")))
