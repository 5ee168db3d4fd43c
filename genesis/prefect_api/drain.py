"""Wait, within reason, until Prefect's client has sent the last states and log lines to the server.

Prefect sends them one at a time in the background and waits for them when the interpreter exits, without a bound: for
each one several seconds when the server has gone. They are only what the UI shows; the ledger is complete before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import wait
from http import HTTPStatus
from typing import Any

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from genesis.prefect_api.health import health_status
from genesis.prefect_api.limits import DRAIN_POLL_S

__all__ = ["drain"]

_QUIET_S = 1.0
"""How long the drain waits before it reports that it is waiting."""
_OVERLOADED_S = 30.0
"""How long a server is waited for that refuses everything."""


def drain(api_url: str, notify: Callable[[str], None]) -> bool:
    """Wait while the server answers.

    Args:
        api_url: The API that the states are sent to.
        notify: Is given a sentence when it takes longer than a moment.

    Returns:
        Whether everything was sent. If not, the interpreter would still try when it exits: leave by `os._exit`.
    """
    waiting: set[Any] = set()
    for worker in (EventsWorker, APILogWorker):
        _, pending = worker.drain_all(timeout=_QUIET_S)  # type: ignore[misc]  # a pair, outside of a running loop
        waiting |= pending
    if waiting:
        notify("Sending the last states to the Prefect UI …")
    healthy_at = time.monotonic()
    while waiting:
        status = health_status(api_url, DRAIN_POLL_S)
        if status is None:
            return False
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            healthy_at = time.monotonic()
        elif time.monotonic() - healthy_at >= _OVERLOADED_S:
            return False
        _, waiting = wait(waiting, timeout=DRAIN_POLL_S)
    return True
