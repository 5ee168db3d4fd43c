"""What a person sees of a run in the Prefect UI, in a real browser."""

from __future__ import annotations

import base64
import ipaddress
import os
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the browser test needs Playwright")

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(180)]

_PATIENCE_S = 45.0

PLAN = {
    "version": 1,
    "request": "Look around and tell",
    "tasks": [
        {
            "id": "look",
            "description": "Look around",
            "subtasks": [
                {"id": "left", "type": "walk", "description": "Look to the left <b>now</b> | `here`"},
                {"id": "right", "type": "walk", "description": "Look to the right"},
            ],
        },
        {"id": "ask", "type": "question", "description": "Ask somebody", "depends_on": ["look", "tell"]},
        {"id": "tell", "type": "walk", "description": "Tell", "depends_on": ["look"]},
    ],
}
AGENTS = {
    "agents": [
        {"name": "walker", "task_types": ["walk"], "executor": {"kind": "command", "argv": ["sleep", "0.5"]}},
        {"name": "asker", "task_types": ["question"], "executor": {"kind": "brief"}},
    ]
}
NAMES = {"walker · look/left", "walker · look/right", "asker · ask", "walker · tell"}

# Where a canvas shows a colour: the middle of each patch, with its size.
_PATCHES = """async ([data, [red, green, blue], near]) => {
  const image = await createImageBitmap(await (await fetch('data:image/png;base64,' + data)).blob());
  const {width, height} = image, canvas = new OffscreenCanvas(width, height), pen = canvas.getContext('2d');
  pen.drawImage(image, 0, 0);
  const raw = pen.getImageData(0, 0, width, height).data, seen = new Uint8Array(width * height), found = [];
  const fits = at => !seen[at] && Math.abs(raw[4 * at] - red) <= near && Math.abs(raw[4 * at + 1] - green) <= near
    && Math.abs(raw[4 * at + 2] - blue) <= near;
  for (let start = 0; start < seen.length; start++) {
    if (!fits(start)) continue;
    const stack = [start], box = [width, height, 0, 0];
    seen[start] = 1;
    while (stack.length) {
      const at = stack.pop(), x = at % width, y = (at - x) / width;
      box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
      for (const next of [x ? at - 1 : at, x < width - 1 ? at + 1 : at, at - width, at + width])
        if (next >= 0 && next < seen.length && fits(next)) { seen[next] = 1; stack.push(next); }
    }
    found.push([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0] + 1, box[3] - box[1] + 1]);
  }
  return found;
}"""
_DIFFERENCES = """async ([one, other]) => {
  const pixels = await Promise.all([one, other].map(async data => {
    const image = await createImageBitmap(await (await fetch('data:image/png;base64,' + data)).blob());
    const pen = new OffscreenCanvas(image.width, image.height).getContext('2d');
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, image.width, image.height).data;
  }));
  let count = 0;
  for (let at = 0; at < pixels[0].length; at += 4)
    if (Math.abs(pixels[0][at] - pixels[1][at]) + Math.abs(pixels[0][at + 1] - pixels[1][at + 1]) > 40) count++;
  return count;
}"""
_COMPLETED = (33, 157, 75)
"""The green of a finished task in the graph."""
_LEAST_BAR = 8
_STRIP = 30
"""At the bottom the graph has a strip for the run as a whole."""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that reaches this machine alone, and that has given the server's password."""
    context = browser.new_context(viewport={"width": 1400, "height": 1100}, service_workers="block")
    context.set_default_timeout(1000 * _PATIENCE_S)
    given = base64.b64encode(os.environ["PREFECT_API_AUTH_STRING"].encode()).decode()
    context.add_init_script(f"localStorage.setItem('prefect-password', '{given}')")
    context.route("**/*", lambda route: route.continue_() if _is_here(route.request.url) else route.abort())
    yield context.new_page()
    context.close()


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme in ("data", "blob"):
        return True
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _until(ask: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + _PATIENCE_S
    while not (answer := ask()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return answer


def _shot(locator: Any) -> str:
    return base64.b64encode(locator.screenshot()).decode()


def _steady(canvas: Any) -> str:
    """Return the canvas once it no longer moves."""
    last = ""

    def again() -> str:
        nonlocal last
        before, last = last, _shot(canvas)
        return last if last == before else ""

    return _until(again, "the graph came to rest")


def _bars(page: Any, canvas: Any) -> list[tuple[float, float]]:
    """Return the beginning of each task's bar on the page, once all are drawn and nothing moves.

    Clicks further on can go to the bar behind it in the same row.
    """
    box = canvas.bounding_box()

    def count_drawn() -> list[tuple[float, float]]:
        patches = page.evaluate(_PATCHES, [_steady(canvas), _COMPLETED, 10])
        bars = [
            (box["x"] + x - wide / 2 + min(wide / 2, _LEAST_BAR), box["y"] + y)
            for x, y, wide, high in patches
            if min(wide, high) >= _LEAST_BAR and y < box["height"] - _STRIP
        ]
        return bars if len(bars) > len(NAMES) else []

    return _until(count_drawn, "the graph shows a bar for each task and for the pre-flight")


def _read_details(page: Any, place: tuple[float, float]) -> str:
    """Click on a place in the graph and read what the page tells about it, until the graph takes the click."""
    panel = page.locator(".flow-run-graph-selection-panel")

    def told() -> str:
        page.mouse.click(*place)
        try:
            panel.wait_for(timeout=1200)
        except playwright.TimeoutError:  # the click ended an earlier choice
            return ""
        return panel.inner_text()

    text = _until(told, f"the graph told about what is at {place}")
    panel.locator("button").first.click()
    panel.wait_for(state="hidden")
    return text


def _open_run(page: Any, url: str) -> dict[str, Any]:
    """Open a run's page when the server knows all of it, and give the nodes that the page draws.

    The last states reach the server a moment after the run has ended.
    """
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer) if "/graph-v2" in answer.url else None)

    def whole() -> dict[str, Any]:
        answers.clear()
        page.goto(url)
        _until(lambda: answers or page.wait_for_timeout(50), "the page asked for the graph")
        nodes = dict(answers[-1].json()["nodes"])
        known = {node["label"] for node in nodes.values() if node["state_type"] == "COMPLETED"}
        return nodes if known > NAMES else {}

    return _until(whole, "the server knows the whole graph")


