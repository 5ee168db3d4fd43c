"""Keep events through an outage of the server.

States of task runs and Genesis's own events reach the server over one WebSocket. Prefect's client sends again what a
broken connection may have lost, but drops an event after some eight seconds, and at once when the server refuses a new
connection by HTTP, as an overloaded server does (500), or a proxy whose server restarts (502, 503).
"""

from __future__ import annotations

from prefect.events import clients
from prefect.events.worker import EventsWorker, emit_events_to_cloud, should_emit_events_to_running_server
from websockets.exceptions import InvalidHandshake

__all__ = ["retry_events"]

_ATTEMPTS = 60
"""One a second. Events wait for a minute; those behind wait with them."""


def retry_events() -> None:
    """Let Prefect repeat this process's events for a minute while the server is away or refuses connections.

    A process whose events already go another way is left alone, such as one of Prefect's process pool task runner.
    """
    if not should_emit_events_to_running_server() or emit_events_to_cloud():
        return
    if EventsWorker._client_override is not None:  # noqa: SLF001  # there is no other way to ask
        return
    if InvalidHandshake not in clients.RETRYABLE_EXCEPTIONS:
        clients.RETRYABLE_EXCEPTIONS = (*clients.RETRYABLE_EXCEPTIONS, InvalidHandshake)
    EventsWorker.set_client_override(clients.PrefectEventsClient, reconnection_attempts=_ATTEMPTS)
