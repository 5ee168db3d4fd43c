"""Attacks on what people read in a browser: links that run code, markup and tables of a stranger."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from genesis.agents.brief import work_order
from genesis.agents.contract import Work
from genesis.ledger import Moments
from genesis.ledger.deliverables import Deliverable, work_orders
from genesis.model import AgentProfile, ErrorInfo, Outcome, Run
from genesis.report import Evidence, report_page
from genesis.report.markdown import plan_markdown, run_markdown
from genesis.report.picture import Picture
from genesis.testing import a_program, a_task
from genesis.text.html import escape_html, link_address
from genesis.text.markdown import escape_document, escape_markdown

LINKS = {
    "javascript": "[x](javascript:alert(1))",
    "capitals": "[x](JaVaScRiPt:alert(1))",
    "data": "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "data-picture": "[x](data:image/svg+xml,<svg onload=alert(1)>)",
    "vbscript": "[x](vbscript:msgbox(1))",
    "file": "[x](file:///etc/passwd)",
    "space": "[x]( \tjavascript:alert(1))",
    "next-line": "[x](\njavascript:alert(1))",
    "angle": "[x](<javascript:alert(1)>)",
    "angle-space": "[x](< javascript:alert(1)>)",
    "angle-tab": "[x](<&#106;ava\tscript:alert(1)>)",
    "reference": "[x](&#x6A;avascript:alert(1))",
    "reference-without-end": "[x](&#106avascript:alert(1))",
    "colon": "[x](javascript&colon;alert(1))",
    "tab-reference": "[x](java&Tab;script:alert(1))",
    "backslash": "[x](javascript\\:alert(1))",
    "escaped-bracket": "[x\\\\](javascript:alert(1))",
    "definition": "[x]\n\n[x]: javascript:alert(1)",
    "definition-next-line": "[x]\n\n[x]:\njavascript:alert(1)",
    "control": "[x](\x01javascript:alert(1))",
    "zero-width": "[x](java\u200bscript:alert(1))",
    "autolink": "<javascript:alert(1)>",
    "picture-link": "[![p](data:image/png;base64,AA)](javascript:alert(1))",
    "blob": "[x](blob:https://h/1)",
    "intent": "[x](intent://x#Intent;end)",
}
MARKUP = {
    "row": "a | b\n| forged | row |",
    "cells": "a | completed | 1 |",
    "heading": "a\n# Forged",
    "html": "<img src=x onerror=alert(1)>",
    "comment": "<!-- a",
    "picture": "![p](http://h/track.png)",
    "fence": "a\n```\nout",
    "link": "[click](https://evil.example)",
    "bare": "https://evil.example",
    "strike": "~~gone~~",
    "rule": "a\n---",
    "entity": "&lt;script&gt;",
    "mention": "@all #1",
    "bold": "**The plan can run**",
    "list": "- a\n- b",
    "setext": "a\n===",
    "task-list": "- [x] done",
}
DEAD = re.compile(r"\]\\[(:]|&lt;")


def is_live(page):
    """Whether a reader of Markdown finds a link whose address is not for reading."""
    plain = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    for found in re.finditer(r"\][(:]\s*(<[^>]*>?|[^\s)]*)", plain):
        before = plain[: found.start()]
        escapes = len(before) - len(before.rstrip("\\"))
        picture = re.search(r"!\[[^\[\]]*$", before)
        address = re.sub(r"[\s\x00-\x20\\<>]", "", found[1]).lower()
        safe = re.match(r"https?:|mailto:|[./#\w-]*$", address) or (picture and address.startswith("data:image/"))
        if escapes % 2 == 0 and not (safe and address):
            return True
    return "<javascript" in plain.lower()


@pytest.mark.parametrize("text", LINKS.values(), ids=LINKS)
def test_a_report_has_no_link_that_runs_code(text):
    assert is_live(text)
    assert not is_live(escape_document(text))


@pytest.mark.parametrize("field", ["request", "description", "type"])
@pytest.mark.parametrize("text", LINKS.values(), ids=LINKS)
def test_a_work_order_has_no_link_that_runs_code(text, field, tmp_path):
    fields = {"request": "Do it", "description": "Do it", "type": "content", field: text}
    more = {"run_id": "r", "correlation_id": "c", "path": "a", "folder": tmp_path, "outputs": ("x",)}
    order = work_order(Work(**fields, **more, inputs={"k": text}, agent=AgentProfile(name="w")))
    outside = re.sub(r"`+[^`]*`+", "", order)
    assert not is_live(outside)
    (tmp_path / "brief.md").write_text(order)
    page = work_orders([Deliverable("a", "brief", tmp_path / "brief.md", True)])
    assert not is_live(re.sub(r"`+[^`]*`+", "", page))


@pytest.mark.parametrize(
    "text",
    [
        "[x](https://docs.python.org/3/)",
        "[x](notes/a.md#part)",
        "[x](../b.md)",
        "[x](mailto:me@h.test)",
        "[1]: https://h.test/a",
        "![p](data:image/png;base64,AA==)",
        "| a | b |\n|---|---|\n| c | d |",
        "# Title\n\n- item\n- `code`\n\n```sh\necho '[x](javascript:0)'\n```",
        "def f(x: list[int]) -> int: ...",
        "see [2] and [3], a[i] (b)",
    ],
)
def test_an_honest_report_stays_as_it_is(text):
    assert escape_document(text) == text


def _run(text):
    failed = ErrorInfo(code="GEN-TASK", message=text, hint=text)
    outcome = Outcome(id="a", agent="w", state="failed", error=failed)
    return Run(
        run_id="r",
        correlation_id="c",
        state="failed",
        planner="file",
        tasks=(outcome,),
        error=failed,
        cost_usd=Decimal(0),
    )


def _structure(page):
    """Return what a reader of Markdown takes for structure: lines that begin a block, and cells of each line."""
    page = re.sub(r"\(data:[^)]*\)", "()", re.sub(r"```text.*?```", "", page, flags=re.DOTALL))
    return re.sub(r"\\[!-/:-@\[-`{-~]", "", page)


@pytest.mark.parametrize("text", [*MARKUP.values(), *LINKS.values()], ids=[*MARKUP, *LINKS])
def test_an_artifact_has_the_structure_of_the_template(text):
    program = a_program(a_task("a", description=text), request=text)
    pages = (
        plan_markdown(program, Picture(program)),
        run_markdown(_run(text), Picture(program), said={}, files=[(text, text)]),
    )
    plain = a_program(a_task("a", description="x"), request="x")
    models = (
        plan_markdown(plain, Picture(plain)),
        run_markdown(_run("x"), Picture(plain), said={}, files=[("x", "x")]),
    )
    for page, model in zip(pages, models, strict=True):
        shown, wanted = _structure(page), _structure(model)
        assert shown.count("\n") == wanted.count("\n")
        assert shown.count("|") == wanted.count("|")
        for mark in ("<", "](", "![", "~~", "\n#", "\n- ", "**", "```", "://"):
            assert shown.count(mark) == wanted.count(mark), mark


def evidence(text="x", address=None):
    program = a_program(a_task("a", description=text), request=text)
    run = _run(text).model_copy(update={"ui_url": address})
    return Evidence(run, program, datetime(2026, 1, 1, tzinfo=UTC), moments=Moments(), ledger=text)


class _Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.links = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "vbscript:x",
        "file:///etc/passwd",
        "\x01javascript:alert(1)",
        "ht\u200btp-x:y",
        "javascript://https://x/%0aalert(1)",
        "http:javascript:alert(1)",
        "blob:http://x",
    ],
)
def test_the_page_links_web_addresses_only(address, monkeypatch):
    assert not [link for link in _Tags(report_page(evidence(address=address))).links if not link.startswith("#")]


def test_the_page_links_the_address_of_the_ui():
    assert "http://127.0.0.1:1/runs/x" in _Tags(report_page(evidence(address="http://127.0.0.1:1/runs/x"))).links
    assert link_address("https://h.test/x") == "https://h.test/x"


@pytest.mark.parametrize("text", [*MARKUP.values(), '"><script>alert(1)</script>', "' onclick='x", "a\x1b[31m\u202eb"])
def test_the_page_has_the_tags_of_its_template(text):
    page, model = _Tags(report_page(evidence(text=text))), _Tags(report_page(evidence(text=re.sub("[^\n]", "x", text))))
    assert page.tags == model.tags
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", report_page(evidence(text=text)))


def test_without_the_defence_the_attacks_reach_the_page(monkeypatch):
    monkeypatch.setattr("genesis.text.markdown.has_safe_scheme", lambda _address: True)
    assert is_live(escape_document(LINKS["javascript"]))
    assert escape_markdown(MARKUP["cells"]) != MARKUP["cells"]
    assert escape_html("<b>") == "&lt;b&gt;"
