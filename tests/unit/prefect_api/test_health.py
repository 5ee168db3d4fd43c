"""Whether anything answers at an address."""

import asyncio
import socket
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from genesis.prefect_api.health import HealthProbe, health_status


@contextmanager
def server(code):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(code)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_port}/api/"
        finally:
            made.shutdown()
            thread.join()


@pytest.mark.parametrize("code", [200, 404, 503])
def test_whatever_answers_is_there(code):
    with server(code) as url:
        assert health_status(url, 5.0) == code


def test_what_takes_too_long_is_there():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert health_status(f"http://127.0.0.1:{silent.getsockname()[1]}/api", 0.05) == 504


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api", "http://[/api"])
def test_nothing_is_where_nothing_listens(url):
    assert health_status(url, 5.0) is None


async def test_a_probe_sees_a_server_go():
    with server(200) as url:
        async with HealthProbe(url, 5.0) as probe:
            assert await asyncio.wait_for(probe.answers(), 10)
    async with HealthProbe(url, 5.0) as probe:
        assert not await probe.answers()
