"""The server's life with a stand-in for Prefect: a small HTTP server in a real process of its own."""

import asyncio
import errno
import fcntl
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from genesis.errors import ResourceError, ServiceError, UsageError
from genesis.server import (
    begin_api,
    begin_start,
    down,
    ensure_api,
    health,
    host,
    lifecycle,
    revive,
    spawn,
    status,
    up,
    wait_ready,
)
from genesis.server import files as files_module
from genesis.server.files import ServerFiles, ServerRecord, explain_os_errors
from genesis.server.health import url_host
from genesis.server.host import shorten
from genesis.settings import ServerSettings, Settings

STAND_IN = """
import json, os, signal, socket, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

mode = open(os.path.join(os.path.dirname(sys.argv[1]), "mode")).read()
if mode == "dies":
    sys.exit("no database here")
if mode == "hangs":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(300)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(True if self.path == "/api/health" else "3.8.8")
    def do_POST(self):
        self.answer(3 if mode == "busy" else 0)
    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
server.serve_forever()
"""


@pytest.fixture
def settings(tmp_path, monkeypatch):
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(spawn, "_HOST", script)
    monkeypatch.setattr(lifecycle, "_GRACE_S", 0.5)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    made = Settings(home=tmp_path / "home", server=ServerSettings(start_timeout_s=20, wait_s=0.5))
    behave(made, "well")
    yield made
    down(made)


def behave(settings, mode):
    files = ServerFiles(settings.home)
    files.make_folder()
    (files.folder / "mode").write_text(mode)


def change(settings, **fields):
    return settings.model_copy(update={"server": settings.server.model_copy(update=fields)})


def rewrite(settings, **fields):
    files = ServerFiles(settings.home)
    files.write(files.read().model_copy(update=fields))


def test_start_find_stop_and_start_again_on_the_same_port(settings):
    assert status(settings).state == "stopped"
    first = up(settings)
    assert (first.state, first.note) == ("running", "")
    assert first.api_url == f"http://127.0.0.1:{first.port}/api"
    assert up(settings).pid == first.pid
    assert status(settings).state == "running"
    assert down(settings).note == f"process {first.pid} was stopped"
    assert status(settings).url is None
    again = up(settings)
    assert (again.port, again.note) == (first.port, "")
    assert again.pid != first.pid


def test_start_does_not_wait_until_the_server_answers(settings):
    pending = begin_api(settings)
    api = pending.wait()
    assert api.embedded
    assert api.api_url.endswith("/api")
    assert ensure_api(settings) == api


def test_configured_api_is_used_as_it_is_and_has_to_answer(settings, monkeypatch):
    server = up(settings)
    monkeypatch.setenv("PREFECT_API_URL", server.api_url)
    elsewhere = settings.model_copy(update={"home": settings.home / "other"})
    api = ensure_api(elsewhere)
    assert (api.api_url, api.ui_url, api.embedded) == (server.api_url, server.url, False)
    assert not elsewhere.home.exists()
    down(settings)
    with pytest.raises(ServiceError, match=r"from the environment variable PREFECT_API_URL\) cannot be reached"):
        ensure_api(elsewhere)


def test_configured_address_that_serves_something_else_counts_as_reached(settings, monkeypatch):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/other")
        assert ensure_api(settings).ui_url is None
        thread.join()


def test_server_that_dies_says_so_with_the_end_of_its_log(settings):
    behave(settings, "dies")
    with pytest.raises(ServiceError, match=r"(?s)ended while it was starting; its log ends with:\nno database here"):
        up(settings)
    assert "has exited" in status(settings).note


def test_server_that_hangs_is_reported_after_the_timeout_and_can_be_stopped(settings):
    behave(settings, "hangs")
    with pytest.raises(ServiceError, match=r"does not answer after 1\.2 s; its log is empty"):
        up(change(settings, start_timeout_s=1.2))
    info = status(settings)
    assert (info.state, info.note) == ("starting", "")
    rewrite(settings, started_at=datetime.now(UTC) - timedelta(hours=1))
    info = status(settings)
    assert info.state == "unresponsive"
    assert "genesis server down" in info.note
    down(settings)
    assert status(settings).state == "stopped"