def _open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).or_(page.get_by_text(name, exact=True)).first.click()


def _picture(page: Any, what: str) -> dict[str, float]:
    """Return the size of a picture once it is displayed."""
    image = page.get_by_alt_text(what)
    image.wait_for()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    return image.evaluate("image => ({wide: image.naturalWidth, shown: image.getBoundingClientRect().width})")


def test_the_runs_page_shows_its_graph_its_tasks_and_its_artifacts(running: Any, page: Any) -> None:
    plan, agents = running.write("plan.json", PLAN), running.write("agents.json", AGENTS)
    ran = running("run", plan, "--agents", agents, "--json")
    assert ran.code == 5, ran.err  # somebody is asked
    run = ran.document
    nodes = _open_run(page, run["ui_url"])
    labels = {key: node["label"] for key, node in nodes.items()}
    edges = {(labels[parent["id"]], labels[key]) for key, node in nodes.items() for parent in node["parents"]}
    assert edges == {
        ("walker · look/left", "asker · ask"),
        ("walker · look/right", "asker · ask"),
        ("walker · look/left", "walker · tell"),
        ("walker · look/right", "walker · tell"),
        ("walker · tell", "asker · ask"),
    }

    assert any("plan check · Look around and tell" in label for label in labels.values()), labels

    # The arrows are drawn: without them the graph looks different. Without them no bar is in two parts, either.
    canvas = page.locator("canvas").first
    canvas.wait_for()
    page.get_by_label("Run Graph Options").click()
    option = page.get_by_text("Hide dependency arrows")
    option.wait_for()
    _bars(page, canvas)
    with_arrows = _shot(canvas)
    option.click()
    without_arrows = _until(lambda: (shot := _steady(canvas)) != with_arrows and shot, "the arrows went away")
    assert page.evaluate(_DIFFERENCES, [with_arrows, without_arrows]) > 100
    page.get_by_label("Run Graph Options").click()
    option.wait_for(state="hidden")

    preflight, *bars = sorted(_bars(page, canvas))
    assert preflight[0] < bars[0][0]
    told = [_read_details(page, bar) for bar in bars]
    for name in NAMES:
        assert any(name in text for text in told), (name, told)

    _open_tab(page, "Task Runs")
    for name in NAMES:
        page.get_by_role("link", name=name, exact=True).first.wait_for()
    page.get_by_text("Briefed", exact=True).first.wait_for()

    _open_tab(page, "Artifacts")
    for key in ("genesis-plan", "genesis-routing", "genesis-progress", "genesis-result", "genesis-work-orders"):
        page.get_by_text(key, exact=True).first.wait_for()

    page.get_by_text("genesis-plan", exact=True).first.click()
    size = _picture(page, "Picture: the tasks and what each comes after")
    assert size["wide"] > 300
    assert size["shown"] > 300
    page.get_by_role("cell", name="look/left", exact=True).first.wait_for()
    assert "Look to the left <b>now</b> | `here`" in page.locator("code, pre").first.inner_text()

    # The new face of the UI shows the same artifact.
    page.goto(page.url.replace("/artifacts/", "/v2/artifacts/"))
    assert _picture(page, "Picture: the tasks and what each comes after")["wide"] == size["wide"]

    # A run that no deployment made cannot be retried there; its state says what continues with it.
    page.goto(run["ui_url"])
    page.locator("[class*=icon-button-menu] button, button.p-icon-button-menu").first.click()
    page.get_by_text("Change state", exact=True).first.wait_for()
    assert page.get_by_text("Retry", exact=True).count() == 0
