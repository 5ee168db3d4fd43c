"""Addresses of PostgreSQL and Redis: read, written for each library, and never shown with their passwords."""

import pytest

from genesis.errors import UsageError
from genesis.server import Backends
from genesis.server.backends import Postgres, Redis, password_in


@pytest.mark.parametrize(
    ("given", "sqlalchemy", "shown"),
    [
        (
            "postgresql://me:pw@db.example:6543/prefect",
            "postgresql+asyncpg://me:pw@db.example:6543/prefect",
            "postgresql://me:***@db.example:6543/prefect",
        ),
        ("postgres://db/prefect", "postgresql+asyncpg://db:5432/prefect", "postgresql://db:5432/prefect"),
        (
            "postgresql+asyncpg://me@[::1]/prefect?ssl=require",
            "postgresql+asyncpg://me@[::1]:5432/prefect?ssl=require",
            "postgresql://me@[::1]:5432/prefect?sslmode=require",
        ),
        (
            "postgresql://me:pw@/prefect?host=/run/postgresql&port=5433",
            "postgresql+asyncpg://me:pw@/prefect?host=/run/postgresql&port=5433",
            "postgresql://me:***@/prefect?host=/run/postgresql&port=5433",
        ),
        (
            "postgresql://me@%2Frun%2Fpostgresql/prefect",
            "postgresql+asyncpg://me@/prefect?host=/run/postgresql&port=5432",
            "postgresql://me@/prefect?host=/run/postgresql&port=5432",
        ),
        ("postgresql:///prefect", "postgresql+asyncpg:///prefect", "postgresql:///prefect"),
        (
            "postgresql://a%40b:p%2F%3A%25%23w@h/d%20b",
            "postgresql+asyncpg://a%40b:p%2F%3A%25%23w@h:5432/d%20b?database=d%20b",
            "postgresql://a%40b:***@h:5432/d%20b",
        ),
    ],
)
def test_address_is_written_as_each_reader_wants_it(given, sqlalchemy, shown):
    found = Postgres.parse(given)
    assert (found.sqlalchemy_url, found.shown) == (sqlalchemy, shown)
    assert Postgres.parse(found.url) == found
    assert Postgres.parse(found.sqlalchemy_url) == found


def test_driver_gets_plain_arguments():
    found = Postgres.parse("postgresql://me:p%2Fw@h:1/d?sslmode=verify-full")
    wanted = {"database": "d", "host": "h", "port": 1, "user": "me", "password": "p/w", "ssl": "verify-full"}
    assert found.arguments() == wanted
    assert Postgres.parse("postgresql:///d").arguments() == {"database": "d"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mysql://me:hushhush@h/d", "is not the address of a PostgreSQL database"),
        ("me:hushhush@h/d", "is not the address"),
        ("prefect", "'prefect' is not the address"),
        ("postgresql://me:hush/hush@h/d", "cannot be read"),
        ("postgresql://me:12/hushhush@h/d", "cannot be read"),
        ("postgresql://me:12?hushhush@h/d", "cannot be read"),
        ("postgresql://me:12?x=hushhush@h/d", "cannot be read"),
        ("postgresql://me:hush#hush@h/d", "cannot be read"),
        ("postgresql://me:hushhush@[h/d", "cannot be read"),
        ("postgresql://me:hushhush@h:70000/d", "cannot be read"),
        ("postgresql://me:hushhush@h", "names no database"),
        ("postgresql://me:hushhush@a,b/d", "several hosts"),
        ("postgresql://me:hushhush@h/d?sslmode=maybe", "sslmode 'maybe' is unknown"),
        ("postgresql://me:hushhush@/d?host=/run&port=x", "port 'x' is not a number"),
        ("postgresql://me:hushhush@h/d?options=x&sslrootcert=y", "does not support: options, sslrootcert"),
    ],
)
def test_bad_address_is_refused_without_its_password(given, said):
    with pytest.raises(UsageError) as caught:
        Postgres.parse(given)
    assert said in caught.value.message
    assert caught.value.hint
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("rediss://:hush@h/0", "rediss://:***@h/0"),
        ("redis://me:hush@h", "redis://me:***@h"),
        ("unix:///run/redis.sock?password=hush&db=1", "unix:///run/redis.sock?password=***&db=1"),
    ],
)
def test_redis_is_shown_without_its_password(given, shown):
    assert Redis.parse(given).shown == shown
    assert "hush" not in repr(Redis.parse(given))


@pytest.mark.parametrize(
    "given", ["http://:hush@h", "redis://", "redis:///", "redis://:hush@", "redis://:hush@h:x/0", "redis://:hush@h/one"]
)
def test_bad_address_of_redis_is_refused_without_its_password(given):
    with pytest.raises(UsageError) as caught:
        Redis.parse(given)
    assert "for example: redis://" in caught.value.hint
    assert "hush" not in str(caught.value)


def test_redis_alone_is_refused():
    with pytest.raises(UsageError, match="--redis was given without --postgres"):
        Backends.of(redis="redis://h")


def test_nothing_is_sqlite():
    assert Backends.of() == Backends()
    assert (Backends().shown, Backends().document()) == ("SQLite", {"postgres": None, "redis": None})


def test_password_from_elsewhere_fills_an_address_that_has_none():
    assert Backends.of(postgres="postgresql://me@h/d", password="p@w").postgres.password == "p@w"
    assert Backends.of(postgres="postgresql://me:own@h/d", password="other").postgres.password == "own"


def test_document_brings_everything_back_and_passwords_are_hidden_elsewhere():
    both = Backends.of(postgres="postgresql://me:p%2Fw@h/d", redis="redis://:r%40w@h/0")
    assert Backends.from_document(both.document()) == both
    assert both.shown == "postgresql://me:***@h:5432/d with redis://:***@h/0"
    assert both.hide_passwords("p/w p%2Fw r@w r%40w x") == "*** *** *** *** x"
    assert not any(secret in repr(both) for secret in both.secrets())


def test_password_is_found_in_any_address():
    assert password_in("postgresql://me:a@b@h/d") == "a@b"
    assert password_in("postgresql://me:se/cret@h/d") == "se/cret"
    assert password_in("redis://:pw@h") == "pw"
    assert [password_in(url) for url in ("postgresql://me@h/d", "postgresql://h:1/d", "x")] == [None] * 3
