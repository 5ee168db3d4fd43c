"""Calls to the Prefect API that outlast its absence."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from typing import TypeVar

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

__all__ = ["Away", "Line", "connect", "impatient"]

_log = logging.getLogger(__name__)
_CALL_S = 15.0
"""One call's deadline."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 3.0
_FAULTY_S = 900.0
"""How long a server may answer one call with a fault of its own (500). One whose database pool has run out does so for
minutes, and recovers; one that does so for a quarter of an hour, call after call, cannot take this call."""
_AT_ONCE = 8
"""Calls that change something, made at the same time. Fewer when the server is too busy for them: a server on SQLite
refuses what comes while another call writes."""
_CALM = 32
"""So many answers without a refusal allow one more at a time."""
_TOLD_AFTER_S = 5.0
_BUSY = frozenset({408, 429, 502, 503, 504})

T = TypeVar("T")


class Away(Exception):  # noqa: N818  # not an error: it is waited for
    """The API did not answer, or answered that it cannot now."""

    def __init__(self, reason: BaseException, *, fault: bool):
        super().__init__(repr(reason))
        self.fault = fault


class _Gate:
    """Lets as many through at once as the server bears (additive increase, multiplicative decrease)."""

    def __init__(self, most: int):
        self._most = self._limit = most
        self._inside = 0
        self._calm = 0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._inside < self._limit)
            self._inside += 1

    async def __aexit__(self, *error: object) -> None:
        self._inside -= 1
        self._calm += 1
        if self._calm >= _CALM and self._limit < self._most:
            self._limit, self._calm = self._limit + 1, 0
        async with self._changed:
            self._changed.notify_all()

    def refused(self) -> None:
        """Let fewer through."""
        self._limit, self._calm = max(1, self._limit // 2), 0


class Line:
    """The way to the API.

    Args:
        client: Prefect's client.
        say: Is told when the API has been away for some seconds, and when it is back.
        clock: Monotonic seconds.
    """

    def __init__(self, client: PrefectClient, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        self.client = client
        self.clock = clock
        self.calls: Counter[str] = Counter()
        """How often each kind of call was made."""
        self.failures = 0
        """How often a call was not answered, refusals of a busy server apart. Who measures time by the API's answers
        starts anew when this changes."""
        self.away_since: float | None = None
        """When the calls began to fail; None while they are answered."""
        self._say = say
        self._told = False
        self._gate = _Gate(_AT_ONCE)

    async def once(self, kind: str, make: Callable[[PrefectClient], Awaitable[T]]) -> T:
        """Make one call.

        Args:
            kind: Name of the call, for the counts.
            make: Makes it.

        Raises:
            Away: The API does not answer now.
            Exception: What the API refused: `httpx.HTTPStatusError`, or what Prefect's client makes of it.
        """
        self.calls[kind] += 1
        try:
            async with asyncio.timeout(_CALL_S):
                value = await make(self.client)
        except (TimeoutError, httpx.TransportError) as error:
            self.failures += 1
            self._failed(error)
            raise Away(error, fault=False) from error
        except httpx.HTTPStatusError as error:
            code = error.response.status_code
            if code not in _BUSY and code < httpx.codes.INTERNAL_SERVER_ERROR:
                raise
            self._gate.refused()
            self.failures += code not in _BUSY
            self._failed(error)
            raise Away(error, fault=code not in _BUSY) from error
        self._answered()
        return value

    async def call(self, kind: str, make: Callable[[PrefectClient], Awaitable[T]]) -> T:
        """Make a call that changes something, and may be made twice, again and again until it is answered.

        Raises:
            Away: The server answered for a quarter of an hour, and never otherwise, that it has a fault.
            Exception: What the API refused.
        """
        pause, since = _FIRST_PAUSE_S, self.clock()
        while True:
            try:
                async with self._gate:
                    return await self.once(kind, make)
            except Away as away:
                if not away.fault:
                    since = self.clock()
                elif self.clock() - since >= _FAULTY_S:
                    raise
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE_S, pause * 2)

    def _failed(self, error: BaseException) -> None:
        now = self.clock()
        if self.away_since is None:
            self.away_since = now
        if not self._told and now - self.away_since >= _TOLD_AFTER_S:
            self._told = True
            _log.info("the Prefect API does not answer", extra={"reason": repr(error)})
            self._say("the Prefect API does not answer; work goes on, and is looked at when it is back")

    def _answered(self) -> None:
        self.away_since = None
        if self._told:
            self._told = False
            _log.info("the Prefect API answers again")
            self._say("the Prefect API answers again")


@asynccontextmanager
async def connect(say: Callable[[str], None]) -> AsyncIterator[Line]:
    """Reach the API that Prefect is configured for; inside a flow run its client is shared."""
    async with get_client() as client:
        yield Line(client, say)


def impatient() -> Context:
    """Return a context in which Prefect's client repeats nothing: it would pause 2 s and more for each refusal."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        return copy_context()
