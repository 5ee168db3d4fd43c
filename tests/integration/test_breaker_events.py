"""A breaker that opens in a run: the event on a real server, and the example automations that act on it."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.worker import EventsWorker

from genesis.engine.observers.breaker_events import BreakerEventEmitter
from genesis.flows.connection import connect
from genesis.resilience import BreakerEvent, BreakerRules
from genesis.resilience.breakers import Breakers
from genesis.settings import Settings
from genesis.testing import a_program, a_task, an_agent
from genesis.testing.prefect import Workbench, prefect_server

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

_EXAMPLE = Path(__file__).parents[2] / "deployments" / "automations" / "pause-pool.yaml"
_PATIENCE_S = 90


@pytest.fixture(scope="module")
def api(tmp_path_factory) -> Iterator[object]:
    EventsWorker.drain_all(timeout=30)  # else it would continue sending to the server of earlier tests
    with prefect_server(tmp_path_factory.mktemp("automations")) as found:
        yield found
        EventsWorker.drain_all(timeout=30)


@pytest.fixture(autouse=True)
def _on_it(api):
    with connect(api):
        yield


@pytest.fixture(scope="module")
def _automations(api, tmp_path_factory, forking_process) -> None:
    """Apply the example as its first lines say, with a shorter cooling time."""
    text = _EXAMPLE.read_text(encoding="utf-8")
    assert text.count("within: 60") == 1
    file = tmp_path_factory.mktemp("example") / _EXAMPLE.name
    file.write_text(text.replace("within: 60", "within: 10"), encoding="utf-8")
    words = ["automation", "create", "--from-file", file]
    environment = os.environ | {"PREFECT_API_URL": api.api_url}
    made = forking_process.run(words, cwd=file.parent, environment=environment, program="prefect")
    assert made.returncode == 0, made.stdout + made.stderr
    time.sleep(2)  # the server hears of them by itself


async def _pool(name: str) -> None:
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=name, type="genesis"))


async def _until_paused(name: str, *, paused: bool) -> None:
    ends = time.monotonic() + _PATIENCE_S
    async with get_client() as client:
        while (await client.read_work_pool(name)).is_paused is not paused:
            assert time.monotonic() < ends, f"the pool is not {'paused' if paused else 'resumed'}"
            await asyncio.sleep(0.2)


async def _event(name: str) -> dict[str, Any]:
    """Wait until an event can be read: the server writes them down in batches."""
    ends, wanted = time.monotonic() + _PATIENCE_S, {"filter": {"event": {"name": [name]}}}
    async with get_client() as client:
        while not (found := (await client.request("POST", "/events/filter", json=wanted)).json()["events"]):
            assert time.monotonic() < ends, f"no event {name}"
            await asyncio.sleep(0.2)
    return found[-1]


class _Down:
    async def execute(self, _work):
        raise ConnectionError("nobody answers")


@pytest.mark.usefixtures("_automations")
async def test_a_run_whose_agents_breaker_opens_pauses_its_pool_and_good_news_resume_it(tmp_path):
    await _pool("agent-first")
    agents = (an_agent("first_agent"),)
    breakers = Breakers(BreakerRules(failures=1))
    settings = Settings(home=tmp_path)
    resilience = settings.resilience.model_copy(update={"wait_s": 0.0})
    bench = Workbench(tmp_path / "ledger", settings.model_copy(update={"resilience": resilience}))
    run = await bench.run(a_program(a_task("a"), agents=agents), _Down(), breakers=breakers)
    assert run.state == "failed"
    await _until_paused("agent-first", paused=True)
    event = await _event("genesis.breaker.opened")
    assert event["resource"]["prefect.resource.id"] == "genesis.breaker.agent.first_agent"
    assert event["payload"] == {"before": "closed", "after": "open", "reason": "1 failures in a row"}
    assert "prefect.flow-run" in str(event["related"])

    announcer = BreakerEventEmitter({"first_agent": "agent-first"})
    announcer(BreakerEvent("agent first_agent", "half_open", "closed", "2 probes succeeded"))
    await _until_paused("agent-first", paused=False)


@pytest.mark.usefixtures("_automations")
async def test_a_paused_pool_is_resumed_for_a_probe_although_nobody_can_report_good_news():
    await _pool("agent-second")
    announcer = BreakerEventEmitter({"second_agent": "agent-second"})
    announcer(BreakerEvent("agent second_agent", "closed", "open", "5 failures in a row"))
    await _until_paused("agent-second", paused=True)
    await _until_paused("agent-second", paused=False)


def test_the_example_is_one_document_that_names_what_it_does():
    names = [each["name"] for each in yaml.safe_load(_EXAMPLE.read_text(encoding="utf-8"))["automations"]]
    assert len(names) == len(set(names)) == 3
    assert all(name.startswith("genesis: ") for name in names)
