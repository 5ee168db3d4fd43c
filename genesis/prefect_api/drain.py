"""Wait, within reason, until Prefect's client has sent the last states and log lines to the server.

Prefect sends them one at a time in the background and waits for them when the interpreter exits, without a bound: for
each one several seconds when the server has gone. They are only what the UI shows; the ledger is complete before.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from genesis.prefect_api.health import answers

__all__ = ["drain"]

_QUIET_S = 1.0
_LOOK_S = 3.0


def drain(api_url: str, say: Callable[[str], None]) -> bool:
    """Wait while the server answers.

    Args:
        api_url: The API that the states are sent to.
        say: Is given a sentence when it takes longer than a moment.

    Returns:
        Whether everything was sent. If not, the interpreter would still try when it exits: leave by `os._exit`.
    """
    waiting: set[Any] = set()
    for worker in (EventsWorker, APILogWorker):
        _, pending = worker.drain_all(timeout=_QUIET_S)  # type: ignore[misc]  # a pair, outside of a running loop
        waiting |= pending
    if waiting:
        say("Sending the last states to the Prefect UI …")
    while waiting:
        if not answers(api_url, _LOOK_S):
            return False
        _, waiting = wait(waiting, timeout=_LOOK_S)
    return True
