"""What PostgreSQL and Redis say of themselves, and what follows for a Prefect server."""

import importlib.util
import socket
import socketserver
import threading
from dataclasses import replace

import asyncpg
import pytest

from genesis.errors import ServiceError
from genesis.server import Backends, broker, postgres, reach
from genesis.server.backends import Postgres, Redis
from genesis.server.broker import RedisFacts, identity_of, notes_on_redis
from genesis.server.postgres import NEEDED_CONNECTIONS, PostgresFacts, ask_postgres, notes_on_postgres

BACKENDS = Backends.of(postgres="postgresql://me:hush@h/d")
WELL = PostgresFacts(
    version="15.18 (Debian)",
    number=15_00_18,
    role="me",
    encoding="UTF8",
    replica=False,
    extension="1.6",
    available=True,
    trusted=True,
    superuser=False,
    may_create=True,
    may_make_tables=True,
    migrated=False,
    slots=97,
    database_limit=-1,
    role_limit=-1,
    used=3,
    own=0,
    others=0,
    bytes=12_000_000,
)


def notes(**changes):
    return list(notes_on_postgres(BACKENDS, replace(WELL, **changes)))


def test_database_that_is_well_has_no_notes():
    assert notes() == []
    assert WELL.shown == "PostgreSQL 15.18, pg_trgm 1.6, 12 MB, 3 of 97 connections in use"
    assert "pg_trgm is created at the start" in replace(WELL, extension=None).shown
    assert list(notes_on_postgres(Backends(), WELL)) == []


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        ({"number": 14_00_08, "version": "14.8"}, "is PostgreSQL 14.8, and Prefect needs 14.9", "upgrade"),
        ({"replica": True}, "is a replica", "primary"),
        ({"encoding": "LATIN1"}, "has the encoding LATIN1", "createdb -E UTF8"),
        ({"may_make_tables": False}, "the role 'me' may not create tables", "GRANT CREATE ON SCHEMA public"),
        ({"extension": None, "available": False}, "lacks the extension pg_trgm, which", "contrib"),
        ({"extension": None, "may_create": False}, "the role 'me' may not create it", "CREATE EXTENSION pg_trgm;"),
        ({"extension": None, "trusted": False}, "the role 'me' may not create it", "as a superuser"),
        ({"migrated": True, "revision": "0123456789ab"}, "its revision 0123456789ab is unknown here", "backup"),
    ],
)
def test_database_that_cannot_be_used_is_refused_with_what_to_do(changes, said, hint):
    with pytest.raises(ServiceError) as caught:
        notes(**changes)
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"extension": None},
        {"extension": None, "superuser": True, "trusted": False, "may_create": False},
        {"migrated": True, "may_make_tables": False},
        {"migrated": True, "revision": "77ebcc9cf355"},
    ],
)
def test_database_that_lacks_nothing_needed_is_taken(changes):
    assert notes(**changes) == []


def test_missing_migrations_are_not_held_against_a_database(monkeypatch):
    monkeypatch.setattr(postgres.importlib.util, "find_spec", lambda name: None)
    assert notes(migrated=True, revision="0123456789ab") == []


def test_few_connections_and_other_servers_are_noted():
    assert WELL.free == 94
    assert replace(WELL, used=20, own=15).free == 92
    assert replace(WELL, database_limit=10, role_limit=5).free == 5
    (few,) = notes(used=90)
    assert f"7 connections left, and a Prefect server opens up to {NEEDED_CONNECTIONS}" in few
    (other,) = notes(others=1)
    assert "another Prefect server uses postgresql://me:***@h:5432/d" in other
    with_redis = Backends.of(postgres="postgresql://h/d", redis="redis://h")
    assert list(notes_on_postgres(with_redis, replace(WELL, others=1))) == []


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (asyncpg.InvalidPasswordError("for hush"), "refuses the password: for ***", "PGPASSWORD"),
        (asyncpg.InvalidCatalogNameError("no"), "has no such database", "createdb -O me d"),
        (asyncpg.InvalidAuthorizationSpecificationError("no"), "denies access", "PGPASSWORD"),
        (asyncpg.TooManyConnectionsError("no"), "has no connection left", "max_connections"),
        (asyncpg.CannotConnectNowError("no"), "is starting or stopping", "in a moment"),
        (TimeoutError(), "does not answer within 2 s", "firewall"),
        (socket.gaierror(-2, "unknown"), "the host of", "correct the address"),
        (ConnectionRefusedError(111, "refused"), "cannot be reached: [Errno 111] refused", "start PostgreSQL"),
        (ValueError(), "cannot be reached: ValueError", "--sqlite"),
    ],
)
def test_refusal_says_what_to_do(error, said, hint):
    refusal = postgres._refusal(BACKENDS.postgres, error, 2.0)
    assert said in refusal.message
    assert hint in refusal.hint
    assert "hush" not in str(refusal)
    assert refusal.exit_code == 4