def test_a_server_that_died_is_revived_on_its_port_and_no_other_is(settings):
    first = up(settings)
    assert not revive(settings, first.api_url)
    os.kill(first.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while status(settings).state != "stopped":
        assert time.monotonic() < until
    assert not revive(settings, "http://127.0.0.1:1/api")
    assert status(settings).state == "stopped"
    assert revive(settings, f"{first.api_url}/")
    again = status(settings)
    assert (again.state, again.port) == ("running", first.port)
    assert again.pid != first.pid
    assert not revive(settings, first.api_url)


def test_a_server_that_somebody_stopped_stays_down(settings):
    first = up(settings)
    down(settings)
    assert not revive(settings, first.api_url)
    assert status(settings).state == "stopped"


def test_server_found_in_its_last_moment_is_replaced(settings):
    first = up(settings)
    found = begin_start(settings)
    assert not found.spawned
    os.kill(first.pid, signal.SIGKILL)
    again = wait_ready(found)
    assert again.pid != first.pid
    assert again.note == f"it was found dead (process {first.pid}) and started again"


def test_two_threads_that_start_at_once_get_the_same_server(settings):
    made = []
    threads = [threading.Thread(target=lambda: made.append(up(settings).pid)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1


def test_server_of_another_version_is_replaced_when_idle(settings):
    first = up(settings)
    rewrite(settings, prefect="3.7.0")
    assert "3.7.0" in status(settings).note
    again = up(settings)
    assert again.pid != first.pid
    assert again.note == "it was restarted because it ran Prefect 3.7.0"


def test_server_of_another_version_is_kept_when_busy(settings):
    behave(settings, "busy")
    first = up(settings)
    rewrite(settings, prefect="3.7.0")
    kept = up(settings)
    assert kept.pid == first.pid
    assert "kept because flow runs are active on" in kept.note


def test_address_of_a_running_server_is_kept_and_said(settings):
    first = up(settings)
    note = up(change(settings, port=1 if first.port != 1 else 2)).note
    assert f"it listens on 127.0.0.1:{first.port}" in note


def test_taken_port_is_an_error_only_when_it_was_asked_for(settings):
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        with pytest.raises(ServiceError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            up(change(settings, port=port))
        assert caught.value.code == "GEN-SERVER-PORT"
        ServerFiles(settings.home).write(ServerRecord(host="127.0.0.1", port=port))
        info = up(settings)
        assert info.port != port
        assert f"port {port} is taken by another process" in info.note


@pytest.mark.parametrize("host", ["203.0.113.1", "no such host"])
def test_address_of_another_machine_is_refused(settings, host):
    with pytest.raises((UsageError, OSError)):
        up(change(settings, host=host))


def test_folder_that_cannot_be_made_is_said_with_what_to_do(settings, tmp_path):
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(ResourceError, match="cannot be written") as caught:
            up(settings.model_copy(update={"home": home}))
        assert "GENESIS_HOME" in caught.value.hint
        assert status(settings.model_copy(update={"home": home})).state == "stopped"
        assert down(settings.model_copy(update={"home": home})).note == "it was not running"


def test_read_only_folder_is_said(settings, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(files_module.os, "access", lambda path, mode: False)
        with pytest.raises(ResourceError, match="Permission denied"):
            ServerFiles(settings.home).make_folder()


def test_running_server_is_found_in_a_home_that_cannot_be_written(settings, monkeypatch):
    pid = up(settings).pid
    with monkeypatch.context() as patched:
        patched.setattr(files_module.os, "open", lambda *_: pytest.fail("something was written"))
        assert up(settings).pid == pid


def test_no_space_is_said_before_anything_is_started(settings, tmp_path):
    files = ServerFiles(settings.home)
    with pytest.raises(ResourceError, match="has 1 MB left"):
        spawn.spawn(files, host="127.0.0.1", port=0, wanted_port=0, free=lambda folder: 1_000_000)
    with pytest.raises(ResourceError) as caught, explain_os_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.hint.startswith("free some space")


def test_server_that_cannot_be_seen_keeps_a_second_one_off_its_database(settings, monkeypatch):
    monkeypatch.setattr(spawn, "_DYING_S", 0.1)
    files = ServerFiles(settings.home)
    with files.owner.open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        with pytest.raises(ServiceError, match="cannot be seen from here"):
            up(settings)


def test_start_that_another_process_holds_up_is_given_up_in_the_end(settings, monkeypatch):
    monkeypatch.setattr(lifecycle, "_LOCK_S", 0.1)
    with ServerFiles(settings.home).start_lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ServiceError, match="has been starting or stopping the Prefect server"):
            up(settings)


def test_server_of_another_user_cannot_be_stopped(settings, monkeypatch):
    up(settings)

    def refuse(*_, **__):
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "end", refuse)
        with pytest.raises(ResourceError, match="belongs to another user"):
            down(settings)
        patched.setattr(lifecycle, "end", lambda *_, **__: None)
        with pytest.raises(ServiceError, match="cannot be stopped"):
            down(settings)


def test_corrupt_record_is_said_and_written_anew(settings):
    pid = up(settings).pid
    files = ServerFiles(settings.home)
    files.state.write_text("{")
    assert files.is_corrupt()
    assert up(settings).pid == pid
    down(settings)
    files.state.write_text("{")
    assert "will be replaced" in status(settings).note
    assert up(settings).state == "running"
    assert not files.is_corrupt()


def test_number_that_another_process_has_by_now_is_recognised(settings):
    up(settings)
    down(settings)
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        rewrite(settings, pid=bystander.pid, identity="boot:1")
        assert "its number belongs to another process now" in status(settings).note
        assert down(settings).note == "it was not running"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_long_log_is_moved_aside_at_the_start(settings, monkeypatch):
    monkeypatch.setattr(spawn, "LOG_BYTES", 10)
    files = ServerFiles(settings.home)
    files.log.write_text("old " * 10)
    up(settings)
    assert files.log.read_text() == ""
    assert files.log.with_name("server.log.1").read_text() == "old " * 10


def test_log_that_grows_is_shortened_in_place(tmp_path):
    log = tmp_path / "server.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100 + b"last")
        assert not shorten(str(log), 104)
        assert shorten(str(log), 10)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "server.log.1").read_bytes() == b"xxxxxxlast"


def test_process_serves_on_the_socket_it_was_handed_and_keeps_its_descriptors(tmp_path, monkeypatch):
    served = {}

    class Server:
        def __init__(self, config):
            served["config"] = config

        def run(self, sockets):
            served["port"] = sockets[0].getsockname()[1]
            sockets[0].close()

    stand_in = types.SimpleNamespace(Config=lambda app, **options: (app, options), Server=Server)
    monkeypatch.setitem(sys.modules, "uvicorn", stand_in)
    log = tmp_path / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("w") as owner:
        handed = [os.dup(listening.fileno()), os.dup(owner.fileno())]
        for descriptor in handed:
            os.set_inheritable(descriptor, True)
        host.main(str(log), *handed)
        assert served["port"] == listening.getsockname()[1]
        assert not os.get_inheritable(handed[1])
        os.close(handed[1])
    app, options = served["config"]
    assert (app, options["factory"]) == (host.forgiving_app, True)


def test_log_is_looked_at_again_and_again_also_after_a_failure(tmp_path, monkeypatch, capsys):
    log = tmp_path / "server.log"
    rounds = iter(range(3))

    def sleep(seconds):
        if next(rounds) == 1:
            log.write_bytes(b"x" * 3_000_000)

    monkeypatch.setattr(host.time, "sleep", sleep)
    with pytest.raises(StopIteration):
        host._truncate(str(log))
    assert "cannot be shortened" in capsys.readouterr().err
    assert log.stat().st_size == 0


def test_missing_log_has_no_last_lines(tmp_path):
    assert ServerFiles(tmp_path).last_lines() == ""


def test_pages_are_copied_into_the_home_where_the_package_cannot_be_written(settings, monkeypatch):
    files = ServerFiles(settings.home)
    assert "PREFECT_UI_STATIC_DIRECTORY" not in spawn._environment(files, "127.0.0.1", 1)
    with monkeypatch.context() as patched:
        patched.setattr(spawn.os, "access", lambda path, mode: False)
        made = spawn._environment(files, "::", 1)
    assert made["PREFECT_UI_STATIC_DIRECTORY"] == str(files.folder / "ui")
    assert made["PREFECT_SERVER_UI_API_URL"] == "http://[::1]:1/api"


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "localhost")])
def test_address_to_connect_to_is_derived_from_the_one_listened_on(host, shown):
    assert url_host(host) == shown


