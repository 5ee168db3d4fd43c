"""One private Prefect server for the whole test session, shared by all of its processes."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_KEPT = ("GENESIS_TEST_ROOT", "GENESIS_TEST_MODELS", "GENESIS_AUDIT_NESTED")
_ROOT = Path(os.environ.setdefault("GENESIS_TEST_ROOT", tempfile.mkdtemp(prefix="genesis-tests-")))

# Before Prefect is imported anywhere: nothing of the person who runs the tests is read or written.
for _name in [name for name in os.environ if name.startswith(("PREFECT_", "GENESIS_")) and name not in _KEPT]:
    del os.environ[_name]
# A command that may keep no bytecode compiles all that it imports, each time: a third of its processor time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ |= {
    "PREFECT_HOME": str(_ROOT / "prefect"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "GENESIS_HOME": str(_ROOT / "genesis"),
    "GENESIS_SERVER__START_TIMEOUT_S": "240",  # beside other work a machine of two cores may take long
    "DO_NOT_TRACK": "1",
}


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of each collection of garbage: one takes a second with them."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the shared server, once, in the process that started the others."""
    if hasattr(session.config, "workerinput"):
        return
    import shutil

    from genesis.server import down
    from genesis.settings import Settings

    down(Settings())
    shutil.rmtree(_ROOT, ignore_errors=True)


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Keep what a command in this process does to the environment from the tests after it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[object]:
    """The shared server, started by whoever needs it first."""
    from genesis.flows.connection import connected
    from genesis.prefect_api.drain import drain
    from genesis.server import ensure_api
    from genesis.settings import Settings

    api = ensure_api(Settings())
    with connected(api):
        yield api
    drain(api.api_url, print)


@pytest.fixture
def workbench(prefect_api: object, tmp_path: Path) -> Iterator[object]:
    """Runs programs on the shared server, with a ledger of the test's own."""
    from genesis.testing.prefect import Workbench

    return Workbench(tmp_path)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A real PostgreSQL for this process, started by whoever needs it first; a test makes its own database in it."""
    from genesis.testing.services import ServiceMissingError, postgres

    try:
        with postgres(tmp_path_factory.mktemp("postgres")) as service:
            yield service
    except ServiceMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A real Redis server for this process, started by whoever needs it first."""
    from genesis.testing.services import ServiceMissingError, redis

    try:
        with redis(tmp_path_factory.mktemp("redis")) as service:
            yield service
    except ServiceMissingError as error:
        pytest.skip(str(error))
