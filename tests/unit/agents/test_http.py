import asyncio
import gzip
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from genesis.agents.contract import Work
from genesis.agents.http import HttpExecutor, secrets_in
from genesis.errors import ServiceError, TaskError, TaskTimeoutError
from genesis.model import AgentProfile
from genesis.model import HttpExecutor as Spec


@pytest.fixture
def service():
    """A real HTTP server on loopback; `answer` decides, `seen` keeps the requests."""
    made = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            server.seen.append((self.command, self.path, dict(self.headers.items()), body))
            status, headers, content = server.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "content-length" not in headers:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = []
    server.answer = lambda path: (200, {"content-type": "application/json"}, b'{"ok": true}')
    server.url = f"http://127.0.0.1:{server.server_port}/work"
    server.release = made
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    made.set()
    server.shutdown()
    server.server_close()
    thread.join()


def work(outputs=(), timeout_s=10.0, secrets=(), attempt=1, correlation_id="cid-ü\n1", **inputs):
    return Work(
        run_id="run-1",
        correlation_id=correlation_id,
        request="q",
        path="a/b",
        type="review",
        description="Look",
        inputs=inputs,
        outputs=tuple(outputs),
        agent=AgentProfile(name="x", secrets=tuple(secrets)),
        attempt=attempt,
        timeout_s=timeout_s,
    )


def executor(url, output_bytes=10_000, secrets=None, **spec):
    return HttpExecutor(
        Spec(kind="http", url=url, **spec),
        output_bytes=output_bytes,
        default_timeout_s=10.0,
        secrets=(secrets or {}).get,
    )


async def value_of(made, given=None):
    return (await made.execute(given or work())).value


async def test_work_is_posted_as_json_and_the_answer_is_the_result(service):
    assert await value_of(executor(service.url), work(outputs=["x"], a=1)) == {"ok": True}
    method, path, headers, body = service.seen[0]
    assert (method, path) == ("POST", "/work")
    assert json.loads(body) == {
        "inputs": {"a": 1},
        "description": "Look",
        "type": "review",
        "path": "a/b",
        "outputs": ["x"],
        "correlation_id": "cid-ü\n1",
    }
    assert headers["x-correlation-id"] == "cid-%C3%BC%0A1"


async def test_idempotency_key_is_that_of_the_leaf_and_not_of_the_attempt(service):
    await value_of(executor(service.url), work(attempt=1))
    await value_of(executor(service.url), work(attempt=2))
    first, second = (headers["idempotency-key"] for _, _, headers, _ in service.seen)
    assert first == second
    assert len(first) == 64


async def test_get_has_the_inputs_in_its_query(service):
    await value_of(executor(service.url, method="GET"), work(q="a b&c", n=[1]))
    assert service.seen[0][:2] == ("GET", "/work?q=a+b%26c&n=%5B1%5D")


async def test_secrets_are_put_into_headers(service):
    made = executor(service.url, headers={"Authorization": "Bearer {secret:KEY}"}, secrets={"KEY": "s3cret\n"})
    await value_of(made, work(secrets=["KEY"]))
    assert service.seen[0][2]["authorization"] == "Bearer s3cret"
    with pytest.raises(TaskError, match="asks for secret 'KEY', which the agent does not list"):
        await value_of(made, work())


async def test_header_that_cannot_be_sent_is_refused_without_its_value(service):
    made = executor(service.url, headers={"x": "{secret:KEY}"}, secrets={"KEY": "s3cret\r\nx: y"})
    with pytest.raises(TaskError, match="header 'x' of agent 'x'") as caught:
        await value_of(made, work(secrets=["KEY"]))
    assert "s3cret" not in str(caught.value)
    assert service.seen == []


def test_secrets_of_a_spec_are_listed_once():
    spec = Spec(kind="http", url="http://x", headers={"a": "{secret:K} {secret:L}", "b": "{secret:K}"})
    assert secrets_in(spec) == ("K", "L")


async def test_empty_answer_is_no_value(service):
    service.answer = lambda path: (204, {}, b"")
    assert await value_of(executor(service.url)) is None


async def test_bare_value_takes_the_name_of_the_only_promised_output(service):
    service.answer = lambda path: (200, {}, b"[1]")
    assert await value_of(executor(service.url), work(outputs=["all"])) == {"all": [1]}


