import json

import pytest

from genesis.cli.telemetry import run_with_metrics, trace_command
from genesis.errors import UsageError
from genesis.observability.correlation import current
from genesis.observability.instruments import PLANS
from genesis.observability.metrics import metrics_of_process
from genesis.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture(autouse=True)
def nothing_counted():
    metrics_of_process().drain_changes()


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [
        ("mine", {"GENESIS_CORRELATION_ID": "theirs"}, "mine"),
        (None, {"GENESIS_CORRELATION_ID": "theirs"}, "theirs"),
        (None, {"BAGGAGE": "genesis.correlation_id=theirs"}, "theirs"),
        (None, {"GENESIS_CORRELATION_ID": "x" * 200}, None),
        (None, {}, None),
    ],
)
def test_the_id_is_that_of_the_call_then_of_the_environment_then_a_new_one(
    settings, monkeypatch, given, environment, found
):
    for name in ("GENESIS_CORRELATION_ID", "BAGGAGE", "TRACEPARENT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with trace_command(settings, "plan", correlation_id=given):
        bound = current().correlation_id
    assert bound == found if found is not None else len(bound) == 16


def test_an_id_that_cannot_be_used_is_said(settings):
    with (
        pytest.raises(UsageError, match="cannot be used"),
        trace_command(settings, "run", correlation_id="two\nlines"),
    ):
        pass


def test_what_a_command_counted_is_left_for_a_process_that_stays(settings, tmp_path):
    with trace_command(settings, "plan"):
        metrics_of_process().count(PLANS, "llm")
    kept = json.loads((tmp_path / "metrics.json").read_text())
    assert kept["counts"] == [["genesis_plans_total", ["llm"], 1.0]]


async def test_what_was_shown_on_a_page_is_not_left_again(settings, capsys):
    import re

    import httpx

    async def work():
        metrics_of_process().count(PLANS, "llm")
        port = int(re.search(r"127\.0\.0\.1:(\d+)/metrics", capsys.readouterr().err)[1])
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{port}/metrics")).text

    text = await run_with_metrics(work, 0)
    assert 'genesis_plans_total{planner="llm"} 1.0' in text
    assert "genesis_build_info" in text
    assert metrics_of_process().drain_changes() == {}
