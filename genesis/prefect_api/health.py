"""Ask whether a Prefect API is there, without Prefect's client: before its import, and when its server has gone."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from types import TracebackType
from typing import Self

from pydantic import JsonValue

from genesis.errors import ServiceError
from genesis.prefect_api.configured import ConfiguredApi, basic_authentication
from genesis.prefect_api.limits import REACH_S

__all__ = ["HealthProbe", "health_status", "server_answer"]

_STARTING = frozenset({502, 503, 504})
"""Statuses of what stands before an API that is not there yet."""


class HealthProbe:
    """Asks an API again and again, over one connection, whether anything answers. Enter it first.

    Args:
        api_url: The API.
        timeout_s: How long an answer may take.
    """

    def __init__(self, api_url: str, timeout_s: float):
        import httpx  # noqa: PLC0415  # 0.1 s; Prefect needs it as well, but `server status` does not

        self._url = f"{api_url.rstrip('/')}/health"
        self._client = httpx.AsyncClient(timeout=timeout_s)
        self._gone = (httpx.ConnectError, httpx.InvalidURL)
        self._any = httpx.HTTPError

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def answers(self) -> bool:
        """Whether anything answers; a busy server that says so is there."""
        return await self.status() is not None

    async def status(self) -> int | None:
        """Return the HTTP status that is answered, 504 where none came in time, None where nothing is there."""
        try:
            return (await self._client.get(self._url)).status_code
        except self._gone:
            return None
        except self._any:
            return HTTPStatus.GATEWAY_TIMEOUT


def health_status(api_url: str, timeout_s: float) -> int | None:
    """Return what `HealthProbe.status` does, once, outside of any event loop."""

    async def ask() -> int | None:
        async with HealthProbe(api_url, timeout_s) as probe:
            return await probe.status()

    return asyncio.run(ask())


def server_answer(
    configured: ConfiguredApi, path: str, timeout_s: float = REACH_S, *, password: str | None = None
) -> JsonValue:
    """Ask a configured API. Any answer shows that it is there; whether it lets us in shows later.

    Args:
        configured: The API.
        path: What to read.
        timeout_s: How long an answer may take.
        password: Sent to it; without one it is asked as anybody could.

    Returns:
        The JSON answer, or None when there is an answer but no good one.

    Raises:
        ServiceError: It cannot be reached.
    """
    import httpx  # noqa: PLC0415  # 0.1 s; Prefect needs it as well, but `server status` does not

    headers = {} if password is None else {"authorization": basic_authentication(password)}
    try:
        response = httpx.get(f"{configured.url}{path}", timeout=timeout_s, headers=headers)
        answer: JsonValue = response.json() if response.is_success else None
    except ValueError:
        return None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        unusable = isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol)
        raise _make_unreachable_error(configured, error or type(error).__name__, may_come=not unusable) from error
    if response.status_code in _STARTING:
        raise _make_unreachable_error(configured, f"it answers {response.status_code}", may_come=True)
    return answer


def _make_unreachable_error(configured: ConfiguredApi, why: object, *, may_come: bool) -> ServiceError:
    return ServiceError(
        f"the Prefect API {configured.url} (from {configured.source}) cannot be reached: {why}",
        hint="start it, correct the address, or unset it to use the embedded server",
        data={"may_come": may_come},
    )
