"""The Prefect API that a run uses: the configured one as it is, else the embedded one."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from genesis.errors import ServiceError
from genesis.prefect_api.configured import ConfiguredApi, find_configured_api
from genesis.server.lifecycle import begin_start, wait_ready
from genesis.server.notes import space_note
from genesis.settings import Settings

__all__ = ["ApiEndpoint", "PendingApi", "begin_api", "ensure_api", "server_answer"]

_log = logging.getLogger(__name__)
_REACH_S = 10.0
_PAUSE_S = 0.5
_TELL_S = 5.0
_STARTING = frozenset({502, 503, 504})
"""Statuses of what stands before an API that is not there yet."""


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """A Prefect API that answers."""

    api_url: str
    ui_url: str | None
    embedded: bool
    """Whether Genesis started it on this machine."""
    note: str = ""
    """What a person should know about it."""


@dataclass(frozen=True, slots=True)
class PendingApi:
    """An API that is being started or has yet to be asked."""

    _wait: Callable[[], ApiEndpoint]

    def wait(self) -> ApiEndpoint:
        """Return the API once it answers.

        Raises:
            ServiceError: It cannot be reached, or does not start.
        """
        return self._wait()


def begin_api(settings: Settings) -> PendingApi:
    """Find the API and start what has to be started, without waiting for it.

    A configured one that does not answer is waited for (`GENESIS_SERVER__WAIT_S`), which the log says again and again.

    Raises:
        ResourceError, ServiceError, UsageError: As `begin_start` and `find_configured_api`.
    """
    configured = find_configured_api()
    if configured is not None:
        return PendingApi(lambda: _wait_for_api(configured, settings.server.wait_s))
    starting = begin_start(settings)

    def wait() -> ApiEndpoint:
        info = wait_ready(starting)
        note = "; ".join(filter(None, (info.note, space_note(settings.home))))
        return ApiEndpoint(info.api_url or "", info.ui_url, embedded=True, note=note)

    return PendingApi(wait)


def ensure_api(settings: Settings) -> ApiEndpoint:
    """Return an API that answers: the configured one, else the embedded one, which is started where it does not run.

    Raises:
        ResourceError, ServiceError, UsageError: As `begin_api` and `PendingApi.wait`.
    """
    return begin_api(settings).wait()


def server_answer(configured: ConfiguredApi, path: str, timeout_s: float = _REACH_S) -> JsonValue:
    """Ask a configured API without a key. Any answer shows that it is there; whether it lets us in shows later.

    Returns:
        The JSON answer, or None when there is an answer but no good one.

    Raises:
        ServiceError: It cannot be reached.
    """
    import httpx  # noqa: PLC0415  # 0.1 s; Prefect needs it as well, but `server status` does not

    try:
        response = httpx.get(f"{configured.url}{path}", timeout=timeout_s)
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


def _wait_for_api(configured: ConfiguredApi, wait_s: float) -> ApiEndpoint:
    """Wait until a configured API answers: it may be starting, as after a power cut or beside this process.

    Raises:
        ServiceError: It does not in time, or its address is none.
    """
    until, told_at = time.monotonic() + wait_s, -math.inf
    while True:
        try:
            server_answer(configured, "/health", timeout_s=max(1.0, min(_REACH_S, until - time.monotonic())))
            return ApiEndpoint(configured.url, configured.ui_url, embedded=False)
        except ServiceError as error:
            left_s = until - time.monotonic()
            if left_s <= 0 or not error.data.get("may_come"):
                raise
            if time.monotonic() - told_at >= _TELL_S:
                told_at = time.monotonic()
                _log.warning(
                    "the Prefect API %s does not answer, and is waited for %.0f s more", configured.url, left_s
                )
            time.sleep(min(_PAUSE_S, left_s))
