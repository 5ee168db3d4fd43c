"""Talk to the Prefect API for as long as a worker lives: an outage is waited for, never died of."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

__all__ = ["Api", "impatient", "is_passing", "look_for_ever"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_CALL_S = 30.0
_SAY_AFTER_S = 2.0
"""Shorter gaps are no news: a connection that was closed while it was idle makes one."""


@contextmanager
def impatient() -> Iterator[None]:
    """Have Prefect's client say at once that a call failed, since the worker itself decides what to do then."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


def is_passing(error: BaseException) -> bool:
    """Whether an error is one that passes: the API is away, busy or restarted."""
    if isinstance(error, httpx.HTTPStatusError):
        code = error.response.status_code
        return code >= HTTPStatus.INTERNAL_SERVER_ERROR or code in {
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.TOO_MANY_REQUESTS,
        }
    return isinstance(error, (httpx.TransportError, TimeoutError, OSError))


async def look_for_ever(look: Callable[[], Awaitable[None]], pause_s: Callable[[], float]) -> None:
    """Look again and again, after a pause each. An API that is away is asked again the next time."""
    while True:
        await asyncio.sleep(pause_s())
        try:
            await look()
        except (httpx.HTTPError, OSError) as error:
            if not is_passing(error):
                raise


class Api:
    """The API, and since when it has not answered.

    Args:
        client: Prefect's client, connected.
        say: Is given a sentence when the API goes away and when it is back.
    """

    def __init__(self, client: PrefectClient, say: Callable[[str], None]):
        self.client = client
        self._say = say
        self._away_since: float | None = None
        self._said = False
        self._back: list[Callable[[], None]] = []

    @property
    def away_s(self) -> float:
        """How long the API has not answered; 0 when it does."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    def when_back(self, call: Callable[[], None]) -> None:
        """Have something called each time that the API is back."""
        self._back.append(call)

    async def once(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Make a call, and note whether the API answered."""
        try:
            async with asyncio.timeout(_CALL_S):
                value = await call()
        except Exception as error:
            if is_passing(error):
                self._failed(error)
            else:
                self._answered()
            raise
        self._answered()
        return value

    async def patiently(self, call: Callable[[], Awaitable[_T]], *, give_up_s: float | None = None) -> _T:
        """Make a call until the API answers it.

        Args:
            call: Makes the call; it has to be one that can be repeated.
            give_up_s: For how long to try; for ever where it is missing.
        """
        begun, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                return await self.once(call)
            except Exception as error:
                if not is_passing(error) or (give_up_s is not None and time.monotonic() - begun + pause_s > give_up_s):
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def _failed(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
        if not self._said and self.away_s >= _SAY_AFTER_S:
            self._said = True
            self._say(f"the Prefect API does not answer ({error!r:.200}); flow runs go on, and it is asked again")

    def _answered(self) -> None:
        if self._away_since is not None:
            if self._said:
                self._say(f"the Prefect API answers again, after {self.away_s:.0f} s")
            self._away_since, self._said = None, False
            for call in self._back:
                call()
