"""Ask a Redis server whether it can carry the events of Prefect's server."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from genesis.errors import ServiceError
from genesis.server.backends import Backends, Postgres, Redis
from genesis.server.limits import BACKEND_TIMEOUT_S

__all__ = ["RedisFacts", "ask_redis", "identity_of", "notes_on_redis", "refuse_without_package"]

_OWNER_KEY = "genesis:database"
_REDIS_HINT = "start it, or correct the address; genesis server up --postgres URL without --redis does without"


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What a Redis server said about itself."""

    version: str
    bytes: int
    eviction: str

    @property
    def shown(self) -> str:
        """What a person should know of it, in a line."""
        return f"Redis {self.version}, {self.bytes / 1e6:.0f} MB in use"


def ask_redis(redis: Redis, timeout_s: float = BACKEND_TIMEOUT_S, claim: str | None = None) -> RedisFacts:
    """Connect, and ask what it is.

    Args:
        redis: Where it is.
        timeout_s: For the connection and for each answer.
        claim: Write down for which database this Redis database carries events, if nobody has.

    Raises:
        ServiceError: It cannot be reached, does not let us in, or carries the events of another database.
    """
    if importlib.util.find_spec("redis") is None:
        raise ServiceError("redis is not installed", hint="pip install 'prefect-genesis[redis]'")
    import redis as library  # noqa: PLC0415  # 0.3 s, only where it is used

    client = library.Redis.from_url(
        redis.url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, decode_responses=True, protocol=2
    )
    try:
        about: dict[str, Any] = client.info()
        policy: Any = about.get("maxmemory_policy", "")
        if claim is not None:
            client.set(_OWNER_KEY, claim, nx=True)
            owner: Any = client.get(_OWNER_KEY)
            if owner != claim:
                raise ServiceError(
                    f"the Redis database {redis.shown} carries the events of the Prefect server on {owner}",
                    hint="use another database number, such as /1, or delete the key genesis:database if that "
                    "server is gone",
                )
        return RedisFacts(str(about.get("redis_version", "?")), int(about.get("used_memory", 0)), str(policy))
    except library.AuthenticationError as error:
        raise ServiceError(f"the Redis server {redis.shown} refuses the password: {error}", hint=_REDIS_HINT) from None
    except (library.RedisError, OSError, ValueError) as error:
        raise ServiceError(
            f"the Redis server {redis.shown} cannot be used: {Backends(redis=redis).hide_passwords(str(error))}",
            hint=_REDIS_HINT,
        ) from None
    finally:
        client.close()


def notes_on_redis(facts: RedisFacts) -> Iterator[str]:
    """Return what a person should know about one that can be used."""
    if facts.eviction not in {"", "noeviction"}:
        yield f"Redis may drop events when it is full (maxmemory-policy is {facts.eviction}); set it to noeviction"


def refuse_without_package() -> None:
    """Refuse to use Redis where Prefect's part for it is missing.

    Raises:
        ServiceError: It is.
    """
    if importlib.util.find_spec("prefect_redis") is None:
        raise ServiceError(
            "prefect-redis is not installed, and Prefect's server needs it for Redis",
            hint="pip install 'prefect-genesis[redis]'",
        )


def identity_of(postgres: Postgres) -> str:
    """Name a database without its user and password, the same for all who use it."""
    place = postgres.host if postgres.is_socket else f"{postgres.host or 'localhost'}:{postgres.port or ''}"
    return f"{place}/{postgres.database}"
