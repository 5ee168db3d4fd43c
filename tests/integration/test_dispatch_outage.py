"""The server goes away while children are out: nothing fails, nothing is judged from what is stale."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from genesis.testing import Wire

sys.path.insert(0, str(Path(__file__).parent))

from manual_run import Run

pytestmark = pytest.mark.server


@contextmanager
def use_wire():
    """Make Prefect's clients of this test go through a wire."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        Wire(urlsplit(PREFECT_API_URL.value()).port) as wire,
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{wire.port}/api"}),
    ):
        yield wire


async def test_an_outage_fails_nothing_and_records_are_found_meanwhile(prefect_api, tmp_path, monkeypatch):
    from prefect.client.orchestration import get_client

    monkeypatch.setattr("genesis.prefect_api.client._REPORT_AFTER_S", 0.5)
    async with get_client() as direct:
        run = Run(direct, tmp_path)
        first, second, third = run.leaves
        async with AsyncExitStack() as opened:
            wire = opened.enter_context(use_wire())
            place = await opened.enter_async_context(await run.place())
            running = [asyncio.create_task(place.run(leaf)) for leaf in (first, second)]
            children = [await run.begin(leaf) for leaf in (first, second)]
            await asyncio.sleep(0.5)
            wire.cut()
            late = asyncio.create_task(place.run(third))
            await run.record(first, children[0])
            assert (await asyncio.wait_for(running[0], 30)).state == "completed"
            await asyncio.sleep(4.0)
            assert place._api.away_since is not None
            assert not running[1].done()
            assert not late.done()
            wire.join()
            await run.end(second, children[1])
            started = time.monotonic()
            assert (await running[1]).state == "completed"
            assert time.monotonic() - started < 20
            await run.end(third, await run.child_of(third))
            assert (await late).state == "completed"
    away, back = [text for text in run.said if "API" in text]
    assert "does not answer" in away
    assert "answers again" in back
