"""One private Prefect server for the whole test session, shared by all of its processes."""

import fcntl
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import certifi
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from forked import ForkingProcess

_KEPT = ("GENESIS_TEST_ROOT", "GENESIS_TEST_MODELS", "GENESIS_AUDIT_NESTED")
_ROOT = Path(os.environ.get("GENESIS_TEST_ROOT") or tempfile.mkdtemp(prefix="genesis-tests-"))
os.environ["GENESIS_TEST_ROOT"] = str(_ROOT)
_AUTHORITY = _ROOT / "authority.pem"
"""One certificate authority in place of more than a hundred: reading all takes each HTTP client 0.05 s."""
_MIGRATED = _ROOT / "migrated" / "prefect.db"
"""An empty database of Prefect's, from which each new server starts: migrations take half of a first start."""

# Before Prefect is imported anywhere: nothing of the person who runs the tests is read or written.
for _name in [name for name in os.environ if name.startswith(("PREFECT_", "GENESIS_")) and name not in _KEPT]:
    del os.environ[_name]
# A command that may keep no bytecode compiles all that it imports, each time: a third of its processor time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if not _AUTHORITY.exists():
    _end = "-----END CERTIFICATE-----\n"
    _AUTHORITY.write_text(Path(certifi.where()).read_text("utf-8").partition(_end)[0] + _end)
os.environ |= {
    "SSL_CERT_FILE": str(_AUTHORITY),
    "PREFECT_HOME": str(_ROOT / "prefect"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "GENESIS_HOME": str(_ROOT / "genesis"),
    "GENESIS_SERVER__START_TIMEOUT_S": "240",  # beside other work a machine of two cores may take long
    "DO_NOT_TRACK": "1",
    # Servers that this process starts have one password, so that tests of other processes need not look for it.
    "PREFECT_API_AUTH_STRING": f"genesis:of-the-tests-{_ROOT.name}",
}


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of each collection of garbage: one takes a second with them."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let servers that a test starts in this process begin with a migrated database."""
    from genesis.server import lifecycle, spawn

    lifecycle.spawn = _spawn_migrated if item.get_closest_marker("server") else spawn.spawn


def _spawn_migrated(files, **more):
    from genesis.server import spawn

    if not files.password_file.exists():
        files.password_file.write_text(os.environ["PREFECT_API_AUTH_STRING"])
    if not files.database.exists() and more["backends"].postgres is None:
        with (_ROOT / "migrated.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _MIGRATED.exists():
                _migrate()
        shutil.copy(_MIGRATED, files.database)
    return spawn.spawn(files, **more)


def _migrate() -> None:
    """Make the migrated database; it appears when it is whole."""
    _MIGRATED.parent.mkdir()
    making = _MIGRATED.with_suffix(".making")
    environment = {
        **os.environ,
        "PREFECT_HOME": str(_MIGRATED.parent),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{making}",
    }
    words = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
    subprocess.run(words, env=environment, check=True, capture_output=True)
    making.rename(_MIGRATED)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the shared server, once, in the process that started the others."""
    if hasattr(session.config, "workerinput"):
        return
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
def forking_process() -> Iterator[ForkingProcess]:
    """What most commands and fork servers are forked from."""
    process = ForkingProcess()
    yield process
    process.close()


@pytest.fixture
def warm_fork_servers(forking_process, monkeypatch):
    """Fork the fork servers of this process's workers from a process that has imported what they import."""
    from genesis.workers import fork_client

    def start(command, *, env, **_):
        control, *modules = command[command.index("-c") + 2 :]
        return forking_process.start_fork_server(modules, control=int(control), environment=env)

    monkeypatch.setattr(fork_client, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": start}))
    return forking_process


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[object]:
    """The shared server, started by whoever needs it first."""
    from genesis.flows.connection import connect
    from genesis.prefect_api.drain import drain
    from genesis.server import ensure_api
    from genesis.settings import Settings

    api = ensure_api(Settings())
    with connect(api):
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
def migrated_database(postgres_server: object, forking_process: ForkingProcess) -> Callable[[str], str]:
    """Make databases with Prefect's tables, as copies of one that is migrated once, and return their URLs."""
    from genesis.server import Backends

    backends = Backends.of(postgres=postgres_server.create_database("migrated"))
    environment = {**os.environ, "PREFECT_API_DATABASE_CONNECTION_URL": backends.postgres.sqlalchemy_url}
    words = ["server", "database", "upgrade", "--yes"]
    made = forking_process.run(words, cwd=_ROOT, environment=environment, timeout=200, program="prefect")
    assert made.returncode == 0, made.stderr

    def copy(name: str) -> str:
        postgres_server.execute(f'CREATE DATABASE "{name}" OWNER genesis TEMPLATE migrated')
        return postgres_server.database_url(name)

    return copy


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A real Redis server for this process, started by whoever needs it first."""
    from genesis.testing.services import ServiceMissingError, redis

    try:
        with redis(tmp_path_factory.mktemp("redis")) as service:
            yield service
    except ServiceMissingError as error:
        pytest.skip(str(error))
