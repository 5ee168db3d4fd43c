"""Calls to the Prefect API that survive an outage: both runs and workers make theirs by `PrefectApi`."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

__all__ = [
    "ApiUnavailable",
    "ClaimedRunClient",
    "PrefectApi",
    "PrefectClient",
    "ResponseTimes",
    "connect",
    "get_client",
    "is_transient",
    "repeat_forever",
    "without_client_retries",
]

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.05
"""First pause before a call is repeated; it doubles."""
_LONGEST_PAUSE_S = 3.0
"""Longest such pause: a server that is back is noticed this late at most."""
_CALM = 32
"""Answers without a refusal after which one more concurrent call is allowed."""
_REPORT_AFTER_S = 2.0
"""Shorter gaps are not reported: a connection that was closed while it was idle makes one."""
_BUSY = frozenset({408, 429, 502, 503, 504})
_SMOOTHING = 0.2
"""Weight of the latest call in the mean response time."""
_DRIFT = 0.001
"""How fast the shortest response time follows the mean: a path to the API that got longer is the usual one in time."""

T = TypeVar("T")
Make = Callable[[PrefectClient], Awaitable[T]]


class ApiUnavailable(Exception):  # noqa: N818  # not an error: callers wait until it is over
    """The API did not answer, or answered that it cannot now. The cause is the error of the call.

    Args:
        cause: The error of the call.
        fault: Whether the server answered with an error of its own, such as 500.
    """

    def __init__(self, cause: BaseException, *, fault: bool):
        super().__init__(repr(cause))
        self.fault = fault


def is_transient(error: BaseException) -> bool:
    """Whether an error of a call means that the API is unavailable, busy or being restarted."""
    if isinstance(error, httpx.HTTPStatusError):
        code = error.response.status_code
        return code in _BUSY or code >= httpx.codes.INTERNAL_SERVER_ERROR
    return isinstance(error, (ApiUnavailable, httpx.TransportError, TimeoutError, OSError))


class ResponseTimes:
    """How long calls take, in seconds, by what was answered or timed out."""

    def __init__(self) -> None:
        self.mean_s = 0.0
        """Exponentially weighted mean; 0 before the first call."""
        self.shortest_s = math.inf
        """About the shortest: what a call takes when nothing else is to be done."""

    def add(self, seconds: float) -> None:
        """Take in one call."""
        self.shortest_s = min(self.shortest_s, seconds)
        self.mean_s = seconds if not self.mean_s else self.mean_s + _SMOOTHING * (seconds - self.mean_s)
        self.shortest_s += _DRIFT * (self.mean_s - self.shortest_s)


class _Gate:
    """Lets as many calls through at once as the server bears (additive increase, multiplicative decrease).

    A server on SQLite refuses a write while another call writes.
    """

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

    def decrease(self) -> None:
        """Let fewer through."""
        self._limit, self._calm = max(1, self._limit // 2), 0


class PrefectApi:
    """Makes calls to the API, and knows since when it has been unavailable.

    Args:
        client: Prefect's client, connected.
        report: Called with a sentence when the API has been unavailable for some seconds, and when it is back.
        clock: Monotonic seconds.
        timeout_s: Timeout of one call.
        faulty_s: How long `call` retries while the server answers each time with an error of its own (500). One whose
            database pool has run out does so for minutes, and recovers.
        concurrent_calls: How many times `call` runs at once, fewer while the server is too busy; None for no limit, so
            that heartbeats never wait for other calls.
        give_up_s: For how long `call` tries at all, by default.
    """

    def __init__(
        self,
        client: PrefectClient,
        report: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = 15.0,
        faulty_s: float = 900.0,
        concurrent_calls: int | None = 8,
        give_up_s: float = math.inf,
    ):
        self.client = client
        self.clock = clock
        self.timeout_s = timeout_s
        self.failures = 0
        """How many calls were not answered; refusals of a busy server do not count. Whoever measures time by the
        API's answers starts anew when this changes."""
        self.response_times = ResponseTimes()
        """Of all calls of this client."""
        self.away_since: float | None = None
        """When the calls began to fail; None while they are answered."""
        self._faulty_s = faulty_s
        self._give_up_s = give_up_s
        self._report = report
        self._reported = False
        self._gate = _Gate(concurrent_calls) if concurrent_calls is not None else None
        self._when_back: list[Callable[[], None]] = []

    @property
    def away_s(self) -> float:
        """How long the API has been unavailable; 0 when it answers."""
        return 0.0 if self.away_since is None else self.clock() - self.away_since

    def when_back(self, call: Callable[[], None]) -> None:
        """Register a function to be called each time that the API is back."""
        self._when_back.append(call)

    async def once(self, make: Make[T]) -> T:
        """Make one call.

        Args:
            make: Makes it, with the client that it is given.

        Raises:
            ApiUnavailable: The API does not answer now.
            Exception: What the API refused: `httpx.HTTPStatusError`, or what Prefect's client makes of it.
        """
        began = self.clock()
        try:
            async with asyncio.timeout(self.timeout_s):
                value = await make(self.client)
        except ApiUnavailable:  # of a call inside this one, which has counted it
            raise
        except Exception as error:
            if isinstance(error, (httpx.HTTPStatusError, httpx.TimeoutException, TimeoutError)):
                self.response_times.add(self.clock() - began)
            if not is_transient(error):
                self._succeed()
                raise
            code = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
            if code is not None and self._gate is not None:
                self._gate.decrease()
            self.failures += code not in _BUSY
            self._fail(error)
            raise ApiUnavailable(error, fault=code is not None and code not in _BUSY) from error
        self.response_times.add(self.clock() - began)
        self._succeed()
        return value

    async def call(self, make: Make[T], *, give_up_s: float | None = None) -> T:
        """Make a call, and repeat it until it is answered; it has to be one that may be made twice.

        Args:
            make: Makes it, with the client that it is given.
            give_up_s: For how long to try at all; by default as for all calls.

        Raises:
            ApiUnavailable: The API was unavailable, or faulty, for that long.
            Exception: What the API refused.
        """
        begun = since = self.clock()
        limit_s = self._give_up_s if give_up_s is None else give_up_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async with self._gate or nullcontext():
                    return await self.once(make)
            except ApiUnavailable as error:
                now = self.clock()
                if not error.fault:
                    since = now
                if now - since >= self._faulty_s or now - begun + pause_s > limit_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def _fail(self, error: BaseException) -> None:
        if self.away_since is None:
            self.away_since = self.clock()
        if not self._reported and self.away_s >= _REPORT_AFTER_S:
            self._reported = True
            _log.info("the Prefect API does not answer", extra={"reason": repr(error)})
            self._report(f"the Prefect API does not answer ({error!r:.200}); work continues and calls are retried")

    def _succeed(self) -> None:
        if self.away_since is None:
            return
        if self._reported:
            _log.info("the Prefect API answers again")
            self._report(f"the Prefect API answers again, after {self.away_s:.0f} s")
        self.away_since, self._reported = None, False
        for call in self._when_back:
            call()


