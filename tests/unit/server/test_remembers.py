"""What the server stands on: remembered, kept, changed and refused; Prefect, PostgreSQL and Redis are stand-ins."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from genesis.errors import ResourceError, ServiceError, UsageError
from genesis.server import Backends, down, host, lifecycle, spawn, status, up
from genesis.server.doctor import diagnose
from genesis.server.files import ServerFiles
from genesis.server.reach import BackendStatus
from genesis.settings import ServerSettings, Settings

STAND_IN = """
import json, os, socket, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

folder = os.path.dirname(sys.argv[1])
given = json.loads(sys.stdin.read())
open(os.path.join(folder, "given.json"), "w").write(json.dumps(given | dict(os.environ)))
if os.path.exists(os.path.join(folder, "dies")):
    sys.exit("FATAL: hush is wrong")

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        away = self.path == "/api/ready" and os.path.exists(os.path.join(folder, "away"))
        self.send_response(503 if away else 200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"true")
    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
server.serve_forever()
"""
POSTGRES = Backends.of(postgres="postgresql://me:hush@h/d")
BOTH = Backends.of(postgres="postgresql://me:hush@h/d", redis="redis://:hush@h/0")
OTHER = Backends.of(postgres="postgresql://me:hush@other/d")


@pytest.fixture
def asked(monkeypatch):
    """What PostgreSQL and Redis were asked for; they are well."""
    calls = []
    monkeypatch.setattr(lifecycle, "require", lambda backends, application: calls.append(backends) or [])
    monkeypatch.setattr(lifecycle, "look", lambda backends, application: (BackendStatus("a", "well"), None))
    return calls


@pytest.fixture
def settings(tmp_path, monkeypatch, asked):
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(spawn, "_HOST", script)
    monkeypatch.setattr(lifecycle, "_GRACE_S", 0.5)
    monkeypatch.setattr(lifecycle, "_DATABASE_S", 0.3)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    made = Settings(home=tmp_path / "home", server=ServerSettings(start_timeout_s=20))
    yield made
    down(made)


def given(settings):
    return json.loads((ServerFiles(settings.home).folder / "given.json").read_text())


def mark(settings, name):
    files = ServerFiles(settings.home)
    files.make_folder()
    (files.folder / name).touch()


def test_choice_is_remembered_over_stops_and_deaths(settings, asked):
    info = up(settings, BOTH)
    assert (info.database, info.redis) == ("postgresql://me:***@h:5432/d", "redis://:***@h/0")
    down(settings)
    again = up(settings)
    assert again.database == info.database
    assert again.note == "it keeps postgresql://me:***@h:5432/d with redis://:***@h/0"
    os.kill(again.pid, 9)
    while status(settings).state != "stopped":
        pass
    third = up(settings)
    assert third.database == info.database
    assert "found dead" in third.note
    assert asked == [BOTH] * 3
    assert ServerFiles(settings.home).backends() == BOTH


def test_server_without_redis_keeps_leases_in_files_so_that_a_restart_does_not_forget_them(settings):
    up(settings)
    storage = "prefect.server.concurrency.lease_storage.filesystem"
    assert given(settings)["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"] == storage


def test_server_gets_its_addresses_where_nobody_else_reads_them(settings):
    info = up(settings, BOTH)
    seen = given(settings)
    assert seen["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://me:hush@h:5432/d"
    assert seen["PREFECT_REDIS_MESSAGING_URL"] == seen["PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL"] == "redis://:hush@h/0"
    for name in ("MESSAGING_BROKER", "MESSAGING_CACHE"):
        assert seen[f"PREFECT_SERVER_EVENTS_{name}"] == "prefect_redis.messaging"
    assert seen["PREFECT_SERVER_EVENTS_CAUSAL_ORDERING"] == "prefect_redis.ordering"
    assert seen["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"] == "prefect_redis.lease_storage"
    assert seen["PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE"] == "prefect_redis.cleanup_queue"
    for name in ("environ", "cmdline"):
        with Path(f"/proc/{info.pid}/{name}").open("rb") as file:
            assert b"hush" not in file.read()
    files = ServerFiles(settings.home)
    assert stat.S_IMODE(files.addresses.stat().st_mode) == stat.S_IMODE(files.state.stat().st_mode) == 0o600
    told = {path.name for path in files.folder.iterdir() if b"hush" in path.read_bytes()}
    assert told == {"given.json", "addresses.json"}


def test_sqlite_is_what_it_was(settings, asked):
    info = up(settings)
    assert info.database == str(ServerFiles(settings.home).database)
    assert given(settings)["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == f"sqlite+aiosqlite:///{info.database}"
    assert "PREFECT_SERVER_EVENTS_MESSAGING_BROKER" not in given(settings)
    assert not ServerFiles(settings.home).addresses.exists()
    assert info.note == ""


def test_living_server_is_not_given_another_database(settings):
    up(settings, POSTGRES)
    assert up(settings, POSTGRES).state == "running"
    for other, said in (
        (OTHER, "not on postgresql://me:***@other:5432/d"),
        (Backends(), "not on SQLite"),
        (Backends.of(postgres="postgresql://me:new@h/d"), "with another password"),
    ):
        with pytest.raises(UsageError, match="the Prefect server runs on") as caught:
            up(settings, other)
        assert said in caught.value.message
        assert "genesis server down" in caught.value.hint
    assert ServerFiles(settings.home).backends() == POSTGRES


def test_stopped_server_is_moved_with_a_note_about_what_stays(settings):
    up(settings, POSTGRES)
    down(settings)
    moved = up(settings, OTHER)
    assert moved.note == "the runs that are in postgresql://me:***@h:5432/d stay there and are not seen here"
    down(settings)
    back = up(settings, Backends())
    assert back.database == str(ServerFiles(settings.home).database)
    assert not ServerFiles(settings.home).addresses.exists()
    assert up(settings).database == back.database


def test_database_that_cannot_be_used_leaves_nothing_behind(settings, monkeypatch):
    def refuse(backends, application):
        raise ServiceError("no such database")

    monkeypatch.setattr(lifecycle, "require", refuse)
    with pytest.raises(ServiceError, match="no such database"):
        up(settings, POSTGRES)
    assert [path.name for path in ServerFiles(settings.home).folder.iterdir()] == ["start.lock"]


def test_start_that_fails_is_forgotten(settings):
    mark(settings, "dies")
    with pytest.raises(ServiceError, match="ended while it was starting") as caught:
        up(settings, POSTGRES)
    assert "hush" not in caught.value.message
    assert ServerFiles(settings.home).backends() == Backends()
    assert status(settings).database == str(ServerFiles(settings.home).database)


def test_spawn_that_fails_is_forgotten(settings, monkeypatch):
    def refuse(*_, **__):
        raise ResourceError("no space")

    monkeypatch.setattr(lifecycle, "spawn", refuse)
    with pytest.raises(ResourceError, match="no space"):
        up(settings, POSTGRES)
    assert ServerFiles(settings.home).backends() == Backends()


def test_lost_addresses_are_not_taken_for_sqlite(settings):
    up(settings, POSTGRES)
    down(settings)
    files = ServerFiles(settings.home)
    for content in (None, "{ not json", "[]", '{"postgres": "mysql://h/d"}'):
        if content is None:
            files.addresses.unlink()
        else:
            files.addresses.write_text(content)
        with pytest.raises(ServiceError, match=r"used postgresql://me:\*\*\*@h:5432/d") as caught:
            up(settings)
        assert "--postgres URL" in caught.value.hint
        assert "cannot be understood" in status(settings).note
        database = next(finding for finding in diagnose(settings) if finding.name == "database")
        assert not database.ok
    assert up(settings, POSTGRES).state == "running"


def test_unreadable_addresses_are_not_taken_for_sqlite(settings):
    files = ServerFiles(settings.home)
    files.make_folder()
    files.addresses.mkdir()
    with pytest.raises(ServiceError, match="cannot be understood"):
        files.backends()
    files.addresses.rmdir()


def test_living_server_without_its_database_is_told_from_a_well_one(settings, monkeypatch):
    up(settings, POSTGRES)
    mark(settings, "away")
    assert (status(settings).state, status(settings).database_detail) == ("unresponsive", "well")
    assert "its database does not answer" in status(settings).note
    assert up(settings).state == "running"  # PostgreSQL answers us: the server finds it again

    def refuse(backends, application):
        raise ServiceError("it is away")

    monkeypatch.setattr(lifecycle, "require", refuse)
    with pytest.raises(ServiceError, match="it is away"):
        up(settings)


def test_status_and_doctor_say_what_is_wrong_behind_the_server(settings, monkeypatch):
    up(settings, BOTH)
    found = (
        BackendStatus("pg", "PostgreSQL 15", notes=("few connections",)),
        BackendStatus("r", problem="refused", fix="start it"),
    )
    monkeypatch.setattr(lifecycle, "look", lambda backends, application: found)
    info = status(settings)
    assert (info.state, info.database_detail, info.redis_detail) == ("unresponsive", "PostgreSQL 15", "")
    assert info.note == "refused (start it); few connections"
    monkeypatch.setattr("genesis.server.doctor.look", lambda backends, application: found)
    looked = {finding.name: finding for finding in diagnose(settings)}
    assert (looked["database"].ok, looked["database"].detail) == (True, "pg: PostgreSQL 15")
    assert looked["database"].mend == "few connections"
    assert (looked["redis"].ok, looked["redis"].detail, looked["redis"].mend) == (False, "refused", "start it")


def test_server_that_is_kept_for_its_work_is_not_moved_either(settings, monkeypatch):
    up(settings, POSTGRES)
    monkeypatch.setattr(lifecycle, "get_prefect_version", lambda: "9.9.9")
    monkeypatch.setattr(lifecycle, "active_flow_runs", lambda host, port, password: 1)
    with pytest.raises(UsageError, match="the Prefect server runs on"):
        up(settings, OTHER)


def test_settings_come_by_standard_input(monkeypatch, tmp_path):
    script = (
        "import importlib.util, os, sys\n"
        f"spec = importlib.util.spec_from_file_location('host', {host.__file__!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "module.take_settings()\n"
        "print(os.environ.get('A'), repr(sys.stdin.read()))\n"
    )
    for text, wanted in (('{"A": "1"}', "1 ''"), ("", "None ''")):
        ran = subprocess.run([sys.executable, "-c", script], input=text, capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == wanted


def test_nothing_is_forgiven_on_sqlite(monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:///x")
    assert host._losses() == []
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "postgresql+asyncpg://h/d")
    monkeypatch.delenv("PREFECT_REDIS_MESSAGING_URL", raising=False)
    assert OSError in host._losses()
    without = len(host._losses())
    monkeypatch.setenv("PREFECT_REDIS_MESSAGING_URL", "redis://h")
    assert len(host._losses()) == without + 2


def test_reach_is_not_asked_for_a_server_that_is_well(settings, asked):
    up(settings, POSTGRES)
    up(settings)
    assert asked == [POSTGRES]
