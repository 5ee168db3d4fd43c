"""The embedded server against a real Prefect: started, found, shared, killed, restarted and stopped."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genesis.errors import ServiceError
from genesis.prefect_api.configured import basic_authentication
from genesis.server import begin_api, down, ensure_api, status, up
from genesis.server.doctor import diagnose
from genesis.server.files import ServerFiles, ServerRecord
from genesis.settings import ServerSettings, Settings
from genesis.testing.processes import is_running

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

STARTER = """
import sys
from pathlib import Path
from genesis.server import up
from genesis.settings import Settings
info = up(Settings(home=Path(sys.argv[1])))
assert "prefect" not in sys.modules
print(info.model_dump_json())
"""


def ask(info, method, path, body=None):
    """Ask the server, again while its own services keep SQLite busy, as Prefect's client does."""
    headers = {"authorization": basic_authentication(info.password_file.read_text())}
    for _ in range(50):
        connection = http.client.HTTPConnection("127.0.0.1", info.port, timeout=10)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers | {"content-type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            answer = json.loads(content) if content else None
        finally:
            connection.close()
        if response.status != 503:
            assert response.status < 300, answer
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{path} stays unavailable")


def pretend_version(files, version):
    """Write down that the living server runs another version."""
    record = files.read().model_copy(update={"prefect": version})
    files.write(record)
    return record


@pytest.fixture(scope="module")
def first_start(tmp_path_factory):
    """A home in which two processes have started the server at once; both answers."""
    home = tmp_path_factory.mktemp("home") / "genesis"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PREFECT_HOME": "/nonexistent"}
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        for _ in range(2)
    ]
    try:
        outputs = [starter.communicate(timeout=200) for starter in starters]
        assert [starter.returncode for starter in starters] == [0, 0], outputs
        yield home, [json.loads(out) for out, _ in outputs]
    finally:
        down(Settings(home=home))


