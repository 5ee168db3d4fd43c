"""What the benches do with a Prefect server; a whole fleet of theirs is in `tests/chaos/test_chaos.py`."""

import os

import pytest

from bench.noop import SIDES, run_side
from bench.server import Server, cpu_s, private_environment
from genesis.server import server_process
from genesis.settings import Settings

pytestmark = pytest.mark.server


@pytest.fixture
def bench_server(prefect_api, tmp_path):
    """The shared server, for processes with homes of their own."""
    password = os.environ["PREFECT_API_AUTH_STRING"]
    reach = {"PREFECT_API_URL": prefect_api.api_url, "PREFECT_API_AUTH_STRING": password}
    environment = private_environment(tmp_path) | reach
    return Server(server_process(Settings()), environment)


def test_the_processor_time_of_a_server_is_read(bench_server):
    assert cpu_s(bench_server.pid) > 0


@pytest.mark.parametrize("side", SIDES)
def test_each_side_completes_its_tasks(side, bench_server):
    found = run_side(side, 6, bench_server)
    assert found["completed"] == 6
    assert found["window_s"] > 0
    assert found["whole_cpu_s"] >= found["window_cpu_s"] > 0