class ClaimedRunClient(PrefectClient):
    """A client that shares the connection of another one, and knows the flow run that its engine begins with.

    Prefect's engine writes the flow's version and number of retries on each flow run of a deployment before it begins
    it, and reads it when it runs, for what may have changed in between: two requests for each flow run.
    """

    def __init__(self, client: PrefectClient, flow_run: FlowRun):
        self.__dict__.update(client.__dict__)
        self._claimed: FlowRun | None = flow_run

    async def update_flow_run(self, flow_run_id: UUID, *values: Any, **changes: Any) -> httpx.Response:
        """Change nothing before the flow run is read."""
        if self._claimed is not None and flow_run_id == self._claimed.id:
            return httpx.Response(HTTPStatus.NO_CONTENT)
        return await super().update_flow_run(flow_run_id, *values, **changes)

    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        """Return the flow run as it is known, the first time."""
        claimed = self._claimed
        if claimed is None or flow_run_id != claimed.id:
            return await super().read_flow_run(flow_run_id)
        self._claimed = None
        return claimed


async def repeat_forever(work: Callable[[], Awaitable[None]], pause_s: Callable[[], float]) -> None:
    """Do something again and again, after a pause each. An API that is unavailable is asked again the next time."""
    while True:
        await asyncio.sleep(pause_s())
        try:
            await work()
        except (ApiUnavailable, httpx.HTTPError, OSError) as error:
            if not is_transient(error):
                raise


@asynccontextmanager
async def connect(report: Callable[[str], None], *, give_up_s: float = math.inf) -> AsyncIterator[PrefectApi]:
    """Connect to the API that Prefect is configured for; inside a flow run its client is shared.

    Args:
        report: Called when the API stops answering for longer than a moment, and when it answers again.
        give_up_s: For how long `PrefectApi.call` tries.
    """
    async with get_client() as client:
        yield PrefectApi(client, report, give_up_s=give_up_s)


@contextmanager
def without_client_retries() -> Iterator[None]:
    """Have Prefect's client make each call once. A refusal it still hands on after 2 s, or after its `Retry-After`."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield
