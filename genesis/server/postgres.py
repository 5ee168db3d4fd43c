"""Ask a PostgreSQL database whether it can carry Prefect's server, and say why not.

Prefect's own start would fail for the same reason with a traceback, after seconds or minutes of trying.
"""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from genesis.errors import ServiceError
from genesis.server.backends import Backends, Postgres
from genesis.server.limits import BACKEND_TIMEOUT_S

__all__ = ["NEEDED_CONNECTIONS", "PostgresFacts", "ask_postgres", "notes_on_postgres"]

NEEDED_CONNECTIONS = 17
"""Most connections of one Prefect server: its pool of 5, 10 more under load, and two that listen."""

_LOWEST = 14_00_09
"""14.9, as `server_version_num` has it: Prefect supports PostgreSQL from 14.9 on."""
_EXTENSION = "pg_trgm"
_PASSWORD_HINT = "correct the user and the password in the address, in PGPASSWORD or in ~/.pgpass"  # noqa: S105
_T = TypeVar("_T")

_FACTS = """
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS number,
       current_user AS role,
       pg_encoding_to_char(d.encoding) AS encoding,
       pg_is_in_recovery() AS replica,
       (SELECT installed_version FROM pg_available_extensions WHERE name = $1) AS extension,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = $1) AS available,
       COALESCE((SELECT bool_or(trusted) FROM pg_available_extension_versions WHERE name = $1), false) AS trusted,
       r.rolsuper AS superuser,
       has_database_privilege(d.oid, 'CREATE') AS may_create,
       COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_make_tables,
       to_regclass('alembic_version') IS NOT NULL AS migrated,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS slots,
       d.datconnlimit AS database_limit,
       r.rolconnlimit AS role_limit,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::int
           AS used,
       (SELECT count(*) FROM pg_stat_activity WHERE application_name = $2 AND datname = d.datname)::int AS own,
       (SELECT count(DISTINCT application_name) FROM pg_stat_activity
         WHERE application_name LIKE 'genesis %' AND application_name <> $2 AND datname = d.datname)::int AS others,
       pg_database_size(d.oid) AS bytes
  FROM pg_database d, pg_roles r
 WHERE d.datname = current_database() AND r.rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """What a database said about itself."""

    version: str
    number: int
    """The version as PostgreSQL counts: 150018 is 15.18."""
    role: str
    encoding: str
    replica: bool
    extension: str | None
    """Version of `pg_trgm` in this database; None where it has not been created there."""
    available: bool
    """Whether the extension's files are on that machine."""
    trusted: bool
    superuser: bool
    may_create: bool
    may_make_tables: bool
    migrated: bool
    """Whether Prefect's tables are there."""
    slots: int
    database_limit: int
    role_limit: int
    used: int
    """Connections of all clients but this one."""
    own: int
    """Those of the server of this home."""
    others: int
    """Servers of other homes on this database."""
    bytes: int
    revision: str | None = None
    """Prefect's last migration."""

    @property
    def free(self) -> int:
        """Connections that are left for the server of this home, those that it has included, at most."""
        limits = [limit for limit in (self.database_limit, self.role_limit) if limit >= 0]
        return max(0, min([self.slots - self.used + self.own, *limits]))

    @property
    def shown(self) -> str:
        """What a person should know of it, in a line."""
        trigrams = f"{_EXTENSION} {self.extension}" if self.extension else f"{_EXTENSION} is created at the start"
        return (
            f"PostgreSQL {self.version.split()[0]}, {trigrams}, {self.bytes / 1e6:.0f} MB, "
            f"{self.used} of {self.slots} connections in use"
        )


def ask_postgres(postgres: Postgres, application: str = "", timeout_s: float = BACKEND_TIMEOUT_S) -> PostgresFacts:
    """Connect, and ask what a Prefect server needs to know.

    Args:
        postgres: Where it is.
        application: What that server calls itself, to tell its connections from others.
        timeout_s: For all of it.

    Raises:
        ServiceError: It cannot be reached, or does not let us in.
    """
    if importlib.util.find_spec("asyncpg") is None:
        raise ServiceError("asyncpg is not installed, and Prefect needs it for PostgreSQL", hint="pip install asyncpg")
    return _in_a_thread(_ask_postgres(postgres, application, timeout_s))


