"""The background server on a real PostgreSQL and a real Redis: started, remembered, refused, killed and healed."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from genesis.errors import ServiceError, UsageError
from genesis.prefect_api.configured import basic_authentication
from genesis.server import Backends, down, status, up
from genesis.server.doctor import diagnose
from genesis.server.files import ServerFiles
from genesis.settings import Settings
from genesis.testing import ScriptedAgent, a_program, a_task
from genesis.testing.services import prefect_on

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


def reach(info):
    """Return the port of a server, and its password."""
    return info.port, info.password_file.read_text()


def ask(reached, method, path, body=None):
    """Ask the server, again while it says that it is unavailable, as Prefect's client does."""
    port, password = reached
    headers = {"content-type": "application/json", "authorization": basic_authentication(password)}
    for _ in range(100):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 503:
            assert response.status < 300, answer
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{path} stays unavailable")


def eventually(question, seconds=30):
    until = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return answer


@pytest.fixture(scope="module")
def call(forking_process):
    """Call the command line with a home of its own."""

    def made(home, *words, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GENESIS_"))}
        environment = kept | {"GENESIS_HOME": str(home), "PREFECT_HOME": str(home / "prefect"), **more}
        return forking_process.run(words, cwd=Path.cwd(), environment=environment)

    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory, postgres_server, redis_server, call):
    """A home whose server was started by the command line on PostgreSQL and Redis, with what that printed."""
    home = tmp_path_factory.mktemp("home") / "genesis"
    redis_server.ask("FLUSHALL")
    url = postgres_server.create_database("on both")
    try:
        ran = call(home, "server", "up", "--json", "--postgres", url.replace(" ", "%20"), "--redis", redis_server.url)
        assert ran.returncode == 0, ran.stderr
        yield home, json.loads(ran.stdout), postgres_server, redis_server
    finally:
        down(Settings(home=home))


