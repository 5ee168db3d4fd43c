import asyncio
import subprocess
import sys

import pytest

from bench.orchestrator import run_plan
from bench.plans import chains_plan, registry
from bench.processes import family
from bench.stack import Deployment, Worker, private_stack, use


@pytest.mark.server
def test_stack_runs_a_plan_on_warm_workers_and_leaves_nothing():
    with private_stack(sqlite=True) as stack:
        pools = [pool.name for pool in stack.sync(registry({"kind": "rehearsal", "scale": 0})).pools]
        worker = stack.genesis_worker("w", pools)
        stack.wait_for_workers(dict.fromkeys(pools, "w"))
        found = run_plan(stack, chains_plan(8))
        assert (found["state"], found["completed"], found["flow_runs"]) == ("completed", 8, 2)
        assert found["window_s"] > 0
        assert 30 < found["peak_mb"] < 1_000
        assert set(stack.cpu_s()) == {"server", "w"}
        port = stack.api_url
        stack.kill_server()
        assert not [one for one in family(stack.server_pid) if one.lives()]
        stack.start_server()
        assert stack.api_url == port
        stack.deploy([Deployment("noop", "stock", "bench.noflow.noop", "stock")])
        with use(stack):
            assert asyncio.run(_pool_type("stock")) == "process"
        home = stack.home
    assert not home.exists()
    assert worker.process.poll() is not None


async def _pool_type(name):
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        return (await client.read_work_pool(name)).type


def test_worker_that_does_not_end_is_killed_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.stack._END_S", 0.2)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    process.stdout.readline()
    worker = Worker("stubborn", process, tmp_path / "log")
    worker.end()
    assert process.returncode == -9
    assert worker.last_lines() == ""
    worker.end()
    process.stdout.close()
