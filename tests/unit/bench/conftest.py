import pytest

from bench.server import private_server


@pytest.fixture(scope="session")
def bench_server():
    with private_server() as server:
        yield server
