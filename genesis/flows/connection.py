"""Make Prefect use the API that was found or started, for as long as a run needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from genesis.execute.server import Api

__all__ = ["connected", "interruptible"]


@contextmanager
def connected(api: Api) -> Iterator[None]:
    """Use an API. A configured one is used as it is, with the key that belongs to it."""
    if not api.embedded:
        yield
        return
    with temporary_settings({PREFECT_API_URL: api.api_url, PREFECT_UI_URL: api.ui_url}):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Take Prefect's own answer to SIGTERM, which it gives while no leaf runs, for an interruption like any other.

    Raises:
        KeyboardInterrupt: The process was told to end.
    """
    try:
        yield
    except TerminationSignal as error:
        raise KeyboardInterrupt from error
