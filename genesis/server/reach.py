"""Whether what the embedded server stands on can carry it: asked before it is started, and by who looks at it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from genesis.errors import ServiceError
from genesis.server.backends import Backends
from genesis.server.broker import ask_redis, identity_of, notes_on_redis, refuse_without_package
from genesis.server.postgres import ask_postgres, notes_on_postgres

__all__ = ["BackendStatus", "look", "require"]


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What was found out about one of them."""

    address: str
    said: str = ""
    """What it says about itself; empty where it does not answer."""
    problem: str = ""
    fix: str = ""
    notes: tuple[str, ...] = ()
    """What a person should know although it can be used."""


def require(backends: Backends, application: str = "") -> list[str]:
    """Make sure that a Prefect server can start on them.

    Args:
        backends: What it is to stand on.
        application: What it calls itself to PostgreSQL.

    Returns:
        What a person should know although it can.

    Raises:
        ServiceError: It cannot: one does not answer, refuses, is too old, or lacks something. Nothing was changed.
    """
    if backends.postgres is None:
        return []
    facts = ask_postgres(backends.postgres, application)
    notes = list(notes_on_postgres(backends, facts))
    if backends.redis is not None:
        refuse_without_package()
        found = ask_redis(backends.redis, claim=identity_of(backends.postgres))
        notes += notes_on_redis(found)
    return notes


def look(backends: Backends, application: str = "") -> tuple[BackendStatus | None, BackendStatus | None]:
    """Ask both how they are; None for one that is not used.

    Args:
        backends: What a server stands on.
        application: What it calls itself to PostgreSQL.
    """
    database = broker = None
    if (postgres := backends.postgres) is not None:
        try:
            facts = ask_postgres(postgres, application)
            database = BackendStatus(postgres.shown, facts.shown)
            database = replace(database, notes=tuple(notes_on_postgres(backends, facts)))
        except ServiceError as error:
            database = replace(database or BackendStatus(postgres.shown), problem=error.message, fix=error.hint)
    if (redis := backends.redis) is not None:
        try:
            found = ask_redis(redis)
            broker = BackendStatus(redis.shown, found.shown, notes=tuple(notes_on_redis(found)))
            refuse_without_package()
        except ServiceError as error:
            broker = replace(broker or BackendStatus(redis.shown), problem=error.message, fix=error.hint)
    return database, broker
