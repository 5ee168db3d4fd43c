"""Where the embedded server keeps its runs and sends its events: SQLite and memory, or PostgreSQL and Redis.

What a person gives is an address as `psql` and `redis-cli` take it. Each library behind it wants another form, and
none of them may be shown with its password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from genesis.errors import UsageError

__all__ = ["Backends", "Postgres", "Redis", "password_in"]

_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_TLS = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_REDIS_SCHEMES = ("redis", "rediss", "unix")
_PORT = 5432
"""PostgreSQL's default port."""
_MASK = "***"
_EXAMPLE = "for example: postgresql://prefect@localhost:5432/prefect, or postgresql:///prefect?host=/run/postgresql"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A database of a PostgreSQL server."""

    database: str
    host: str | None = None
    """Name or address, or the folder of a Unix socket; the driver's default if omitted."""
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: str | None = None
    """One of libpq's `sslmode` words; the driver's default if omitted."""

    @classmethod
    def parse(cls, url: str) -> Postgres:
        """Read an address in libpq's form.

        Raises:
            UsageError: It is of another database, is cut short, or has parts that the server's driver does not know.
        """
        scheme, separator, _ = url.partition("://")
        if not separator or scheme.lower() not in _SCHEMES:
            raise UsageError(f"{_safe(url)!r} is not the address of a PostgreSQL database", hint=_EXAMPLE)
        try:
            parts = urlsplit("postgresql" + url[len(scheme) :])
            port = parts.port
            options = {
                name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
            }
            if "@" in parts.path or "@" in parts.query:
                raise ValueError("the password is cut off")
        except ValueError:  # its text repeats parts of the address, perhaps of the password
            raise UsageError(
                "the address of the PostgreSQL database cannot be read",
                hint=f"write / ? # @ : and % in a password as %2F %3F %23 %40 %3A %25; {_EXAMPLE}",
            ) from None
        return _postgres(parts, port, options)

    @property
    def is_socket(self) -> bool:
        """Whether it is reached by a Unix socket."""
        return self.host is not None and self.host.startswith("/")

    @property
    def url(self) -> str:
        """The address in libpq's form, with its password."""
        return self._format_url("postgresql", "sslmode", self.password)

    @property
    def sqlalchemy_url(self) -> str:
        """The address as Prefect's server takes it, with its password."""
        written = self._format_url("postgresql+asyncpg", "ssl", self.password)
        name = quote(self.database, safe="")
        if name == self.database:
            return written
        # SQLAlchemy 2.0 takes the path as it is written; an option of this name wins over it.
        return f"{written}{'&' if '?' in written else '?'}database={name}"

    @property
    def shown(self) -> str:
        """The address for people and logs."""
        return self._format_url("postgresql", "sslmode", _MASK if self.password else None)

    def arguments(self) -> dict[str, Any]:
        """Return the driver's arguments."""
        given = {
            "database": self.database,
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "ssl": self.tls,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _format_url(self, scheme: str, tls_name: str, password: str | None) -> str:
        user = quote(self.user or "", safe="")
        if password is not None:
            user += f":{password if password == _MASK else quote(password, safe='')}"
        options = []
        place = ""
        if self.is_socket:
            options.append(f"host={quote(self.host or '', safe='/')}")
            options += [f"port={self.port}"] if self.port else []
        elif self.host is not None:
            place = f"[{self.host}]" if ":" in self.host else self.host
            place += f":{self.port}" if self.port else ""
        options += [f"{tls_name}={self.tls}"] if self.tls else []
        return (
            f"{scheme}://{user}{'@' if user else ''}{place}/{quote(self.database, safe='')}"
            + ("?" if options else "")
            + "&".join(options)
        )


@dataclass(frozen=True, slots=True)
class Redis:
    """A server that speaks Redis' protocol."""

    url: str = field(repr=False)
    """The address, with its password."""

    @classmethod
    def parse(cls, url: str) -> Redis:
        """Read an address.

        Raises:
            UsageError: It is none, or of a kind that is not supported.
        """
        example = "for example: redis://localhost:6379/0, or rediss://:PASSWORD@HOST:6380/0"
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in _REDIS_SCHEMES or not rest.strip("/"):
            raise UsageError(f"{_safe(url)!r} is not the address of a Redis server", hint=example)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UsageError("the address of the Redis server cannot be read", hint=example) from None
        if scheme != "unix" and not parts.hostname:
            raise UsageError(f"{_safe(url)!r} names no host", hint=example)
        database = parts.path.strip("/")
        if scheme != "unix" and database and not database.isdigit():
            raise UsageError(f"{_safe(url)!r}: the database {database!r} is not a number", hint=example)
        del port  # reading it was the check
        return cls(url)

    @property
    def shown(self) -> str:
        """The address for people and logs."""
        return _safe(self.url)


@dataclass(frozen=True, slots=True)
class Backends:
    """What the embedded server stands on. Without either it is SQLite and the server's own memory."""

    postgres: Postgres | None = None
    redis: Redis | None = None

    @classmethod
    def of(cls, *, postgres: str | None = None, redis: str | None = None, password: str | None = None) -> Backends:
        """Read what a person gave.

        Args:
            postgres: Address of the database; SQLite if omitted.
            redis: Address of the server for events.
            password: For an address of a database that has none.

        Raises:
            UsageError: An address cannot be used, or Redis was given alone.
        """
        if postgres is None:
            if redis is not None:
                raise UsageError(
                    "--redis was given without --postgres, and SQLite has one server, which needs no Redis",
                    hint="set both: genesis server up --postgres URL --redis URL",
                )
            return cls()
        found = Postgres.parse(postgres)
        if found.password is None and password:
            found = replace(found, password=password)
        return cls(found, Redis.parse(redis) if redis is not None else None)

    @classmethod
    def from_document(cls, document: Mapping[str, str | None]) -> Backends:
        """Read what `document` gave."""
        return cls.of(postgres=document.get("postgres"), redis=document.get("redis"))

    def document(self) -> dict[str, str | None]:
        """Return both addresses, with their passwords, for a file that only its user can read."""
        return {
            "postgres": self.postgres.url if self.postgres else None,
            "redis": self.redis.url if self.redis else None,
        }

    @property
    def shown(self) -> str:
        """Both addresses for people and logs."""
        if self.postgres is None:
            return "SQLite"
        return self.postgres.shown + (f" with {self.redis.shown}" if self.redis else "")

    def hide_passwords(self, text: str) -> str:
        """Take the passwords out of a text."""
        for secret in self.secrets():
            text = text.replace(secret, _MASK)
        return text

    def secrets(self) -> list[str]:
        """Return the passwords, as they are and as they stand in addresses."""
        given = [self.postgres.password if self.postgres else None]
        if self.redis:
            given.append(urlsplit(self.redis.url).password)
        forms = {form for secret in given if secret for form in (secret, quote(secret, safe=""), unquote(secret))}
        return sorted(forms, key=lambda form: (-len(form), form))


def _postgres(parts: SplitResult, port: int | None, options: dict[str, str]) -> Postgres:
    """Put the parts of an address together.

    Raises:
        UsageError: Parts are missing, contradict each other, or are not known to the driver.
    """
    database, host = unquote(parts.path.removeprefix("/")), parts.hostname
    host = options.pop("host", None) or (unquote(host) if host else None)
    tls = options.pop("sslmode", None) or options.pop("ssl", None)
    given_port = options.pop("port", None)
    options.pop("database", None)  # of `sqlalchemy_url`, and the same as in the path
    if options:
        names = ", ".join(sorted(options))
        raise UsageError(
            f"the address of the PostgreSQL database has options that Prefect's driver does not support: {names}",
            hint="only host, port and sslmode may follow the question mark; certificates are read from ~/.postgresql",
        )
    if not database:
        raise UsageError("the address of the PostgreSQL server names no database", hint=_EXAMPLE)
    if host is not None and "," in host:
        raise UsageError(f"the address of the PostgreSQL database names several hosts: {host}", hint="name one")
    if tls is not None and tls not in _TLS:
        raise UsageError(f"sslmode {tls!r} is unknown", hint=f"one of {', '.join(_TLS)}")
    if given_port is not None:
        if not given_port.isdigit():
            raise UsageError(f"port {given_port!r} is not a number", hint=_EXAMPLE)
        port = int(given_port)
    return Postgres(
        database,
        host,
        port or (_PORT if host else None),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        tls,
    )


def password_in(url: str) -> str | None:
    """Return the password that stands in an address, as it stands there; the address need not be a good one."""
    authority, at, _ = url.partition("://")[2].rpartition("@")
    return authority.partition(":")[2] or None if at else None


def _safe(url: str) -> str:
    """Mask what stands between the user and the last at sign, and options that are called password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url if "@" not in url else f"{_MASK}@{url.rpartition('@')[2]}"
    authority, at, place = rest.rpartition("@")
    if at:
        user, colon, _ = authority.partition(":")
        rest = f"{user}{colon}{_MASK if colon else ''}@{place}"
    head, mark, query = rest.partition("?")
    options = "&".join(
        f"{name}={_MASK}" if "password" in (name := option.partition("=")[0]).lower() else option
        for option in query.split("&")
    )
    return f"{scheme}://{head}{mark}{options}"
