"""Make Prefect use the API that was found or started, for as long as a run needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from genesis.server import ApiEndpoint, ensure_api
from genesis.settings import Settings

__all__ = ["connect", "interruptible", "prefect_api"]


@contextmanager
def connect(api: ApiEndpoint) -> Iterator[None]:
    """Use an API. A configured one is used as it is, with the key that belongs to it, and this home's password."""
    wanted: dict[Any, str | None] = {} if api.password is None else {PREFECT_API_AUTH_STRING: api.password}
    if api.embedded:
        wanted |= {PREFECT_API_URL: api.api_url, PREFECT_UI_URL: api.ui_url}
    with temporary_settings(wanted):
        yield


@contextmanager
def prefect_api(settings: Settings | None = None) -> Iterator[ApiEndpoint]:
    """Use the configured Prefect API, else the embedded server, which is started where it does not run.

    Call a flow of your own inside it: without an API, Prefect would start a server for that call alone.

    Args:
        settings: Read from the environment where missing.

    Raises:
        ServiceError: It cannot be reached or started.
    """
    api = ensure_api(settings or Settings())
    with connect(api):
        yield api


@contextmanager
def interruptible() -> Iterator[None]:
    """Take Prefect's own answer to SIGTERM, which it gives while no leaf runs, for an interruption like any other.

    Raises:
        KeyboardInterrupt: The process was asked to stop.
    """
    try:
        yield
    except TerminationSignal as error:
        raise KeyboardInterrupt from error
