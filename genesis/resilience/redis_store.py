"""Shared state of several hosts, in Redis."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from genesis.resilience.store import StoreError

if TYPE_CHECKING:
    import redis

__all__ = ["RedisStore"]

_T = TypeVar("_T")
_TRIES = 50
"""Attempts of an optimistic transaction: each failed one means that another process succeeded."""
_CALL_S = 1.0
"""Time limit of one command; without the store the state of this process is used."""
_KEPT_S = 24 * 3600
"""How long a state is kept that nobody changes."""


class RedisStore:
    """Keeps texts by name in a Redis database that several hosts use.

    A step is made here and kept only if nobody changed the state meanwhile (WATCH and MULTI), else it is made again:
    the steps are the same code as in memory. The time is the Redis server's, so that hosts need not agree on theirs.

    Args:
        url: `redis://…` or `rediss://…`.
        prefix: Of the keys.
    """

    def __init__(self, url: str, *, prefix: str = "genesis:state:"):
        self._url = url
        self._prefix = prefix
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None

    def now(self) -> float:
        """Return the time of the Redis server.

        Raises:
            StoreError: It cannot be reached.
        """
        return self._try(lambda client: _seconds(client.time()))

    def change(self, name: str, step: Callable[[str | None, float], tuple[str | None, _T]]) -> _T:
        """Change what is kept under a name, atomically.

        Raises:
            StoreError: Redis cannot be reached, or too many change the same state at once.
        """
        return self._try(lambda client: self._change_key(client, self._prefix + name, step))

    def read(self, name: str) -> tuple[str | None, float]:
        """Return what is kept under a name, and the time.

        Raises:
            StoreError: Redis cannot be reached.
        """

        def ask(client: redis.Redis) -> tuple[str | None, float]:
            with client.pipeline(transaction=False) as pipe:
                pipe.get(self._prefix + name)
                pipe.time()
                kept, now = pipe.execute()
            return kept, _seconds(now)

        return self._try(ask)

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin with a prefix, in order.

        Raises:
            StoreError: Redis cannot be reached.
        """
        start = self._prefix + prefix
        return self._try(
            lambda client: sorted(
                str(key).removeprefix(self._prefix)
                for key in client.scan_iter(match=f"{self._prefix}*", count=1000)
                if str(key).startswith(start)
            )
        )

    def close(self) -> None:
        """Close the connections. They are opened again when the store is used again."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _change_key(
        self, client: redis.Redis, key: str, step: Callable[[str | None, float], tuple[str | None, _T]]
    ) -> _T:
        from redis.exceptions import WatchError  # noqa: PLC0415

        for attempt in range(_TRIES):
            with client.pipeline() as pipe:
                pipe.watch(key)  # type: ignore[no-untyped-call]
                kept: Any = pipe.get(key)
                now: Any = pipe.time()
                text, value = step(kept, _seconds(now))
                if text is None:
                    return value
                pipe.multi()
                pipe.set(key, text, ex=_KEPT_S)
                try:
                    pipe.execute()
                except WatchError:
                    time.sleep(random.random() * 0.001 * min(attempt + 1, 20))  # noqa: S311  # spreads who collide
                    continue
                return value
        raise StoreError(f"{_TRIES} times somebody else changed {key!r} first", hint="nothing; it is tried again later")

    def _try(self, ask: Callable[[redis.Redis], _T]) -> _T:
        try:
            from redis.exceptions import RedisError  # noqa: PLC0415
        except ImportError as error:
            hint = "pip install 'prefect-genesis[redis]'"
            raise StoreError("Redis needs a library that is not installed", hint=hint) from error
        try:
            return ask(self._connect())
        except (RedisError, OSError, ValueError) as error:
            raise StoreError(
                f"the shared state in Redis cannot be used: {type(error).__name__}: {error}",
                hint="check that Redis runs, and GENESIS_RESILIENCE__REDIS_URL",
            ) from error

    def _connect(self) -> redis.Redis:
        import redis  # noqa: PLC0415

        with self._lock:
            if self._client is None:
                self._client = redis.Redis.from_url(
                    self._url, decode_responses=True, socket_timeout=_CALL_S, socket_connect_timeout=_CALL_S
                )
            return self._client


def _seconds(time_of_redis: Any) -> float:
    seconds, micros = time_of_redis
    return int(seconds) + int(micros) / 1e6