@pytest.fixture
def settings(home, monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    return Settings(home=home[0])


def test_server_says_what_it_stands_on_and_never_a_password(home, settings, call):
    _, printed, postgres, redis = home
    assert printed["database"] == f"postgresql://genesis:***@127.0.0.1:{postgres.port}/on%20both"
    assert printed["redis"] == f"redis://:***@127.0.0.1:{redis.port}/0"
    info = status(settings)
    assert info.state == "running"
    assert "pg_trgm" in info.database_detail
    assert info.redis_detail.startswith("Redis ")
    looked = {finding.name: finding for finding in diagnose(settings)}
    assert [finding for finding in looked.values() if not finding.ok] == []
    assert {"database", "redis"} <= set(looked)
    said = call(home[0], "server", "status").stdout + call(home[0], "doctor").stdout + str(printed)
    listed = subprocess.run(["ps", "eww", "-A"], capture_output=True, text=True, check=True).stdout
    seen = json.dumps(ask(reach(info), "GET", "/api/admin/settings"))
    files = ServerFiles(settings.home)
    written = "".join(path.read_text() for path in (files.state, files.owner, files.log))
    for secret in (postgres.password, redis.password):
        assert not [text for text in (said, listed, seen, written) if secret in text]
    assert "database postgresql://genesis:***@" in said


def test_events_leases_and_clean_ups_go_through_redis(home, settings):
    *_, redis = home
    reached = reach(status(settings))
    flow = ask(reached, "POST", "/api/flows/", {"name": "watched"})
    ask(reached, "POST", "/api/flow_runs/", {"flow_id": flow["id"], "state": {"type": "RUNNING"}})
    eventually(lambda: "prefect.flow-run.Running" in redis.ask("XRANGE", "events", "-", "+"))
    consumers = redis.ask("XINFO", "GROUPS", "events")
    assert {name for name in ("event-persister", "task-run-recorder", "reactive-triggers") if name in consumers} == {
        "event-persister",
        "task-run-recorder",
        "reactive-triggers",
    }
    limit = {"name": "quota", "limit": 2, "active": True}
    ask(reached, "POST", "/api/v2/concurrency_limits/", limit)
    taken = {"names": ["quota"], "slots": 1, "lease_duration": 60}
    ask(reached, "POST", "/api/v2/concurrency_limits/increment-with-lease", taken)
    assert "lease" in redis.ask("KEYS", "*")
    seen = ask(reached, "GET", "/api/admin/settings")["server"]
    assert seen["concurrency"]["lease_storage"] == "prefect_redis.lease_storage"
    assert seen["worker_channel"]["cleanup_queue_storage"] == "prefect_redis.cleanup_queue"
    assert "6379" not in ServerFiles(settings.home).log.read_text()


def test_killed_server_comes_back_on_the_same_database(home, settings):
    info = status(settings)
    flow = ask(reach(info), "POST", "/api/flows/", {"name": "kept"})
    os.kill(info.pid, signal.SIGKILL)
    eventually(lambda: status(settings).state == "stopped")
    again = up(settings)
    assert (again.database, again.redis) == (info.database, info.redis)
    assert "it keeps postgresql://genesis:***@" in again.note
    assert ask(reach(again), "GET", f"/api/flows/{flow['id']}")["name"] == "kept"
    assert not ServerFiles(settings.home).database.exists()


def test_other_database_is_for_a_stopped_server_only(home, settings):
    up(settings)
    with pytest.raises(UsageError, match="the Prefect server runs on"):
        up(settings, Backends())


def test_redis_of_one_database_is_not_given_to_another(home, tmp_path):
    *_, postgres, redis = home
    url = postgres.create_database("second")
    with pytest.raises(ServiceError, match="carries the events of the Prefect server on 127"):
        up(Settings(home=tmp_path), Backends.of(postgres=url, redis=redis.url))


def test_what_cannot_be_used_is_refused_quickly_and_leaves_nothing(home, tmp_path, call):
    *_, postgres, redis = home
    postgres.execute("CREATE ROLE weak LOGIN PASSWORD 'hushhush'")
    postgres.execute("CREATE DATABASE bare")
    postgres.execute("GRANT ALL ON SCHEMA public TO weak", database="bare")
    postgres.execute("CREATE DATABASE closed")
    postgres.execute("CREATE EXTENSION pg_trgm", database="closed")
    weak = {name: postgres.database_url(name, user="weak", password="hushhush") for name in ("bare", "closed")}
    good = postgres.create_database("good")
    for address, broker, said in (
        (postgres.database_url("good", password="hushhush"), None, "refuses the password"),
        (postgres.database_url("missing"), None, "has no such database"),
        ("postgresql://genesis:hushhush@127.0.0.1:1/good", None, "cannot be reached"),
        (weak["bare"], None, "lacks the extension pg_trgm, and the role 'weak' may not create it"),
        (weak["closed"], None, "may not create tables"),
        (good, "redis://:hushhush@127.0.0.1:1/0", "cannot be used"),
        (good, redis.url.replace(redis.password, "hushhush"), "refuses the password"),
    ):
        started = time.monotonic()
        ran = call(tmp_path, "server", "up", "--postgres", address, *(["--redis", broker] if broker else []))
        assert time.monotonic() - started < 20
        assert ran.returncode == 4, ran.stderr
        assert said in " ".join(ran.stderr.split())
        assert "Traceback" not in ran.stderr
        assert "hushhush" not in ran.stderr + ran.stdout
        assert [path.name for path in ServerFiles(tmp_path).folder.iterdir()] == ["start.lock"]


def test_unix_socket_and_password_of_the_environment(postgres_server, migrated_database, tmp_path, call):
    migrated_database("by socket")
    url = f"postgresql://genesis@/by%20socket?host={postgres_server.data}&port={postgres_server.port}"
    try:
        ran = call(tmp_path, "server", "up", "--postgres", url, PGPASSWORD=postgres_server.password)
        assert ran.returncode == 0, ran.stderr
        assert "by%20socket?host=" in ran.stdout
        assert postgres_server.execute("SELECT count(*) > 0 FROM flow", database="by socket") == "f"
    finally:
        down(Settings(home=tmp_path))


@pytest.mark.parametrize("victim", ["postgres", "redis"])
def test_run_completes_although_what_is_behind_the_server_is_killed(
    victim, postgres_server, migrated_database, redis_server, tmp_path
):
    from genesis.testing.prefect import Workbench

    redis_server.ask("FLUSHALL")
    database = migrated_database(f"heals {victim}").replace(" ", "%20")
    service = {"postgres": postgres_server, "redis": redis_server}[victim]
    program = a_program(a_task("a"), a_task("b"), a_task("c", after=("a", "b")), a_task("d", after=("c",)))
    began = threading.Event()

    class Agent(ScriptedAgent):
        async def execute(self, work):
            began.set()
            return await super().execute(work)

    def harm():
        began.wait(60)
        time.sleep(0.5)
        service.kill()
        time.sleep(2)
        service.start()

    with prefect_on(database, redis_server if victim == "redis" else None) as api:
        thread = threading.Thread(target=harm)
        thread.start()
        try:
            run = asyncio.run(Workbench(tmp_path).run(program, Agent(seconds=0.5)))
        finally:
            thread.join()
        assert run.state == "completed"
        from genesis.prefect_api.drain import drain

        assert drain(api.api_url, print)
        reached = int(api.api_url.split(":")[-1].split("/")[0]), api.password

        def states(kind):
            return {found["name"]: found["state_type"] for found in ask(reached, "POST", f"/api/{kind}/filter", {})}

        assert set(states("flow_runs").values()) == {"COMPLETED"}
        # States of task runs are events: Redis loses those that it held, and Prefect drops those that PostgreSQL did
        # not take after a few tries.
        assert [task.state for task in run.tasks] == ["completed"] * 4


def test_running_server_whose_database_is_away_is_told_and_heals(postgres_server, migrated_database, tmp_path):
    url = migrated_database("away")
    settings = Settings(home=tmp_path)
    try:
        info = up(settings, Backends.of(postgres=url))
        postgres_server.kill()
        try:
            assert status(settings).state == "unresponsive"
            with pytest.raises(ServiceError, match="cannot be reached"):
                up(settings)
            database = {finding.name: finding for finding in diagnose(settings)}["database"]
            assert (database.ok, "start PostgreSQL" in database.mend) == (False, True)
        finally:
            postgres_server.start()
        eventually(lambda: status(settings).state == "running")
        assert up(settings).pid == info.pid
        os.kill(info.pid, signal.SIGKILL)
        postgres_server.kill()
        try:
            with pytest.raises(ServiceError, match="cannot be reached"):  # nothing else is taken instead
                up(settings)
        finally:
            postgres_server.start()
        assert up(settings).database == info.database
    finally:
        down(settings)
    assert not Path(ServerFiles(tmp_path).database).exists()
