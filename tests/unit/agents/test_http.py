import asyncio
import gzip
import json
import socket
import threading
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from genesis.agents.contract import Work
from genesis.agents.http import HttpExecutor, secrets_in
from genesis.errors import BreakerOpenError, ServiceError, TaskError, TaskTimeoutError
from genesis.model import AgentProfile
from genesis.model import HttpSpec as Spec
from genesis.observability.correlation import bind_context
from genesis.resilience import Breaker, BreakerRules, RetryBudget
from genesis.resilience.breakers import breakers_of
from genesis.resilience.guards import host_guard
from genesis.settings import ResilienceSettings, Settings


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


def executor(url, output_bytes=10_000, secrets=None, guard=None, **spec):
    return HttpExecutor(
        Spec(kind="http", url=url, **spec),
        output_bytes=output_bytes,
        default_timeout_s=10.0,
        secrets=(secrets or {}).get,
        **({"guard": guard} if guard else {}),
    )


async def value_of(made, given=None):
    given = given or work()
    with bind_context(correlation_id=given.correlation_id, run_id=given.run_id):
        return (await made.execute(given)).value


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
    with pytest.raises(TaskError, match="needs secret 'KEY', which the agent does not list"):
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


@pytest.mark.parametrize("body", [b"<html>Hi</html>", b'{"cut": ', b"\xff", b'{"a": 1, "a": 2}'])
async def test_answer_that_is_not_json_is_a_failure_that_shows_it(service, body):
    service.answer = lambda path: (200, {"content-type": "text/html; charset=x"}, body)
    with pytest.raises(TaskError, match="answered with text/html, which is not the JSON"):
        await value_of(executor(service.url))


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (400, TaskError, ""),
        (401, TaskError, "secret"),
        (501, TaskError, ""),
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
    assert caught.value.data == {"status": status, "retry_after_s": 7.0}
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
    assert "service is running" in caught.value.hint


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
    with pytest.raises(ServiceError, match=r"did not respond in time \(ReadTimeout\)"):
        await value_of(made, work(timeout_s=None))
    service.release.set()


async def test_address_that_is_none_is_refused():
    with pytest.raises(TaskError, match="cannot be called"):
        await value_of(executor("http://:x"))


class Script:
    """Answers one after the other, the last one forever; a path is not looked at."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, _path):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


FINE = (200, {}, b'{"ok": true}')
BUSY = (429, {"retry-after": "0"}, b"")


async def test_a_get_that_fails_is_made_once_more_in_the_same_attempt(service):
    service.answer = Script(BUSY, FINE)
    assert await value_of(executor(service.url, method="GET")) == {"ok": True}
    assert len(service.seen) == 2


async def test_work_that_may_have_been_done_is_not_sent_again(service):
    service.answer = Script((503, {"retry-after": "0"}, b""), FINE)
    with pytest.raises(ServiceError):
        await value_of(executor(service.url))
    assert len(service.seen) == 1


async def test_a_connection_that_did_not_come_about_is_tried_once_more():
    calls = []

    @asynccontextmanager
    async def guard(host, left_s):
        calls.append(host)
        yield

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    made = executor(f"http://127.0.0.1:{port}/x", guard=guard)
    with pytest.raises(ServiceError, match="cannot be reached"):
        await value_of(made)
    assert calls == [f"127.0.0.1:{port}"] * 2


async def test_repeats_come_out_of_the_runs_budget(service):
    service.answer = Script((503, {"retry-after": "0"}, b""))
    budget = RetryBudget(0)
    for _ in range(5):
        with pytest.raises(ServiceError):
            await value_of(executor(service.url, method="GET"), replace(work(), repeats=budget))
    assert len(service.seen) == 5 + 3


async def test_the_time_that_is_left_goes_with_the_request(service):
    await value_of(executor(service.url), replace(work(), until=time.monotonic() + 3.0))
    assert 1_000 < int(service.seen[0][2]["x-timeout-ms"]) <= 3_000
    await value_of(executor(service.url), work(timeout_s=7.0))
    assert int(service.seen[1][2]["x-timeout-ms"]) == 7_000


def guarded(service, tmp_path, url=None, **spec):
    """Make an executor behind the breaker of its host, which opens after one failure."""
    resilience = ResilienceSettings(share="memory", failures=1)
    settings = Settings(home=tmp_path, resilience=resilience)
    made = executor(url or service.url, guard=host_guard(settings), **spec)
    return made, breakers_of(resilience, tmp_path).of("host", f"127.0.0.1:{service.server_port}")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((500, {}, b""), "open"),
        ((503, {}, b""), "open"),
        ((429, {}, b""), "closed"),
        ((404, {}, b""), "closed"),
        ((401, {}, b""), "closed"),
        ((501, {}, b""), "closed"),
        ((302, {"location": "/there"}, b""), "closed"),
        ((200, {}, b" " * 20_000), "closed"),
        (FINE, "closed"),
    ],
)
async def test_a_host_is_blamed_for_what_it_fails_at_and_not_for_what_it_refuses(service, tmp_path, answer, state):
    service.answer = Script(answer)
    made, breaker = guarded(service, tmp_path)
    with suppress(TaskError, ServiceError):
        await value_of(made)
    assert breaker.state == state


async def test_a_host_that_lets_the_time_run_out_is_blamed_but_not_for_the_runs_deadline(service, tmp_path):
    service.answer = lambda path: service.release.wait(20) and FINE
    made, breaker = guarded(service, tmp_path)
    now = time.monotonic()
    with pytest.raises(TaskTimeoutError) as caught:
        await value_of(made, replace(work(), until=now + 0.2, run_until=now + 0.2))
    assert caught.value.code == "GEN-DEADLINE"
    assert breaker.state == "closed"
    with pytest.raises((TaskTimeoutError, ServiceError)):
        await value_of(made, work(timeout_s=0.2))
    assert breaker.state == "open"
    service.release.set()


async def test_an_open_host_is_not_asked_and_its_agent_not_blamed_for_that(service, tmp_path):
    service.answer = Script((500, {}, b""))
    made, _ = guarded(service, tmp_path)
    with pytest.raises(ServiceError):
        await value_of(made)
    agent = Breaker("agent x", BreakerRules(failures=1))
    with pytest.raises(BreakerOpenError, match=r"host 127\.0\.0\.1"):
        async with agent.guarding():
            await value_of(made)
    assert (agent.state, len(service.seen)) == ("closed", 1)
