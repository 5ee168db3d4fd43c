"""The Prefect API that a run uses: the configured one as it is, else the embedded one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from genesis.errors import ServiceError
from genesis.execute.configured import ConfiguredApi, configured_api
from genesis.execute.server.lifecycle import begin_start, wait_ready
from genesis.execute.server.notes import space_note
from genesis.settings import Settings

__all__ = ["Api", "PendingApi", "begin_api", "ensure_api", "server_answer"]

_REACH_S = 10.0


@dataclass(frozen=True, slots=True)
class Api:
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

    _wait: Callable[[], Api]

    def wait(self) -> Api:
        """Give the API once it answers.

        Raises:
            ServiceError: It cannot be reached, or does not start.
        """
        return self._wait()


def begin_api(settings: Settings) -> PendingApi:
    """Find the API and start what has to be started, without waiting for it.

    Raises:
        ResourceError, ServiceError, UsageError: As `begin_start` and `configured_api`.
    """
    configured = configured_api()
    if configured is not None:
        return PendingApi(lambda: _reached(configured))
    starting = begin_start(settings)

    def wait() -> Api:
        info = wait_ready(starting)
        note = "; ".join(filter(None, (info.note, space_note(settings.home))))
        return Api(info.api_url or "", info.ui_url, embedded=True, note=note)

    return PendingApi(wait)


def ensure_api(settings: Settings) -> Api:
    """Give an API that answers: the configured one, else the embedded one, which is started where it does not run.

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
        raise ServiceError(
            f"the Prefect API {configured.url} (from {configured.source}) cannot be reached: "
            f"{error or type(error).__name__}",
            hint="start it, correct the address, or unset it to use the embedded server",
        ) from error
    return answer


def _reached(configured: ConfiguredApi) -> Api:
    server_answer(configured, "/health")
    return Api(configured.url, configured.ui_url, embedded=False)