def test_new_database_of_no_named_user_is_made_by_its_name():
    refusal = postgres._refusal(Postgres.parse("postgresql://h/d"), asyncpg.InvalidCatalogNameError("no"), 1)
    assert refusal.hint == "create it: createdb d"


def test_database_that_is_not_there_is_noticed_at_once_also_inside_an_event_loop():
    nowhere = Postgres.parse("postgresql://me:hush@127.0.0.1:1/d")
    with pytest.raises(ServiceError, match="cannot be reached"):
        ask_postgres(nowhere)


async def test_database_can_be_asked_inside_an_event_loop():
    with pytest.raises(ServiceError, match="cannot be reached"):
        ask_postgres(Postgres.parse("postgresql://me@127.0.0.1:1/d"))


def test_host_that_says_nothing_is_given_up(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = Postgres.parse(f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/d")
        with pytest.raises(ServiceError, match=r"does not answer within 0\.3 s"):
            ask_postgres(where, timeout_s=0.3)


def without(monkeypatch, module):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else found(name))


def test_missing_packages_are_named(monkeypatch):
    for module, ask in (
        ("asyncpg", lambda: ask_postgres(BACKENDS.postgres)),
        ("redis", lambda: broker.ask_redis(Redis("redis://h"))),
        ("prefect_redis", broker.refuse_without_package),
    ):
        with monkeypatch.context() as patched:
            without(patched, module)
            with pytest.raises(ServiceError, match="is not installed") as caught:
                ask()
            assert caught.value.hint.startswith("pip install")
    broker.refuse_without_package()


def test_redis_that_is_not_there_is_noticed_at_once():
    with pytest.raises(ServiceError, match=r"redis://:\*\*\*@127.0.0.1:1/0 cannot be used") as caught:
        broker.ask_redis(Redis("redis://:hush@127.0.0.1:1/0"))
    assert "without --redis" in caught.value.hint


def test_something_else_than_redis_is_refused():
    class Chatter(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1000)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Chatter) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(ServiceError, match="cannot be used"):
                broker.ask_redis(Redis(f"redis://127.0.0.1:{server.server_address[1]}"))
        finally:
            server.shutdown()
            thread.join()


def test_redis_that_forgets_is_noted():
    assert list(notes_on_redis(RedisFacts("7.2", 1, "noeviction"))) == []
    assert "allkeys-lru" in next(notes_on_redis(RedisFacts("7.2", 1, "allkeys-lru")))
    assert RedisFacts("7.2", 2_000_000, "").shown == "Redis 7.2, 2 MB in use"


def test_database_is_named_without_its_user():
    assert identity_of(Postgres.parse("postgresql://me:pw@h/d")) == "h:5432/d"
    assert identity_of(Postgres.parse("postgresql://me:pw@/d?host=/run&port=1")) == "/run/d"
    assert identity_of(Postgres.parse("postgresql:///d")) == "localhost:/d"


BOTH = Backends.of(postgres="postgresql://me:hush@h/d", redis="redis://:hush@h/0")


def test_sqlite_needs_nothing():
    assert reach.require(Backends()) == []
    assert reach.look(Backends()) == (None, None)


def test_both_are_asked_before_a_start(monkeypatch):
    claims = []
    monkeypatch.setattr(reach, "ask_postgres", lambda where, application: replace(WELL, used=90))
    monkeypatch.setattr(
        reach, "ask_redis", lambda where, claim: claims.append(claim) or RedisFacts("7.2", 1, "allkeys-lru")
    )
    few, forgets = reach.require(BOTH, "genesis")
    assert "connections left" in few
    assert "may drop events" in forgets
    assert claims == ["h:5432/d"]
    assert len(reach.require(BACKENDS)) == 1


def test_look_tells_what_is_wrong_with_each(monkeypatch):
    def refuse(*_):
        raise ServiceError("no", hint="start it")

    monkeypatch.setattr(reach, "ask_postgres", lambda where, application: WELL)
    monkeypatch.setattr(reach, "ask_redis", lambda where: RedisFacts("7.2", 1, ""))
    database, redis = reach.look(BOTH)
    assert (database.said, database.problem, redis.said, redis.problem) == (
        WELL.shown,
        "",
        "Redis 7.2, 0 MB in use",
        "",
    )
    monkeypatch.setattr(reach, "ask_postgres", lambda where, application: replace(WELL, replica=True))
    monkeypatch.setattr(reach, "ask_redis", refuse)
    database, redis = reach.look(BOTH)
    assert (database.said, database.fix) == (WELL.shown, "use the address of the primary")
    assert (redis.said, redis.problem, redis.fix) == ("", "no", "start it")
    monkeypatch.setattr(reach, "ask_postgres", refuse)
    database, _ = reach.look(BOTH)
    assert (database.address, database.said, database.problem) == ("postgresql://me:***@h:5432/d", "", "no")
