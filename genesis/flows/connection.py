"""Make Prefect use the API that was found or started, for as long as a run needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from genesis.execute.server import Api

__all__ = ["connected"]


@contextmanager
def connected(api: Api) -> Iterator[None]:
    """Use an API. A configured one is used as it is, with the key that belongs to it."""
    if not api.embedded:
        yield
        return
    with temporary_settings({PREFECT_API_URL: api.api_url, PREFECT_UI_URL: api.ui_url}):
        yield
