"""Faults, and what it takes to inject them: a service that misbehaves, agents of all kinds, and a place to run them."""

import gc
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

_LEFT_BY_PREFECT = ("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
"""Prefect leaves HTTP connections of its own to the garbage collector (it asks for the default result storage)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bear what Prefect leaves, in the tests of this folder that need it."""
    for item in items:
        if "tests/faults/" in item.nodeid and item.get_closest_marker("server"):
            for warning in _LEFT_BY_PREFECT:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture
def _collected() -> Iterator[None]:
    """Collect it here, where it is borne, and not in whichever test comes next in this process."""
    yield
    gc.collect()


class Service(http.server.ThreadingHTTPServer):
    """A web service on loopback that does at each path what a test wrote down."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.does: dict[str, object] = {}
        """By path: a list of answers `(status, headers, body)`, the last again and again; or a function of the handler
        that may do anything to the connection."""
        self.asked: list[str] = []
        self.released = threading.Event()

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Service

    def _any(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        todo = self.server.does[path]
        if callable(todo):
            todo(self)
            return
        status, headers, body = todo.pop(0) if len(todo) > 1 else todo[0]
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _any

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    """A web service that a test tells how to misbehave."""
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def unused_url() -> str:
    """An address on loopback where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/work"


@pytest.fixture
def bench(prefect_api: object, tmp_path: Path, _collected: None) -> object:
    """Runs programs for real on the shared Prefect server, with short pauses between attempts."""
    from genesis.settings import Settings
    from genesis.testing.prefect import Workbench

    settings = Settings(home=tmp_path / "home")
    run = settings.run.model_copy(update={"retry_delay_s": 0.01})
    return Workbench(tmp_path / "ledger", settings.model_copy(update={"run": run}))
