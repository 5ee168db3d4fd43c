"""What tests in one process with Prefect's client need."""

import gc
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

_LEFT_BY_PREFECT = ("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
"""Prefect leaves HTTP connections of its own to the garbage collector (it asks for the default result storage)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bear what Prefect leaves, in the tests of this folder."""
    for item in items:
        if "tests/integration/" in item.nodeid:
            for warning in _LEFT_BY_PREFECT:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect it here, where it is borne, and not in whichever test comes next in this process."""
    yield
    gc.collect()


@pytest.fixture
def warm_fork_servers(forking_process, monkeypatch):
    """Fork the fork servers of this process's workers from a process that has imported what they import."""
    from genesis.workers import fork_client

    def start(command, *, env, **_):
        control, *modules = command[command.index("genesis.workers.fork_server") + 1 :]
        return forking_process.start_fork_server(modules, control=int(control), environment=env)

    monkeypatch.setattr(fork_client, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": start}))
    return forking_process
