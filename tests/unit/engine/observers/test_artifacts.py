"""Artifacts are a view: a server that does not take them stops nothing."""

import asyncio
import json
import logging
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound

from genesis.engine.observers import artifacts
from genesis.engine.observers.artifacts import Publisher
from genesis.engine.observers.progress import ProgressArtifact
from genesis.model import Outcome
from genesis.report.picture import Picture
from genesis.testing import a_program, a_task

FLOW_RUN = uuid4()


class Server:
    """Takes artifacts, or does what it was told to do instead."""

    def __init__(self) -> None:
        self.created: list = []
        self.updated: list = []
        self.instead = None

    async def create_artifact(self, artifact):
        await self._do()
        self.created.append(artifact)
        return SimpleNamespace(id=len(self.created))

    async def update_artifact(self, artifact_id, artifact):
        await self._do()
        self.updated.append((artifact_id, artifact.data))

    async def _do(self):
        if isinstance(self.instead, Exception):
            raise self.instead
        if self.instead is not None:
            await self.instead()


@pytest.fixture
def server(monkeypatch):
    server = Server()
    context = SimpleNamespace(client=server, flow_run=SimpleNamespace(id=FLOW_RUN))
    monkeypatch.setattr(FlowRunContext, "get", classmethod(lambda cls: context))
    monkeypatch.setattr(artifacts, "get_run_logger", lambda: logging.getLogger("run"))
    return server


def _status(code: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1/api/artifacts/")
    return httpx.HTTPStatusError(f"{code}", request=request, response=httpx.Response(code, request=request))


async def test_artifacts_belong_to_the_flow_run(server):
    publisher = Publisher()
    await publisher.markdown("genesis-plan", "# Plan", "The\nplan")
    await publisher.table("genesis-routing", [{"task": "a"}], "Routing")
    plan, routing = server.created
    assert (plan.type, plan.key, plan.data, plan.description) == ("markdown", "genesis-plan", "# Plan", "The plan")
    assert (routing.type, json.loads(routing.data)) == ("table", [{"task": "a"}])
    assert {plan.flow_run_id, routing.flow_run_id} == {FLOW_RUN}


async def test_a_text_is_replaced(server):
    publisher = Publisher()
    await publisher.markdown("k", "one", "d")
    await publisher.update("k", "two")
    await publisher.update("unknown", "three")
    assert server.updated == [(1, "two")]


async def test_a_very_long_text_is_cut(server):
    await Publisher().markdown("k", "x" * 2_000_000, "d")
    assert len(server.created[0].data) < 501_000
    assert server.created[0].data.endswith("too long to show.")


@pytest.mark.parametrize(
    "refusal",
    [
        _status(413),
        _status(422),
        _status(500),
        httpx.ConnectError("gone"),
        ObjectNotFound(Exception()),
        OSError("reset"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_refusal_is_logged_and_not_raised(server, caplog, refusal):
    publisher = Publisher()
    await publisher.markdown("kept", "text", "d")
    server.instead = refusal
    await publisher.markdown("genesis-plan", "text", "d")
    await publisher.update("kept", "more")
    await publisher.update("genesis-plan", "more")
    messages = [record.getMessage() for record in caplog.records if record.name == "run"]
    assert len(messages) == 2
    assert messages[0].startswith("Artifact 'genesis-plan' is not published: ")
    assert type(refusal).__name__ in messages[0]


async def test_a_server_that_hangs_is_not_waited_for(server, caplog, monkeypatch):
    monkeypatch.setattr(artifacts, "_TIMEOUT_S", 0.05)
    server.instead = lambda: asyncio.sleep(30)
    await asyncio.wait_for(Publisher().markdown("k", "text", "d"), 5)
    assert "TimeoutError" in caplog.text


async def test_a_fault_of_our_own_is_not_hidden(server):
    server.instead = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await Publisher().markdown("k", "text", "d")


def test_outside_of_a_flow_run_there_is_nothing_to_publish_to():
    with pytest.raises(RuntimeError, match="inside a flow run"):
        Publisher()


def _outcome(path: str, state) -> Outcome:
    return Outcome(id=path, agent="worker", state=state)


async def test_progress_begins_with_what_an_earlier_execution_did(server):
    program = a_program(a_task("a"), a_task("b"))
    progress = ProgressArtifact(Publisher(), program, Picture(program), {0: _outcome("a", "completed")})
    await progress.publish()
    assert "**1 of 2 done**" in server.created[0].data
    await progress.show()
    assert server.updated == []


async def test_progress_is_shown_when_something_changed(server):
    program = a_program(a_task("a"), a_task("b"))
    progress = ProgressArtifact(Publisher(), program, Picture(program), {})
    await progress.publish()
    progress.run_started(program, None, {})
    progress.leaf_changed(_outcome("b", "running"))
    await progress.show()
    await progress.show()
    progress.leaf_changed(_outcome("b", "completed"))
    progress.run_ended(None)
    await progress.show()
    texts = [data for _, data in server.updated]
    assert len(texts) == 2
    assert "- running: **b** (worker)" in texts[0]
    assert "**1 of 2 done**" in texts[1]


async def test_progress_is_kept_up_to_date_until_it_is_cancelled(server, monkeypatch):
    from genesis.engine.observers import progress as module

    monkeypatch.setattr(module, "PROGRESS_S", 0.01)
    program = a_program(a_task("a"))
    progress = ProgressArtifact(Publisher(), program, Picture(program), {})
    await progress.publish()
    keeping = asyncio.create_task(progress.update())
    progress.leaf_changed(_outcome("a", "running"))
    async with asyncio.timeout(5):
        while not server.updated:
            await asyncio.sleep(0.01)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
