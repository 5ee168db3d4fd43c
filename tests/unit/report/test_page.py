"""The page of a report: whole, harmless and bounded, whatever the run is."""

import base64
import dataclasses
import hashlib
import html
import re
from html.parser import HTMLParser

import pytest

from genesis.model import Alternative, Diagnostic, Report, Route, ScoreParts
from genesis.report import report_page
from genesis.report.explain import explain
from genesis.testing import a_task

HOSTILE = "</script><img src=x onerror=alert(1)>\"'`&<style>*{}</style><!--\x00\u202e שלום 👩\u200d💻 ]]>"
VOID = {"meta", "br", "input", "img", "link"}


class Page(HTMLParser):
    """Reads a page, and complains about what does not nest."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.said = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.said.append(data)

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.said).split())


def check(evidence):
    """Read the page of a run, and check what holds for all of them."""
    raw = report_page(evidence)
    page = Page(raw)
    assert len(page.ids) == len(set(page.ids))
    links = {attrs["href"] for attrs in page.named("a") if "href" in attrs}
    assert {link[1:] for link in links if link.startswith("#")} <= set(page.ids)
    assert all(link.startswith(("#", "http")) for link in links)
    described = {value for _, attrs in page.tags for name, value in attrs.items() if name == "aria-describedby"}
    assert described <= set(page.ids)
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert not {"src", "srcset", "data", "action"} & {name for _, attrs in page.tags for name in attrs}
    assert not {"img", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    assert (len(page.named("script")), len(page.named("style")), len(page.named("h1"))) == (1, 1, 1)
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.named("th"))
    assert page.named("html")[0]["lang"] == "en"
    assert "\x00" not in raw
    raw.encode()
    return page


@pytest.fixture
def failed(evidence_of, an_outcome, a_moment):
    tasks = [
        a_task("build", a_task("api"), a_task("web", after=("api",))),
        a_task("ship", after=("build",)),
        a_task("tell", after=("ship",)),
    ]
    outcomes = [
        an_outcome("build/api", 0, 3, result={"summary": "seven found"}, usd="0.5", tokens=120),
        an_outcome("build/web", 4, 9, "failed", tries=[(4, 5), (6, 9)], error="it broke badly", attempts=2),
        an_outcome("ship", state="skipped"),
        an_outcome("tell", state="skipped"),
    ]
    moments = [
        a_moment("started", 0),
        a_moment("breaker_opened", 5, "agent worker", "was closed: 5 failures in a row"),
        a_moment("other_agent", 6, "build/web", "worker failed; other took it over"),
        a_moment("ended", 9, text="failed"),
    ]
    evidence = evidence_of(tasks, outcomes, state="failed", end=9, moments=moments, ui_url="http://127.0.0.1:1/runs/x")
    said = explain(evidence.run, evidence.program.leaves, ledger="/ledger/r-1")
    parts = ScoreParts(success=0.9, quality=0.8, cost=1, time=0.7)
    finding = Diagnostic(code="GEN-PLAN-WIDE", severity="warning", message="it is wide", hint="make it narrow")
    report = Report(ok=True, score=0.87, parts=parts, diagnostics=(finding,))
    return dataclasses.replace(evidence, explanation=said, check=report)


def test_everything_that_is_known_is_on_the_page(failed):
    page = check(failed)
    for said in (
        "do it", "r-1", "c-1", "2026-01-01 12:00:00", "1 of 4", "$0.50", "120 tokens",
        "it broke badly", "2 tasks skipped because of build/web", "genesis resume r-1",
        "was closed: 5 failures in a row", "other took it over", "the test says so", "quality 0.87", "make it narrow",
        "build/api", "seven found", "a plan file", "/ledger/r-1", "The plan did not change", "critical",
    ):  # fmt: skip
        assert said in page.text, said
    assert {"href": "http://127.0.0.1:1/runs/x", "rel": "noreferrer"} in page.named("a")
    assert [attrs["class"] for attrs in page.named("div") if "crit" in attrs.get("class", "")] == ["row leaf crit"] * 2


def test_a_rehearsal_is_marked_and_costs_are_shown_only_where_they_are_known(evidence_of, an_outcome):
    evidence = evidence_of((a_task("a"),), (an_outcome("a", 0, 1, usd=0),), end=2)
    rehearsal = dataclasses.replace(evidence, run=evidence.run.model_copy(update={"rehearsal": 0.5}))
    text = report_page(rehearsal)
    assert "<title>Rehearsal, completed: do it</title>" in text
    assert "Report of a rehearsal of Genesis" in text
    assert "no agent runs; timers take 0.5 of the estimated time" in text
    assert "$" not in text.split("<main", 1)[1].split("<script", 1)[0]
    assert "Rehearsal" not in report_page(evidence)
    assert "$0.00" in report_page(evidence)
    unknown = evidence_of((a_task("a"),), (an_outcome("a", 0, 1),), end=2)
    assert "$" not in report_page(unknown).split("<main", 1)[1].split("<script", 1)[0]


def test_what_was_not_selected_is_on_the_page(evidence_of, an_outcome):
    evidence = evidence_of((a_task("a"),), (an_outcome("a", 0, 1),), end=2)
    selected = dataclasses.replace(evidence, run=evidence.run.model_copy(update={"left_out": ("b", "c/d")}))
    assert "Not selected for this run: b, c/d" in check(selected).text
    assert "Not selected" not in report_page(evidence)


def test_nothing_is_loaded_and_no_script_runs_but_the_pages_own(failed):
    raw = report_page(failed)
    (policy,) = (html.unescape(found) for found in re.findall(r'Content-Security-Policy" content="([^"]+)"', raw))
    (script,) = re.findall(r"<script>(.*?)</script>", raw, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert re.findall(r"url\(|@import|//[a-z]+\.", re.findall(r"<style>(.*?)</style>", raw, re.DOTALL)[0]) == []


def test_hostile_text_is_text_wherever_it_comes_from(evidence_of, an_outcome, a_moment):
    tasks = [a_task("a", description=HOSTILE + "x" * 5_000, type=HOSTILE), a_task("b", a_task("c", description="שלום"))]
    outcomes = [
        an_outcome("a", 0, 2, "failed", tries=[(0, 2)], error=HOSTILE, note=HOSTILE, agent=HOSTILE),
        an_outcome("b/c", 0, 2, result={HOSTILE: [HOSTILE, {"n": HOSTILE + "\n" + HOSTILE}], "m": "two\nlines"}),
    ]
    moments = [a_moment("waits", 1, HOSTILE, HOSTILE), a_moment("breaker_opened", 1, f"host {HOSTILE}", HOSTILE)]
    evidence = evidence_of(
        tasks, outcomes, state="failed", end=2, moments=moments, request=HOSTILE * 3, ui_url="javascript:alert(1)"
    )
    hostile = Route(
        agent="worker", score=1, reason=HOSTILE, alternatives=(Alternative(agent=HOSTILE, score=0.1, reason=HOSTILE),)
    )
    source = evidence.program.source.model_copy(update={"routes": {"a": hostile, "b/c": hostile}})

    program = evidence.program.model_copy(update={"source": source})
    said = explain(evidence.run, program.leaves, ledger=HOSTILE)
    page = check(dataclasses.replace(evidence, program=program, explanation=said, large={"a": HOSTILE}))
    assert "<img src=x onerror=alert(1)>" in page.text
    assert "שלום" in page.text
    assert "👩\u200d💻" in page.text
    assert "\u202e" not in page.text


@pytest.mark.parametrize(
    "state",
    ["pending", "running", "completed", "failed", "cancelled", "refused", "awaiting_approval", "budget_exceeded"],
)
def test_a_run_of_one_task_in_any_state_has_a_page(evidence_of, an_outcome, state):
    outcome = an_outcome("a", state="pending")
    page = check(evidence_of([a_task("a")], [outcome], state=state, start=None if state == "pending" else 0))
    assert state.replace("_", " ") in page.text
    assert "No task has started." in page.text


def test_a_large_result_is_cut_and_says_where_the_whole_is(evidence_of, an_outcome):
    tasks = [a_task("a"), a_task("b")]
    outcomes = [
        an_outcome("a", 0, 1, result="y" * 60_000),
        an_outcome("b", 0, 1, result_ref="results/00001-b.json"),
    ]
    page = check(evidence_of(tasks, outcomes, end=1, large={"b": "it begins so"}))
    assert "/ledger/r-1/results/00001-b.json" in page.text
    assert "it begins so" in page.text
    assert "y" * 20_000 in page.text
    assert "y" * 20_001 not in page.text


def test_two_hundred_tasks_at_their_worst_take_less_than_two_megabytes(evidence_of, an_outcome):
    tasks = [
        a_task(f"group-{g}", *(a_task(f"task-{n}", description="🙂<" * 2_500) for n in range(20))) for g in range(10)
    ]
    outcomes = [
        an_outcome(
            f"group-{g}/task-{n}", n, n + 9, "failed", tries=[(n + i / 10, n + i / 10 + 0.05) for i in range(20)],
            error="&" * 50_000, result="<" * 60_000, note="&" * 5_000,
        )
        for g in range(10) for n in range(20)
    ]  # fmt: skip
    evidence = evidence_of(tasks, outcomes, state="failed", end=40, request="🙂" * 5_000)
    raw = report_page(evidence)
    assert len(raw.encode()) < 2_000_000
    check(evidence)


def test_a_thousand_tasks_make_a_page_that_opens(evidence_of, an_outcome):
    tasks = [a_task(f"t{n}", after=tuple(f"t{k}" for k in range(max(0, n - 30), n))) for n in range(1_000)]
    evidence = evidence_of(tasks, [an_outcome(f"t{n}", n, n + 1) for n in range(1_000)], end=1_000)
    page = check(evidence)
    assert len(page.named("details")) >= 1_000
    assert len(report_page(evidence).encode()) < 4_000_000


def test_the_same_run_gives_the_same_page(failed):
    assert report_page(failed) == report_page(failed)


def test_a_resumed_run_shows_the_pause(evidence_of, an_outcome, a_moment):
    tasks = [a_task("a"), a_task("b", after=("a",))]
    moments = [a_moment("started", 0), a_moment("ended", 15), a_moment("resumed", 3600), a_moment("ended", 3605)]
    outcomes = [an_outcome("a", 0, 10), an_outcome("b", 3600, 3605)]
    page = check(evidence_of(tasks, outcomes, start=3600, end=3605, moments=moments))
    assert "nothing ran for 59 min 45 s" in page.text
    assert "the last of 2 times" in page.text
