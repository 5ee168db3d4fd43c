"""Events wait for a server that refuses connections; some arrive twice then, and Prefect keeps each id once."""

import asyncio
import json
from http import HTTPStatus
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.events import clients, emit_event, related
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from websockets.asyncio.server import serve

from genesis.prefect_api.events_client import know_related, retry_events


class Server:
    """The part of a Prefect server that takes events, which can refuse connections by HTTP."""

    def __init__(self):
        self.refusing = 0
        self.refused = 0
        self.names = []
        self.connections = []

    def refuse(self, connection, request):
        if self.refusing > 0 and request.path.endswith("/events/in"):
            self.refusing -= 1
            self.refused += 1
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "")
        return None

    async def take(self, connection):
        self.connections.append(connection)
        await connection.recv()
        await connection.send('{"type": "auth_success"}')
        async for message in connection:
            self.names.append(json.loads(message)["event"])


@pytest.fixture
async def server(monkeypatch):
    monkeypatch.setattr(clients, "RETRYABLE_EXCEPTIONS", clients.RETRYABLE_EXCEPTIONS)
    monkeypatch.setattr(EventsWorker, "_client_override", None)
    server = Server()
    async with serve(server.take, "127.0.0.1", 0, process_request=server.refuse, subprotocols=["prefect"]) as opened:
        port = opened.sockets[0].getsockname()[1]
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
            retry_events()
            yield server
            await EventsWorker.drain_all(timeout=5)


async def emit(server, name):
    emit_event(name, resource={"prefect.resource.id": "genesis.test"})
    async with asyncio.timeout(20):
        while name not in server.names:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("refusals", [0, 3])
async def test_a_server_that_refuses_to_begin_with_is_waited_for(server, refusals):
    server.refusing = refusals
    await emit(server, "one")
    assert server.refused == refusals


async def test_an_event_waits_while_the_server_refuses(server):
    await emit(server, "one")
    await server.connections[0].close()
    server.refusing = 3
    await emit(server, "two")
    await emit(server, "three")
    assert list(dict.fromkeys(server.names)) == ["one", "two", "three"]
    assert server.refused == 3


async def test_events_that_go_another_way_are_left_alone(server):
    EventsWorker.set_client_override(clients.AssertingEventsClient)
    retry_events()
    assert EventsWorker._client_override == (clients.AssertingEventsClient, ())


async def test_what_events_are_related_to_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(related, "RESOURCE_CACHE", {})
    run = FlowRun(
        id=uuid4(), flow_id=uuid4(), name="a run", deployment_id=uuid4(), work_queue_id=uuid4(), work_pool_id=uuid4(),
        work_pool_name="agent-qa", tags=["genesis"],
    )  # fmt: skip
    know_related(run, flow="agent_task", deployment="qa", queue="default")
    context = FlowRunContext.__var__.set(SimpleNamespace(flow_run=run))
    try:
        found = await related.related_resources_from_run_context(
            client=SimpleNamespace(read_flow=None, read_deployment=None, read_work_queue=None, read_work_pool=None)
        )
    finally:
        FlowRunContext.__var__.reset(context)
    assert [(one.id, one.name, one.role) for one in found] == [
        (f"prefect.flow-run.{run.id}", "a run", "flow-run"),
        (f"prefect.flow.{run.flow_id}", "agent_task", "flow"),
        (f"prefect.deployment.{run.deployment_id}", "qa", "deployment"),
        (f"prefect.work-queue.{run.work_queue_id}", "default", "work-queue"),
        (f"prefect.work-pool.{run.work_pool_id}", "agent-qa", "work-pool"),
        ("prefect.tag.genesis", None, "tag"),
    ]
