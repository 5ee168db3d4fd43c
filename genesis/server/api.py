"""The Prefect API that a run uses: the configured one as it is, else the embedded one."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from genesis.errors import ServiceError
from genesis.prefect_api.configured import ConfiguredApi, find_configured_api
from genesis.prefect_api.health import server_answer
from genesis.prefect_api.limits import REACH_S
from genesis.server.lifecycle import begin_start, password_of, wait_ready
from genesis.server.limits import API_POLL_S
from genesis.server.notes import space_note
from genesis.settings import Settings

__all__ = ["ApiEndpoint", "PendingApi", "begin_api", "ensure_api"]

_log = logging.getLogger(__name__)
_TELL_S = 5.0
"""Pause between two messages about that."""


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """A Prefect API that answers."""

    api_url: str
    ui_url: str | None
    embedded: bool
    """Whether Genesis started it on this machine."""
    note: str = ""
    """What a person should know about it."""
    password: str | None = field(default=None, repr=False)
    """What the server of this home asks for; None for another one, of which Prefect's settings have the key."""


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
        return PendingApi(lambda: _wait_for_api(configured, settings))
    starting = begin_start(settings)

    def wait() -> ApiEndpoint:
        info = wait_ready(starting)
        note = "; ".join(filter(None, (info.note, space_note(settings.home))))
        api_url = info.api_url or ""
        return ApiEndpoint(api_url, info.ui_url, embedded=True, note=note, password=password_of(settings, api_url))

    return PendingApi(wait)


def ensure_api(settings: Settings) -> ApiEndpoint:
    """Return an API that answers: the configured one, else the embedded one, which is started where it does not run.

    Raises:
        ResourceError, ServiceError, UsageError: As `begin_api` and `PendingApi.wait`.
    """
    return begin_api(settings).wait()


def _wait_for_api(configured: ConfiguredApi, settings: Settings) -> ApiEndpoint:
    """Wait until a configured API answers: it may be starting, as after a power cut or beside this process.

    Raises:
        ServiceError: It does not in time, or its address is none.
    """
    until, told_at = time.monotonic() + settings.server.wait_s, -math.inf
    while True:
        try:
            server_answer(configured, "/health", timeout_s=max(1.0, min(REACH_S, until - time.monotonic())))
            password = password_of(settings, configured.url)
            return ApiEndpoint(configured.url, configured.ui_url, embedded=False, password=password)
        except ServiceError as error:
            left_s = until - time.monotonic()
            if left_s <= 0 or not error.data.get("may_come"):
                raise
            if time.monotonic() - told_at >= _TELL_S:
                told_at = time.monotonic()
                _log.warning(
                    "the Prefect API %s does not answer, and is waited for %.0f s more", configured.url, left_s
                )
            time.sleep(min(API_POLL_S, left_s))
