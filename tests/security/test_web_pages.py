"""A foreign web page, and whoever reaches the embedded server without its password."""

import base64
import http.client
import json
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from genesis.server import own_sites
from genesis.server.files import ServerFiles
from genesis.settings import Settings

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

MADE = json.dumps({"name": "made-by-a-stranger"})


@pytest.fixture(scope="module")
def port(prefect_api):
    return urlsplit(prefect_api.api_url).port


@pytest.fixture(scope="module")
def password(port):
    return ServerFiles(Settings().home).password()


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def send(port, headers, *, method="POST", path="/api/flows/", body=MADE):
    """Send exactly these headers, until an answer arrives.

    A server that refuses a request by its headers closes the connection, and the body that is still on its way then
    resets it, at times before the answer is read.
    """
    for _ in range(10):
        with suppress(ConnectionResetError, BrokenPipeError):
            return _send(port, headers, method=method, path=path, body=body)
    raise AssertionError("no answer")


def _send(port, headers, *, method, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        given = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body))} | headers
        for name, value in given.items():
            for each in value if isinstance(value, list) else [value]:
                connection.putheader(name, each)
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": basic("admin:pass")},
        {"Authorization": basic("genesis:")},
        {"Authorization": basic("genesis:wrong")},
        {"Authorization": basic(":")},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer x"},
        {"Cookie": "prefect-ui-auth=x"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Prefect-Csrf-Token": "x", "Prefect-Csrf-Client": "y"},
    ],
)
def test_without_the_password_nothing_is_made_or_read(port, headers):
    assert send(port, JSON | headers)[0] == 401
    assert send(port, headers, method="GET", path="/api/admin/settings", body="")[0] == 401
    assert send(port, JSON | headers, path="/api/deployments/filter", body="{}")[0] == 401


def test_what_needs_no_password_tells_nothing(port):
    assert send(port, {}, method="GET", path="/api/health", body="")[::2] == (200, b"true")
    for path in ("/api/health/../flows/", "/api//health", "/api/health/", "/api/admin/version?x=/health"):
        assert send(port, {}, method="GET", path=path, body="")[0] in {307, 401, 404}


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://127.0.0.1.evil.example:{port}",
        "http://localhost.evil.example:{port}",
        "http://localhost:{port}@evil.example",
        "null",
        "file://",
        "",
        "chrome-extension://abc",
        "ftp://127.0.0.1:{port}",
        "http://[::2]:{port}",
        "http://127.0.0.1:{port}, http://evil.example",
    ],
)
def test_a_foreign_origin_is_refused_even_with_the_password(port, password, origin):
    headers = JSON | {"Authorization": basic(password), "Origin": origin.format(port=port)}
    status, answered, _ = send(port, headers)
    assert status == 403
    assert "access-control-allow-origin" not in {name.lower() for name in answered}


def test_the_ui_may_use_the_api_by_each_own_name(port, password):
    for name in ("127.0.0.1", "localhost"):
        for origin in ("127.0.0.1", "localhost"):
            headers = {"Authorization": basic(password), "Origin": f"http://{origin}:{port}"}
            status, answered, _ = send(port, JSON | headers | {"Host": f"{name}:{port}"})
            assert status in {200, 201}
            assert answered["access-control-allow-origin"] == f"http://{origin}:{port}"


def test_a_preflight_of_a_foreign_page_is_refused(port):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,content-type"
    status, answered, _ = send(port, asked, method="OPTIONS", body="")
    assert status == 403
    assert not any(value == "*" for value in answered.values())


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.nip.example:{port}",
        "localhost.evil.example",
        "prefect-in-memory",
        "localhost@evil.example",
        "192.0.2.1:{port}",
        "0.0.0.0:{port}",
        "[::2]:{port}",
        "",
        ":{port}",
        "localhost:{port}:{port}",
        "127.0.0.1:{port}/x",
        ["127.0.0.1:{port}", "evil.example"],
    ],
)
def test_a_foreign_host_is_refused_even_with_the_password(port, password, host):
    """DNS rebinding: the page's own name was made to point here, so that it is no foreign origin to the browser."""
    named = [each.format(port=port) for each in ([host] if isinstance(host, str) else host)]
    headers = JSON | {"Authorization": basic(password), "Host": named}
    assert send(port, headers)[0] == 400
    assert send(port, headers | {"Origin": f"http://{named[-1]}"})[0] == 400
    assert send(port, {"Host": named}, method="GET", path="/", body="")[0] == 400


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain;charset=UTF-8",
        "TEXT/PLAIN",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ],
)
def test_a_body_that_needs_no_preflight_is_refused(port, password, kind):
    assert send(port, {"Authorization": basic(password), "Content-Type": kind})[0] == 415


@pytest.mark.parametrize("path", ["/api/events/in", "/api/events/out", "/api/flow_runs/logs/out", "/api/events/in/"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_a_web_socket_of_a_foreign_page_is_refused(port, path, headers):
    assert open_socket(port, path, headers) != 101


def test_a_web_socket_needs_the_password(port):
    """Without the subprotocol there is no way to give one; with it the first message has to have it."""
    assert b"\x88" in talk(port, None)[:1]
    assert b"auth_success" not in talk(port, json.dumps({"type": "auth", "token": "genesis:wrong"}))
    assert b"auth_success" not in talk(port, json.dumps({"type": "auth", "token": None}))
    assert b"auth_success" not in talk(port, json.dumps({"type": "event"}))


def test_the_password_is_for_its_user_alone(password):
    files = ServerFiles(Settings().home)
    assert stat.S_IMODE(files.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    record = files.read()
    for place in ("cmdline", "environ"):
        assert password.encode() not in Path(f"/proc/{record.pid}/{place}").read_bytes()
    assert password not in files.state.read_text() + files.owner.read_text() + files.log.read_text()


async def test_the_control_shows_that_the_guard_is_what_refuses(monkeypatch):
    """Without the guard a foreign page's request reaches the application."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    scope = {"type": "http", "headers": [(b"host", b"127.0.0.1:1"), (b"origin", b"https://evil.example")]}
    guard = own_sites.OwnSites(app, ["127.0.0.1", *own_sites.own_names("127.0.0.1")])
    answers = []

    async def note(message):
        answers.append(message)

    await guard(scope, None, note)
    assert (seen, answers[0]["status"]) == ([], 403)
    monkeypatch.setattr(own_sites.OwnSites, "_refusal", lambda self, scope: None)
    await guard(scope, None, note)
    assert seen == ["http"]


def open_socket(port, path, headers):
    """Return the status that answers a web socket's handshake."""
    return _handshake(port, path, headers)[0]


def _handshake(port, path, headers):
    given = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    } | headers
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    line = socket.create_connection(("127.0.0.1", port), timeout=20)
    line.sendall("\r\n".join(lines).encode())
    answer = line.recv(4096)
    return int(answer.split()[1]), line, answer


def talk(port, message):
    """Open the socket of events as Prefect's client does, send one message, and return what comes."""
    headers = {} if message is None else {"Sec-WebSocket-Protocol": "prefect"}
    status, line, answer = _handshake(port, "/api/events/out", headers)
    with line:
        if status != 101:
            return b"\x88"
        if message is not None:
            data = message.encode()
            mask = b"\0\0\0\0"
            size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
            line.sendall(b"\x81" + size + mask + data)
        rest = answer.partition(b"\r\n\r\n")[2]
        return rest or line.recv(4096)
