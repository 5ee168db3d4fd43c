"""Keep events through an outage of the server.

States of task runs and Genesis's own events reach the server over one WebSocket. Prefect's client sends again what a
broken connection may have lost, but drops an event after some eight seconds, and at once when the server refuses a new
connection by HTTP, as an overloaded server does (500), or a proxy whose server restarts (502, 503).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.events import clients, related
from prefect.events.worker import EventsWorker, emit_events_to_cloud, should_emit_events_to_running_server
from websockets.exceptions import InvalidHandshake

__all__ = ["know_related", "retry_events"]

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


@dataclass(frozen=True)
class _Related:
    id: UUID
    name: str


def know_related(flow_run: FlowRun, *, flow: str, deployment: str | None, queue: str | None) -> None:
    """Let Prefect know what the events of a flow run are related to, which it would ask the API for, one by one.

    The tags of the deployment are those of the flow run, too.

    Args:
        flow_run: The flow run.
        flow: Name of its flow.
        deployment: Name of its deployment.
        queue: Name of its work queue.
    """
    pool = flow_run.work_pool_name
    known = {
        ("flow", str(flow_run.flow_id)): (flow_run.flow_id, flow),
        ("deployment", str(flow_run.deployment_id)): (flow_run.deployment_id, deployment),
        ("work-queue", str(flow_run.work_queue_id)): (flow_run.work_queue_id, queue),
        ("work-pool", str(pool)): (flow_run.work_pool_id, pool),
    }
    cache: Any = related.RESOURCE_CACHE  # of whole objects: only their ids and names are read
    for (kind, key), (identity, name) in known.items():
        if identity is not None and name:
            cache[f"{kind}.{key}"] = {"kind": kind, "object": _Related(identity, name)}, datetime.now(UTC)
