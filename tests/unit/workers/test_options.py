"""What a worker is asked to serve."""

import sys

import pytest
from prefect.client.schemas.objects import FlowRun

from genesis.errors import UsageError
from genesis.workers import GenesisWorker, Service, ServiceOptions
from genesis.workers.options import default_name


def test_names_are_never_the_same():
    assert default_name() != default_name()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pools": []}, "no work pool"),
        ({"pools": ["a"], "name": "a/b"}, "cannot be a worker's name"),
        ({"pools": ["a"], "name": ""}, "cannot be a worker's name"),
    ],
)
async def test_what_cannot_be_served_is_refused(options, text):
    with pytest.raises(UsageError, match=text):
        await Service(ServiceOptions(**options)).run()


def test_windows_cannot_fork(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UsageError, match="Windows"):
        ServiceOptions(pools=["a"]).check()


def test_a_limit_counts_agents_alone():
    slots = ServiceOptions(pools=["a"], limit=3).slots()
    assert (slots.agents.size, slots.threads, slots.orchestrators.size) == (3, slots.agents, 10)
    slots = ServiceOptions(pools=["a"]).slots()
    assert (slots.agents.size, slots.threads.size) == (16, 200)


async def test_a_worker_that_starts_is_healthy():
    well, document = Service(ServiceOptions(pools=["a"])).health()
    assert well
    assert document["status"] == "starting"


async def test_prefects_worker_cannot_be_handed_a_flow_run():
    worker = GenesisWorker("agent-qa")
    assert worker.name.startswith("genesis-")
    assert worker.is_worker_still_polling(10)
    from uuid import uuid4

    from genesis.workers.configuration import GenesisJobConfiguration

    with pytest.raises(UsageError, match="takes flow run 'x' from its pool"):
        await worker.run(FlowRun(id=uuid4(), flow_id=uuid4(), name="x"), GenesisJobConfiguration())