@pytest.fixture
def settings(first_start, monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    return Settings(home=first_start[0])


def test_two_starts_at_once_get_the_same_server_which_outlives_them(first_start, settings):
    one, two = first_start[1]
    assert one["pid"] == two["pid"]
    assert one["api_url"] == two["api_url"] == f"http://127.0.0.1:{one['port']}/api"
    now = status(settings)
    assert (now.state, now.pid) == ("running", one["pid"])
    assert os.getsid(one["pid"]) == one["pid"]


def test_running_server_is_given_at_once_with_its_own_addresses(settings):
    info = up(settings)
    started = time.monotonic()
    assert up(settings).pid == info.pid
    assert time.monotonic() - started < 5  # a start takes longer
    assert ask(info, "GET", "/ui-settings")["api_url"] == info.api_url
    assert ask(info, "GET", "/api/admin/settings")["server"]["analytics_enabled"] is False
    assert ensure_api(settings).api_url == info.api_url
    assert begin_api(settings).wait().embedded


def test_server_gets_nothing_of_the_environment_that_could_be_secret(settings, monkeypatch):
    variables = Path(f"/proc/{up(settings).pid}/environ").read_bytes().split(b"\0")
    names = {variable.partition(b"=")[0].decode() for variable in variables}
    assert not {name for name in names if "KEY" in name or "TOKEN" in name or name.startswith("GENESIS_")}


def test_healthy_server_pleases_the_doctor(settings):
    up(settings)
    assert [finding for finding in diagnose(settings) if not finding.ok] == []


def test_lost_state_file_is_recovered_from_the_living_server(settings):
    info = up(settings)
    files = ServerFiles(settings.home)
    for content in ("{ not json", '{"pid": "x"}', ""):
        files.state.write_text(content)
        assert status(settings).pid == info.pid
        assert up(settings).pid == info.pid
    files.state.unlink()
    assert up(settings).pid == info.pid  # and from now on the copy is all there is


def test_killed_server_is_noticed_and_started_again_on_its_port_and_database(settings):
    info = up(settings)
    flow = ask(info, "POST", "/api/flows/", {"name": "kept"})
    limit = ask(info, "POST", "/api/v2/concurrency_limits/", {"name": "mutex:kept", "limit": 1})
    taken = {"names": ["mutex:kept"], "slots": 1, "mode": "concurrency", "lease_duration": 60}
    lease = ask(info, "POST", "/api/v2/concurrency_limits/increment-with-lease", taken)["lease_id"]
    os.kill(info.pid, signal.SIGKILL)
    while is_running(info.pid):
        time.sleep(0.02)
    seen = status(settings)
    assert (seen.state, seen.port) == ("stopped", info.port)
    assert f"process {info.pid} has exited" in seen.note
    assert [finding.name for finding in diagnose(settings) if not finding.ok] == ["server"]
    again = up(settings)
    assert again.pid != info.pid
    assert again.port == info.port
    assert "found dead" in again.note
    assert ask(again, "GET", f"/api/flows/{flow['id']}")["name"] == "kept"
    ask(again, "POST", f"/api/v2/concurrency_limits/leases/{lease}/renew", {"lease_duration": 60})
    ask(again, "POST", "/api/v2/concurrency_limits/decrement-with-lease", {"lease_id": lease})
    assert ask(again, "GET", f"/api/v2/concurrency_limits/{limit['id']}")["active_slots"] == 0


def test_server_of_another_version_is_kept_while_at_work_and_replaced_when_idle(settings):
    info = up(settings)
    files = ServerFiles(settings.home)
    flow = ask(info, "POST", "/api/flows/", {"name": "busy"})
    state = {"type": "RUNNING", "name": "Running"}
    run = ask(info, "POST", "/api/flow_runs/", {"flow_id": flow["id"], "state": state})
    pretend_version(files, "3.8.0")
    kept = up(settings)
    assert kept.pid == info.pid
    assert "kept because flow runs are active" in kept.note
    ask(info, "POST", f"/api/flow_runs/{run['id']}/set_state", {"state": {"type": "COMPLETED"}, "force": True})
    replaced = up(settings)
    assert replaced.pid != info.pid
    assert "restarted because it ran Prefect 3.8.0" in replaced.note
    assert not is_running(info.pid)


def test_a_server_without_a_password_is_kept_while_at_work_and_replaced_when_idle(settings, monkeypatch):
    info = up(settings)
    files = ServerFiles(settings.home)
    files.write(files.read().model_copy(update={"asks_password": False}))
    monkeypatch.setattr("genesis.server.lifecycle.active_flow_runs", lambda *_: 1)
    kept = up(settings)
    assert (kept.pid, kept.password_file) == (info.pid, None)
    assert "asks for no password, and is kept" in kept.note
    assert ensure_api(settings).password is None
    assert [found.detail for found in diagnose(settings) if "warning" in found.detail] == [
        "warning: the embedded server asks for no password: whoever reaches it can start, change and delete runs"
    ]
    monkeypatch.setattr("genesis.server.lifecycle.active_flow_runs", lambda *_: 0)
    replaced = up(settings)
    assert replaced.pid != info.pid
    assert "restarted because it asked for no password" in replaced.note
    assert replaced.password_file.read_text() == ensure_api(settings).password


def test_down_ends_the_server_and_a_second_down_changes_nothing(settings):
    info = up(settings)
    ended = down(settings)
    assert (ended.state, ended.port) == ("stopped", info.port)
    assert not is_running(info.pid)
    assert down(settings).note == "it was not running"
    assert (status(settings).state, status(settings).note) == ("stopped", "")


def test_port_taken_by_a_foreign_process_is_left_to_it(settings):
    down(settings)
    port = status(settings).port
    with socket.create_server(("127.0.0.1", port)):
        fixed = Settings(home=settings.home, server=ServerSettings(port=port))
        with pytest.raises(ServiceError, match=f"port {port} on 127.0.0.1 is in use"):
            up(fixed)
        assert "port" in [finding.name for finding in diagnose(fixed) if not finding.ok]
        assert [finding for finding in diagnose(settings) if not finding.ok] == []
        info = up(settings)
        assert info.port != port
        assert f"port {port} is taken by another process" in info.note
    assert "to move it" in up(fixed).note


def test_down_never_touches_a_process_that_only_has_the_number(settings):
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        down(settings)
        files = ServerFiles(settings.home)
        written = files.read()
        files.write(written.model_copy(update={"pid": bystander.pid, "identity": "boot:1"}))
        assert "its number belongs to another process now" in status(settings).note
        assert down(settings).note == "it was not running"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_server_that_cannot_start_says_why_with_the_end_of_its_log(tmp_path):
    broken = Settings(home=tmp_path / "home")
    files = ServerFiles(broken.home)
    files.make_folder()
    files.database.write_text("this is no database " * 100)
    files.write(ServerRecord(pid=2**22 - 1, identity="boot:1", host="127.0.0.1", port=0))
    with pytest.raises(
        ServiceError, match=r"(?s)ended while it was starting; its log ends with:.*not a database"
    ) as caught:
        up(broken)
    assert "genesis doctor" in caught.value.hint
    assert {finding.name for finding in diagnose(broken) if not finding.ok} == {"server", "database"}
