"""A configured API that is not there yet."""

import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from genesis.errors import ServiceError
from genesis.server import ensure_api
from genesis.settings import ServerSettings, Settings


class Healthy(BaseHTTPRequestHandler):
    statuses: list[int] = []

    def do_GET(self):
        body = b"true"
        self.send_response(self.statuses.pop(0) if self.statuses else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def settings(port, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")

    def wait(seconds):
        return Settings(server=ServerSettings(wait_s=seconds))

    return wait


def test_api_that_comes_is_waited_for_and_that_is_said(port, settings, caplog):
    Healthy.statuses = [503, 502]
    servers = []

    def later():
        time.sleep(0.7)
        servers.append(HTTPServer(("127.0.0.1", port), Healthy))
        servers[0].serve_forever()

    thread = threading.Thread(target=later)
    thread.start()
    try:
        with caplog.at_level(logging.WARNING, "genesis"):
            api = ensure_api(settings(60))
    finally:
        servers[0].shutdown()
        servers[0].server_close()
        thread.join()
    assert not api.embedded
    assert "does not answer, and is waited for" in caplog.text
    assert Healthy.statuses == []


def test_api_that_does_not_come_is_an_error_in_time(settings):
    begun = time.monotonic()
    with pytest.raises(ServiceError, match="cannot be reached") as caught:
        ensure_api(settings(0.5))
    assert caught.value.exit_code == 4
    assert 0.4 < time.monotonic() - begun < 20


def test_address_that_is_none_is_not_waited_for(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "ftp://127.0.0.1/api")
    begun = time.monotonic()
    with pytest.raises(ServiceError):
        ensure_api(Settings())
    assert time.monotonic() - begun < 20