def notes_on_postgres(backends: Backends, facts: PostgresFacts) -> Iterator[str]:
    """Return notes about a database that can be used.

    Raises:
        ServiceError: It cannot.
    """
    postgres = backends.postgres
    if postgres is None:
        return
    where = postgres.shown
    if facts.number < _LOWEST:
        raise ServiceError(
            f"{where} is PostgreSQL {facts.version}, and Prefect needs 14.9 or newer", hint="upgrade PostgreSQL"
        )
    if facts.replica:
        raise ServiceError(f"{where} is a replica and cannot be written", hint="use the address of the primary")
    if facts.encoding != "UTF8":
        raise ServiceError(
            f"{where} has the encoding {facts.encoding}, and texts of any language go into it",
            hint=f"create one with: createdb -E UTF8 -T template0 {postgres.database}",
        )
    if not facts.migrated and not facts.may_make_tables:
        raise ServiceError(
            f"the role {facts.role!r} may not create tables in {where}",
            hint=f'as its owner run there: GRANT CREATE ON SCHEMA public TO "{facts.role}"',
        )
    if facts.extension is None:
        _refuse_without_extension(where, facts)
    if facts.revision is not None and not _is_installed(facts.revision):
        raise ServiceError(
            f"{where} was migrated by another version of Prefect: its revision {facts.revision} is unknown here",
            hint="install the version that the other servers on it have, or restore the backup from before the upgrade",
        )
    if facts.free < NEEDED_CONNECTIONS:
        yield (
            f"{where} has {facts.free} connections left, and a Prefect server opens up to {NEEDED_CONNECTIONS}: "
            "raise max_connections, or the limit of the role or the database"
        )
    if facts.others and backends.redis is None:
        yield (
            f"another Prefect server uses {where}, and without Redis each receives only its own events: "
            "use --redis for both, or one server for all"
        )


def _refuse_without_extension(where: str, facts: PostgresFacts) -> None:
    if not facts.available:
        raise ServiceError(
            f"the PostgreSQL server of {where} lacks the extension {_EXTENSION}, which Prefect's tables need",
            hint="install PostgreSQL's contrib package on its machine (postgresql-contrib)",
        )
    if not (facts.superuser or (facts.trusted and facts.may_create)):
        raise ServiceError(
            f"{where} lacks the extension {_EXTENSION}, and the role {facts.role!r} may not create it",
            hint=f"as a superuser run there: CREATE EXTENSION {_EXTENSION};",
        )


def _is_installed(revision: str) -> bool:
    """Whether a migration is one of the installed Prefect's: some files are not named after what is in them."""
    found = importlib.util.find_spec("prefect")
    if found is None or found.origin is None:
        return True
    folder = Path(found.origin).parent / "server/database/_migrations/versions/postgresql"
    return not folder.is_dir() or any(
        f'"{revision}"' in path.read_text(encoding="utf-8") for path in folder.glob("*.py")
    )


def _in_a_thread(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end, also where this thread has an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _ask_postgres(postgres: Postgres, application: str, timeout_s: float) -> PostgresFacts:
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415  # 0.2 s, only where it is used

    try:
        async with asyncio.timeout(timeout_s):
            connection = await asyncpg.connect(**postgres.arguments(), timeout=timeout_s)
            try:
                return await _facts(connection, application)
            finally:
                await connection.close(timeout=1.0)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise _refusal(postgres, error, timeout_s) from None


async def _facts(connection: Any, application: str) -> PostgresFacts:
    row = await connection.fetchrow(_FACTS, _EXTENSION, application)
    if row is None:
        raise ValueError("it reports no version")
    revision = await connection.fetchval("SELECT max(version_num) FROM alembic_version") if row["migrated"] else None
    return PostgresFacts(**dict(row), revision=revision)


def _refusal(postgres: Postgres, error: Exception, timeout_s: float) -> ServiceError:
    """Return why a database cannot be used, and what to do, without passwords in the driver's message."""
    import asyncpg  # noqa: PLC0415

    where = postgres.shown
    said = Backends(postgres=postgres).hide_passwords(str(error)).strip() or type(error).__name__
    if isinstance(error, asyncpg.InvalidPasswordError):
        return ServiceError(f"the database {where} refuses the password: {said}", hint=_PASSWORD_HINT)
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        user = f" -O {postgres.user}" if postgres.user else ""
        return ServiceError(
            f"the PostgreSQL server of {where} has no such database: {said}",
            hint=f"create it: createdb{user} {postgres.database}",
        )
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return ServiceError(f"the database {where} denies access: {said}", hint=_PASSWORD_HINT)
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return ServiceError(
            f"the database {where} has no connection left: {said}",
            hint=f"close some, or raise max_connections; a Prefect server opens up to {NEEDED_CONNECTIONS}",
        )
    if isinstance(error, asyncpg.CannotConnectNowError):
        return ServiceError(f"the database {where} is starting or stopping: {said}", hint="try again in a moment")
    if isinstance(error, TimeoutError):
        return ServiceError(
            f"the database {where} does not answer within {timeout_s:g} s",
            hint="check the host name, and that no firewall blocks the connection",
        )
    if isinstance(error, socket.gaierror):
        return ServiceError(f"the host of {where} cannot be resolved: {said}", hint="correct the address")
    return ServiceError(
        f"the database {where} cannot be reached: {said}",
        hint="start PostgreSQL, or correct the address; genesis server up --sqlite does without",
    )
