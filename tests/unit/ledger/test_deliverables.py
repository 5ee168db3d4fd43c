"""What a run leaves, and what of it is shown."""

import os
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from genesis.ledger.deliverables import Deliverable, deliverables, short_text, work_orders
from genesis.model import Outcome, Run
from genesis.testing import a_program, a_task
from genesis.text.markdown import escape_document


def _run(program, results, states=None, began=None) -> Run:
    states = states or {}
    return Run(
        run_id="r",
        correlation_id="c",
        state="completed",
        planner="file",
        cost_usd=Decimal(0),
        tasks=tuple(
            Outcome(
                id=leaf.path,
                agent=leaf.agent,
                state=states.get(leaf.path, "completed"),
                started_at=began or datetime.now(UTC),
                result=results.get(leaf.path),
            )
            for leaf in program.leaves
        ),
    )


def _find_named(found):
    return [(item.task, item.name, item.file.name) for item in found]


@pytest.fixture
def files(tmp_path):
    def make(name: str, text: str = "text", age_s: float = 0.0) -> str:
        path = tmp_path / name
        path.write_text(text)
        os.utime(path, (time.time() - age_s,) * 2)
        return str(path)

    return make


def test_files_of_the_last_leaves_are_found(files):
    program = a_program(a_task("a"), a_task("b", after=("a",)), a_task("c"))
    run = _run(
        program, {"a": {"x": files("a.md")}, "b": {"report": files("b.md"), "n": 3}, "c": {"out": files("c.csv")}}
    )
    assert _find_named(deliverables(run, program.leaves)) == [("b", "report", "b.md"), ("c", "out", "c.csv")]


def test_work_orders_of_all_leaves_are_found(files):
    program = a_program(a_task("a"), a_task("b", after=("a",)))
    run = _run(
        program, {"a": {"brief": files("a.md")}, "b": {"brief": files("b.md")}}, {"a": "briefed", "b": "briefed"}
    )
    found = deliverables(run, program.leaves)
    assert _find_named(found) == [("a", "brief", "a.md"), ("b", "brief", "b.md")]
    assert all(item.briefed for item in found)


def test_what_the_run_did_not_make_is_not_its_own(files):
    program = a_program(a_task("a"))
    run = _run(program, {"a": {"notes": files("private.md", age_s=60)}})
    assert deliverables(run, program.leaves) == []


def test_a_result_from_the_cache_names_an_older_file(files):
    program = a_program(a_task("a"))
    run = _run(program, {"a": {"notes": files("report.md", age_s=60)}}, {"a": "cached"})
    assert _find_named(deliverables(run, program.leaves)) == [("a", "notes", "report.md")]


def test_a_file_that_two_leaves_name_is_listed_once(files):
    program = a_program(a_task("a"), a_task("b"))
    path = files("both.md")
    run = _run(program, {"a": {"x": path}, "b": {"x": path, "y": path}})
    assert _find_named(deliverables(run, program.leaves)) == [("a", "x", "both.md")]


@pytest.mark.parametrize(
    "value", ["x", "a b\n/c.md", "/" + "x" * 2000, "no/such/file.md", "/tmp", "a\x00/b.md", 7, None, ["/etc/passwd"]]
)
def test_what_is_no_file_is_passed_over(value):
    program = a_program(a_task("a"))
    assert deliverables(_run(program, {"a": {"x": value}}), program.leaves) == []


def test_failed_leaves_and_plain_results_leave_nothing(files):
    program = a_program(a_task("a"), a_task("b"))
    run = _run(program, {"a": {"x": files("a.md")}, "b": files("b.md")}, {"a": "failed"})
    assert deliverables(run, program.leaves) == []


def test_texts_for_people_are_read_and_shortened(files, tmp_path):
    def text(name):
        return Deliverable("a", "x", tmp_path / name).text()

    files("a.md", "# hi")
    files("a.csv", "1,2")
    files("long.txt", "x" * 300_000)
    (tmp_path / "bad.md").write_bytes(b"\xff\xfeok")
    assert text("a.md") == "# hi"
    assert text("a.csv") is None
    assert text("gone.md") is None
    assert len(text("long.txt")) < 201_000
    assert text("long.txt").endswith("… it continues in the file.")
    assert text("bad.md").endswith("ok")


def test_a_summary_is_one_line():
    def said(result, state="completed"):
        return short_text(Outcome(id="a", agent="w", state=state, result=result))

    assert said({"summary": " a\n b " + "x" * 400}).startswith("a b xxx")
    assert len(said({"summary": "x" * 400})) == 300
    assert said({"summary": 3}) == said(["summary"]) == said(None) == ""
    assert said({"brief": "x"}, "briefed") == "a work order for a person was written"


def test_work_orders_are_one_page_with_smaller_headings(files, tmp_path):
    files("a.md", "# A\n\n## What\n\n```sh\n# no heading\n```\n#hash")
    files("b.md", "# B\n")
    page = work_orders(
        [Deliverable("a", "brief", tmp_path / "a.md", True), Deliverable("b", "brief", tmp_path / "b.md", True)]
    )
    assert page == ("# 2 work orders for people\n\n## A\n\n### What\n\n```sh\n# no heading\n```\n#hash\n\n---\n\n## B")


def test_many_and_long_work_orders_are_counted(files, tmp_path):
    files("a.md", "# A\n")
    files("long.md", "x" * 150_000)
    one, long = (
        Deliverable("a", "brief", tmp_path / "a.md", True),
        Deliverable("l", "brief", tmp_path / "long.md", True),
    )
    assert work_orders([one] * 60).endswith("… and 10 more, in the folder of the run.")
    page = work_orders([long, long, one])
    assert len(page) < 160_000
    assert page.endswith("… and 2 more, in the folder of the run.")
    assert work_orders([Deliverable("a", "brief", tmp_path / "gone.md", True)]).startswith("# 1 work order for people")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a <b>bold</b> <!-- x --> 1 < 2 <3", "a &lt;b>bold&lt;/b> &lt;!-- x --> 1 < 2 <3"),
        ("![x](http://h/p.png) ![y][ref]", r"!\[x](http://h/p.png) !\[y][ref]"),
        ("![x](data:image/png;base64,AA)", "![x](data:image/png;base64,AA)"),
        ("```html\n<b>![x](u)\n```\n<i>", "```html\n<b>![x](u)\n```\n&lt;i>"),
        ("~~~\n<b>\n```\n<b>\n~~~\n<i>", "~~~\n<b>\n```\n<b>\n~~~\n&lt;i>"),
        ("````\n```\n<b>\n````\n<i>", "````\n```\n<b>\n````\n&lt;i>"),
        ("``` a`b\n<i>", "``` a`b\n&lt;i>"),
        ("- ```\n  ```\n<i>", "- ```\n  ```\n&lt;i>"),
        ("> ```\n> <i>\n", "> ```\n> &lt;i>\n"),
        ("x\u2028```\n<i>", "x\u2028```\n&lt;i>"),
        ("```\n<b>\n```  \t\n<i>", "```\n<b>\n```  \t\n&lt;i>"),
        ("```\n<b>\n``` x\n<b>", "```\n<b>\n``` x\n<b>"),
        ("a\r\nb\u202ec", "a\nbc"),
    ],
)
def test_nothing_in_an_agents_text_is_fetched_or_run(text, shown):
    assert escape_document(text) == shown


def test_run_that_was_refused_before_it_began_left_nothing(files):
    program = a_program(a_task("a"))
    run = _run(program, {"a": {"x": files("a.md")}})
    assert deliverables(run, ()) == []
    assert deliverables(run.model_copy(update={"tasks": ()}), program.leaves) == []