def test_package_does_not_import_prefect():
    code = "import sys, genesis.server, genesis.server.doctor; print('prefect' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert made.stdout.strip() == "False"


def test_started_at_and_versions_are_told_as_data(settings):
    shown = json.loads(up(settings).model_dump_json())
    assert shown["version"].startswith("3.")
    assert time.time() - datetime.fromisoformat(shown["started_at"]).timestamp() < 60


def test_port_that_serves_something_else_tells_neither_health_nor_runs(monkeypatch):
    monkeypatch.setattr(health.time, "sleep", lambda seconds: None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert not health.is_healthy("127.0.0.1", port, timeout_s=0.05)
        assert health.server_version("127.0.0.1", port, None, timeout_s=0.05) is None
        assert health.active_flow_runs("127.0.0.1", port, None, timeout_s=0.05) is None


def test_version_of_a_server_is_asked(settings):
    info = up(settings)
    assert health.server_version("127.0.0.1", info.port, None) == "3.8.8"


def test_a_schema_is_checked_once_and_a_broken_one_each_time(monkeypatch):
    from prefect.utilities.schema_tools import validation

    from genesis.server.host import check_schemas_once

    class Kind:
        checked = []

        @classmethod
        def check_schema(cls, schema, *_more, **_named):
            cls.checked.append(schema)
            if schema.get("type") == "nonsense":
                raise ValueError("no such type")

    monkeypatch.setattr(validation, "_VALIDATOR", Kind)
    monkeypatch.setattr("genesis.server.host._MOST_SCHEMAS", 2)
    check_schemas_once()
    for _ in range(3):
        Kind.check_schema({"type": "object"}, format_checker=None)
        with pytest.raises(ValueError, match="no such type"):
            Kind.check_schema({"type": "nonsense"})
    assert Kind.checked == [{"type": "object"}] + [{"type": "nonsense"}] * 3
    for name in "abc":
        Kind.check_schema({"title": name})
    Kind.check_schema({"title": "c"})
    assert Kind.checked[4:] == [{"title": name} for name in "abc"]


async def test_transactions_on_sqlite_wait_for_each_other(monkeypatch, tmp_path):
    """What reads first and writes then is refused by SQLite, if another wrote meanwhile."""
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy import text

    from genesis.server.host import one_writer_at_a_time

    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
    one_writer_at_a_time()
    database = AioSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path / 'some.db'}")
    engine = await database.engine()
    async with engine.connect() as connection:
        await connection.execute(text("create table counted (n integer)"))
        await connection.execute(text("insert into counted values (0)"))

    async def count(*, for_update):
        async with await database.session(engine) as session, database.begin_transaction(session, for_update):
            number = (await session.execute(text("select n from counted"))).scalar_one()
            async with await database.session(engine) as inner, database.begin_transaction(inner):
                assert (await inner.execute(text("select n from counted"))).scalar_one() == number
            await asyncio.sleep(0)
            await session.execute(text(f"update counted set n = {number + 1}"))

    cancelled = asyncio.create_task(count(for_update=True))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    await asyncio.gather(*(count(for_update=number % 2 == 0) for number in range(20)))
    async with engine.connect() as connection:
        assert (await connection.execute(text("select n from counted"))).scalar_one() in (20, 21)
    await engine.dispose()


def test_what_the_server_has_loaded_is_no_matter_of_the_garbage_collector():
    from genesis.server.host import collect_less

    usual = gc.get_threshold()
    try:
        collect_less()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] > 10 * usual[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)