@pytest.mark.parametrize("body", [b"<html>Hi</html>", b'{"cut": ', b"NaN", b"\xff"])
async def test_answer_that_is_not_json_is_a_failure_that_shows_it(service, body):
    service.answer = lambda path: (200, {"content-type": "text/html; charset=x"}, body)
    with pytest.raises(TaskError, match="answered with text/html, which is not the JSON"):
        await value_of(executor(service.url))


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (400, TaskError, ""),
        (401, TaskError, "secret"),
        (404, TaskError, "url"),
        (429, ServiceError, ""),
        (500, ServiceError, ""),
        (503, ServiceError, ""),
    ],
)
async def test_refusals_fail_the_task_and_troubles_are_the_services(service, status, kind, hint):
    service.answer = lambda path: (status, {"retry-after": "7"}, b"no <b>way</b>")
    with pytest.raises(kind, match=rf"answered {status}: no <b>way</b>") as caught:
        await value_of(executor(service.url))
    assert caught.value.data == {"status": status, "retry_after": "7"} | ({"retry": False} if kind is TaskError else {})
    assert hint in caught.value.hint


async def test_too_long_answer_is_refused_and_a_long_error_is_cut(service):
    service.answer = lambda path: (200, {}, b" " * 20_001)
    with pytest.raises(TaskError, match="more than 10000 bytes"):
        await value_of(executor(service.url))
    service.answer = lambda path: (500, {}, b"x" * 200_000)
    with pytest.raises(ServiceError, match=r"answered 500: x{200}$"):
        await value_of(executor(service.url))


async def test_redirect_on_the_same_host_keeps_the_work(service):
    service.answer = lambda path: (
        (307, {"location": "/there"}, b"") if path == "/work" else (200, {}, json.dumps(path).encode())
    )
    assert await value_of(executor(service.url), work(a=1)) == "/there"
    assert service.seen[0][3] == service.seen[1][3] != b""


@pytest.mark.parametrize(
    ("status", "location", "message"),
    [
        (307, "http://127.0.0.2:1/steal", "another host or port"),
        (307, "https://127.0.0.1/steal", "another host or port"),
        (302, "/there", "would drop the work"),
        (308, "/work", "redirects more than 5 times"),
    ],
)
async def test_other_redirects_are_refused(service, status, location, message):
    service.answer = lambda path: (status, {"location": location}, b"")
    with pytest.raises(TaskError, match=message):
        await value_of(executor(service.url))


async def test_refused_connection_is_the_services_trouble():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ServiceError, match="cannot be reached") as caught:
        await value_of(executor(f"http://127.0.0.1:{port}/"))
    assert "service runs" in caught.value.hint


async def test_connection_cut_in_the_middle_is_the_services_trouble(service):
    service.answer = lambda path: (200, {"content-length": "100"}, b"{")
    with pytest.raises(ServiceError, match="cannot be reached"):
        await value_of(executor(service.url))


async def test_broken_encoding_is_a_failure(service):
    service.answer = lambda path: (200, {"content-encoding": "gzip"}, b"not gzip")
    with pytest.raises(TaskError, match="cannot be decoded"):
        await value_of(executor(service.url))
    service.answer = lambda path: (200, {"content-encoding": "gzip"}, gzip.compress(b" " * 5_000_000))
    with pytest.raises(TaskError, match="more than 10000 bytes"):
        await value_of(executor(service.url))


async def test_slow_service_ends_at_the_limit_of_the_attempt(service):
    def slow(path):
        service.release.wait(20)
        return 200, {}, b"{}"

    service.answer = slow
    started = asyncio.get_running_loop().time()
    with pytest.raises((TaskTimeoutError, ServiceError)):
        await value_of(executor(service.url), work(timeout_s=0.2))
    assert asyncio.get_running_loop().time() - started < 5
    service.release.set()


async def test_service_slower_than_the_default_limit_is_the_services_trouble(service):
    service.answer = lambda path: (service.release.wait(20), {}, b"")[1:] and (200, {}, b"{}")
    made = HttpExecutor(Spec(kind="http", url=service.url), output_bytes=10, default_timeout_s=0.2, secrets={}.get)
    with pytest.raises(ServiceError, match=r"did not answer in time \(ReadTimeout\)"):
        await value_of(made, work(timeout_s=None))
    service.release.set()


async def test_address_that_is_none_is_refused():
    with pytest.raises(TaskError, match="cannot be asked"):
        await value_of(executor("http://:x"))
