"""What a person sees of a report, in a real browser that reaches nothing: by eye, by keyboard, without its script."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from genesis.ledger import Moments
from genesis.model import Attempt, ErrorInfo, Moment, Outcome, Run
from genesis.report import Evidence, report_page
from genesis.report.explain import explain
from genesis.testing import a_program, a_task

playwright = pytest.importorskip("playwright.sync_api", reason="the browser test needs Playwright")

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)
_HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><b>bold</b>"
_WIDTHS = (400, 1280)

# Texts whose contrast with the ground below them is less than WCAG 2.1 asks for at level AA, with the ratio.
_FAINT = """() => {
  const rgb = c => { const n = (c.match(/[\\d.]+/g) || []).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (c.startsWith('rgb') && rgb(c)[3] === 1) return rgb(c); } return [255, 255, 255, 1]; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || e instanceof SVGElement) continue;
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([e.outerHTML.slice(0, 120), ratio]);
  }
  return found;
}"""
# Controls without a name, images without a text, ids twice, and boxes that scroll but cannot be reached by keyboard.
_UNNAMED = """() => {
  const found = [];
  for (const e of document.querySelectorAll('a,button,input,select,summary')) {
    const said = e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length);
    if (!said) found.push(['no name', e.outerHTML.slice(0, 120)]);
  }
  for (const e of document.querySelectorAll('svg'))
    if (!e.querySelector('title') || !e.getAttribute('aria-labelledby')) found.push(['no title', 'svg']);
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  ids.filter((id, n) => ids.indexOf(id) !== n).forEach(id => found.push(['twice', id]));
  for (const e of document.querySelectorAll('body *')) {
    const scrolls = ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1;
    if (scrolls && e.tabIndex < 0 && e.checkVisibility()) found.push(['cannot be reached', e.outerHTML.slice(0, 120)]);
  }
  return found;
}"""


def _at(seconds: float) -> datetime:
    return _START + timedelta(seconds=seconds)


def _outcome(group: int, number: int) -> Outcome:
    start, path = 5.0 * group + number % 7, f"part-{group}/task-{number:02d}"
    if group == 9:
        return Outcome(id=path, agent="worker", state="skipped")
    broken = group == 8 and number == 3
    tries = tuple(
        Attempt(number=n, agent="worker", started_at=_at(start + n), ended_at=_at(start + n + 0.6), code="GEN-TASK",
                message="it broke: " + "badly " * 40)
        for n in range(3 if number % 5 == 3 else 0)
    )  # fmt: skip
    return Outcome(
        id=path,
        agent=("worker", "painter", "writer")[number % 3],
        state="failed" if broken else ("cached" if number == 7 else "completed"),
        attempts=len(tries) + 1,
        started_at=_at(start),
        ended_at=_at(start + 4 + number % 3),
        history=tries,
        result=None if broken else {"summary": f"{number} found", "report": f"# Found\n\n- {_HOSTILE}\n" * 20},
        error=ErrorInfo(code="GEN-TASK", message=_HOSTILE + "w" * 300, hint="fix it") if broken else None,
        usd=Decimal(number) / 100,
        tokens=100 * number,
    )


@pytest.fixture(scope="module")
def two_hundred() -> Evidence:
    """A run of 200 tasks with repeats, a failure, and what was skipped because of it."""
    groups = [
        a_task(
            f"part-{group}",
            *(
                a_task(f"task-{number:02d}", description=f"Do it {_HOSTILE} " + "word " * 200, after=after)
                for number in range(20)
                for after in ((f"task-{number - 7:02d}",) if number > 6 else (),)
            ),
            after=(f"part-{group - 1}",) if group else (),
        )
        for group in range(10)
    ]
    program = a_program(*groups, request=f"Build it, {_HOSTILE} and " + "tell about it " * 60)
    outcomes = tuple(_outcome(group, number) for group in range(10) for number in range(20))
    run = Run(
        run_id="20260101-120000-abcdef", correlation_id="c-1", state="failed", planner="file", started_at=_at(0),
        ended_at=_at(60), duration_s=60, cost_usd=Decimal(17), tasks=outcomes, ui_url="http://127.0.0.1:1/runs/x",
        error=ErrorInfo(code="GEN-RUN-FAILED", message="1 task failed"),
    )  # fmt: skip
    moments = [Moment(at=_at(0), kind="started", subject=run.run_id)]
    moments += [
        Moment(at=_at(7 * n), kind=kind, subject="agent worker", text="5 failures in a row " + _HOSTILE)
        for n, kind in enumerate(("breaker_opened", "breaker_half_open", "breaker_closed"), 1)
    ]
    evidence = Evidence(run, program, _at(99), moments=Moments(moments=tuple(moments)), ledger="/ledger/" + "x" * 200)
    return dataclasses.replace(evidence, explanation=explain(run, program.leaves))


@pytest.fixture(scope="module")
def file(two_hundred: Evidence, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "run.html"
    raw = report_page(two_hundred).encode()
    assert len(raw) < 2_000_000
    path.write_bytes(raw)
    return path.as_uri()


@pytest.fixture
def opened(browser: Any, file: str) -> Iterator[Any]:
    """Open the report, and see at the end that it asked for nothing and complained about nothing."""
    contexts, asked, complaints = [], [], []

    def open_it(width: int = 1280, scheme: str = "light", **more: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert set(asked) == {file}
    assert complaints == []


@pytest.mark.parametrize("width", _WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read_in_light_and_dark(opened, width, scheme):
    page = opened(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_FAINT) == []
    assert page.evaluate(_UNNAMED) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_what_people_and_agents_wrote_is_text(opened):
    page = opened()
    assert page.title().startswith("failed: Build it, </script><img")
    assert page.locator("img, b >> text=bold").count() == 0
    assert page.locator("#why pre").first.inner_text().startswith(_HOSTILE)


def test_the_timeline_shows_attempts_the_critical_path_and_breakers(opened):
    page = opened()
    assert page.locator("#timeline .leaf").count() == 200
    assert page.locator("#timeline .leaf.crit").count() >= 9
    box = page.locator("#timeline .leaf >> nth=3").locator(".bar.tried").first.bounding_box()
    assert box["width"] > 2
    assert box["height"] > 8
    assert [mark.get_attribute("aria-label") for mark in page.locator("#timeline a.m").all()] == [
        "breaker opened: agent worker", "breaker half open: agent worker", "breaker closed: agent worker",
    ]  # fmt: skip
    row = page.locator("#timeline .leaf").first
    row.hover()
    assert row.locator(".tip").is_visible()
    page.keyboard.press("Escape")
    assert not row.locator(".tip").is_visible()


def test_everything_can_be_reached_by_keyboard_and_seen(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_label("Words").fill("part-3/")  # a step paints the page anew: twenty tasks have all kinds of controls
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    wanted = page.evaluate(
        """() => [...document.querySelectorAll('a[href],button,input,select,summary,[tabindex="0"]')]
            .filter(e => e.checkVisibility()).length"""
    )
    reached = page.evaluate("() => { window.seen = new Set(); addEventListener('focusin', e => seen.add(e.target)); }")
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
    reached = page.evaluate("seen.size")
    assert reached >= wanted - 1 > 50  # the first is where it began
    page.get_by_label("Words").fill("")
    link = page.locator("#timeline .leaf .name a").first
    link.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.locator("#timeline .leaf .tip").first.is_visible()
    page.keyboard.press("Enter")
    assert page.locator("#t0").evaluate("each => each.open")


def test_tasks_can_be_filtered_and_sorted(opened):
    page = opened()
    page.get_by_label("State", exact=True).select_option("failed")
    assert page.get_by_role("status").inner_text() == "1 of 200 tasks shown"
    assert page.locator("#timeline .leaf:visible").count() == 1
    assert page.locator(".tasks tbody tr:visible").count() == 1
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Words").fill("PART-3/task-01")
    assert page.locator("details.task:visible").count() == 1
    page.get_by_label("Words").fill("")
    cost = page.locator(".tasks thead").get_by_role("button", name="Cost")
    cost.click()
    cost.click()
    assert page.locator(".tasks thead th[aria-sort]").get_attribute("aria-sort") == "descending"
    assert page.locator(".tasks tbody tr").first.locator("td >> nth=6").inner_text() == "$0.19"


def test_it_can_be_read_without_its_script(opened):
    page = opened(java_script_enabled=False)
    assert not page.locator("#filter").is_visible()
    assert page.locator("#timeline .leaf").first.is_visible()
    page.locator("#t0 > summary").click()
    assert page.locator("#t0 dl").is_visible()
    assert page.locator("thead button").count() == 0


def test_it_can_be_printed(opened):
    page = opened(scheme="dark")
    assert len(page.pdf()) > 10_000
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
