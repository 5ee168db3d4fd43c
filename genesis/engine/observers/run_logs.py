"""Lines of Genesis in the Prefect UI: those that are made inside of a run appear in its logs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

from genesis.observability.log_formatters import HumanLines
from genesis.security.known_secrets import secrets_of_process
from genesis.settings import Settings

__all__ = ["lines_in_ui"]


class _InUi(APILogHandler):
    """Prefect's own handler, for lines inside of a run only: for any other it would warn that it knows no run.

    A record can opt out by `send_to_api`. Flow runs of one process share it, or each line would be there several times.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._users = 0
        self._guard = threading.Lock()
        self.setFormatter(HumanLines(secrets=secrets_of_process(), with_head=False))

    def join(self, logger: logging.Logger, change: int) -> None:
        """Count its users, and be attached to the logger while there are any."""
        with self._guard:
            self._users += change
            if self._users:
                logger.addHandler(self)  # again it changes nothing
            else:
                logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if TaskRunContext.get() is not None or FlowRunContext.get() is not None:
            super().emit(record)


@contextmanager
def lines_in_ui(settings: Settings) -> Iterator[None]:
    """Show lines of INFO and above in the UI while a run continues, where the settings ask for it.

    Where the level of the logger `genesis` is not set, Python makes warnings only.
    """
    if not settings.log.in_ui:
        yield
        return
    logger, handler = logging.getLogger("genesis"), _handler()
    handler.join(logger, 1)
    try:
        yield
    finally:
        handler.join(logger, -1)


@lru_cache(maxsize=1)
def _handler() -> _InUi:
    """Return the handler that this process shares."""
    return _InUi()
