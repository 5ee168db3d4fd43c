"""The image's scripts: what a container is asked after follows from its command, and block types are written once."""

import importlib.util
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

_ROOT = Path(__file__).parents[3]
_TINI = ["/usr/bin/tini", "--"]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("healthcheck", _ROOT / "docker" / "healthcheck.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page():
    """A server of one page, whose path and answer can be set."""
    wanted = SimpleNamespace(path="/health", status=200, port=0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(wanted.status if self.path == wanted.path else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        wanted.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield wanted
        server.shutdown()
        thread.join()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_worker_is_asked_at_its_health_port(script, page):
    command = [*_TINI, "genesis", "worker", "--all", "--health-port", str(page.port)]
    assert script.check(command, {}) is None
    page.status = 503
    assert "503" in script.check(command, {})


def test_a_port_after_an_equals_sign_is_read_too(script, page):
    assert script.check([*_TINI, "/opt/venv/bin/genesis", "worker", f"--health-port={page.port}"], {}) is None


def test_a_worker_without_a_page_is_not_asked(script):
    assert script.check([*_TINI, "genesis", "worker", "--all"], {}) is None
    assert script.check(["prefect", "worker", "start", "--pool", "agent-qa"], {}) is None


def test_a_worker_that_does_not_answer_is_unwell(script):
    port = _free_port()
    wrong = script.check(["genesis", "worker", "--health-port", str(port)], {})
    assert f"port {port} does not answer" in wrong


def test_prefects_own_worker_is_asked_at_its_webserver(script, page):
    command = ["prefect", "worker", "start", "--pool", "agent-qa", "--with-healthcheck"]
    assert script.check(command, {"PREFECT_WORKER_WEBSERVER_PORT": str(page.port)}) is None


def test_the_api_is_asked_whether_it_reaches_its_database(script, page):
    page.path = "/api/ready"
    command = [*_TINI, "prefect", "server", "start", "--no-services", "--port", str(page.port)]
    assert script.check(command, {}) is None
    page.status = 503
    assert "503" in script.check(command, {})


def test_a_job_is_not_asked(script):
    assert script.check([*_TINI, "sh", "-ec", "genesis pools sync --yes"], {}) is None
    assert script.check([], {}) is None


def test_what_only_looks_like_a_role_is_none(script):
    assert script.check([*_TINI, "genesis", "run", "worker"], {}) is None
    assert script.check([*_TINI, "prefect", "server", "database", "upgrade"], {}) is None


_SERVICES = [*_TINI, "prefect", "server", "services", "start"]


def test_services_that_share_nothing_are_not_asked(script):
    assert script.check(_SERVICES, {}) is None
    assert script.check(_SERVICES, {"PREFECT_SERVER_DOCKET_URL": "memory://"}) is None


def test_services_without_redis_are_unwell(script):
    wrong = script.check(_SERVICES, {"PREFECT_SERVER_DOCKET_URL": f"redis://127.0.0.1:{_free_port()}/0"})
    assert wrong.startswith("Redis cannot be asked")


@pytest.mark.parametrize(
    ("host", "age", "said"),
    [
        (None, 2, None),
        (None, 90, "the last heartbeat is 90 s old"),
        ("another", 2, "there is no heartbeat of the background services of this container in Redis"),
    ],
)
def test_services_are_asked_by_the_heartbeat_of_this_container(script, monkeypatch, host, age, said):
    class Redis:
        @classmethod
        def from_url(cls, url, **_):
            assert url == "redis://redis:6379/0"
            return cls()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def zrange(self, name, *_, withscores):
            assert (name, withscores) == ("prefect:workers", True)
            return [(f"{host or socket.gethostname()}#12".encode(), time.time() - age)]

    monkeypatch.setattr("redis.Redis", Redis)
    assert script.check(_SERVICES, {"PREFECT_SERVER_DOCKET_URL": "redis://redis:6379/0"}) == said


def test_the_heartbeat_is_where_prefects_services_leave_it(script):
    import inspect

    from docket import Docket, Worker
    from prefect.cli import _server_utils

    assert 'name="prefect"' in inspect.getsource(_server_utils._run_all_services)
    docket = Docket(name="prefect", url="memory://")
    assert docket.workers_set == script._HEARTBEATS
    assert Worker(docket).name.startswith(f"{socket.gethostname()}#")


def test_a_first_process_of_its_own_is_read(script, monkeypatch, capsys):
    monkeypatch.setattr(
        script.Path, "read_bytes", lambda _: b"/usr/bin/tini\0--\0genesis\0worker\0--health-port\x001\0"
    )
    assert script._main() == 1
    assert "port 1 does not answer" in capsys.readouterr().err


def test_block_types_are_registered_by_what_the_server_itself_uses():
    import inspect

    from prefect.server.api import server
    from prefect.server.models.block_registration import run_block_auto_registration

    text = (_ROOT / "docker" / "register_blocks.py").read_text("utf-8")
    assert run_block_auto_registration.__name__ in text
    assert run_block_auto_registration.__name__ in inspect.getsource(server.create_app)
