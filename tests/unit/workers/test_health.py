"""The health page."""

import asyncio

import pytest

from genesis.errors import ServiceError
from genesis.observability.exposition import render_metrics
from genesis.observability.instruments import TASKS
from genesis.observability.metrics import Metrics
from genesis.workers.health import HealthPage


async def ask(port, text):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


@pytest.fixture
async def page():
    well = [True]
    metrics = Metrics()
    metrics.count(TASKS, "qa_agent", "completed")
    made = HealthPage(lambda: (well[0], {"running": 1}), lambda accept: render_metrics(metrics, accept))
    made.well = well
    made.port = await made.open("127.0.0.1", 0)
    yield made
    await made.close()


async def test_it_answers_by_how_things_are(page):
    assert (await ask(page.port, "GET /health HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 200 OK")
    page.well[0] = False
    answer = await ask(page.port, "GET /health?x=1 HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 503 Service Unavailable")
    assert answer.endswith('{"running": 1}\n')


@pytest.mark.parametrize(
    ("request_line", "start"),
    [("GET /", "HTTP/1.1 404"), ("POST /health", "HTTP/1.1 405"), ("HEAD /health", "HTTP/1.1 200")],
)
async def test_other_requests(page, request_line, start):
    assert (await ask(page.port, f"{request_line} HTTP/1.1\r\n\r\n")).startswith(start)


async def test_it_shows_the_metrics_in_the_format_that_is_asked_for(page):
    assert not page.asked
    answer = await ask(page.port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert 'genesis_tasks_total{agent="qa_agent",state="completed"} 1.0' in answer
    assert "content-type: text/plain" in answer
    assert page.asked
    answer = await ask(page.port, "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n")
    assert "content-type: application/openmetrics-text" in answer
    assert answer.endswith("# EOF\n")


@pytest.mark.parametrize("nonsense", ["hello\r\n\r\n", "x" * 9_000])
async def test_nonsense_is_hung_up_on(page, nonsense):
    assert await ask(page.port, nonsense) == ""


async def test_a_taken_port_is_said(page):
    with pytest.raises(ServiceError, match="cannot listen"):
        await HealthPage(lambda: (True, {}), lambda accept: ("", b"")).open("127.0.0.1", page.port)
