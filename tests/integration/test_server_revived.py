"""The embedded server dies while only a worker runs."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from genesis.server import revive, status
from genesis.settings import Settings
from genesis.testing.prefect import prefect_server

sys.path.insert(0, str(Path(__file__).parent))

from worker_fleet import FOLDER, Fleet, until

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]


async def test_a_worker_has_a_server_that_died_started_again(tmp_path, monkeypatch, warm_fork_servers):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    settings = Settings(home=tmp_path / "home")
    with prefect_server(settings.home) as api:

        async def restart_server() -> bool:
            return await asyncio.to_thread(revive, settings, api.api_url)

        async with get_client() as client:
            fleet = Fleet(client, tmp_path, warm_fork_servers)
            try:
                pool = await fleet.pool()
                deployment = await fleet.deploy("agent_task", pool)
                await fleet.serve(pool, restart_server=restart_server)
                first = status(settings)
                os.kill(first.pid, signal.SIGKILL)
                await until(lambda: any("started again" in text for text in fleet.said), seconds=200)
                await fleet.reach(await fleet.start(deployment), "Completed")
                assert status(settings).port == first.port
            finally:
                await fleet.close()
