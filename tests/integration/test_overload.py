"""A server whose database pool has run out answers 500 for a while: that is waited out, and no failure of leaves."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import PREFECT_API_URL, temporary_settings

from genesis.agents import Result
from genesis.prefect_api.drain import drain
from genesis.testing import Wire, a_program, a_task

sys.path.insert(0, str(Path(__file__).parent))

from manual_run import Run
from worker_fleet import FOLDER, Fleet

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]
_OVERLOADED_S = 6.0


class Overload(Wire):
    """A line to a server that can answer every request, and every subscription, with an error of its own."""

    status = 0
    refused = 0

    def begin(self, status):
        self.status = status
        self.cut()
        self.join()

    def end(self):
        self.status = 0

    async def _carry(self, reader, writer):
        if not self.status:
            await super()._carry(reader, writer)
            return
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            sizes = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(sizes[0]) if sizes else 0)
            self.refused += 1
            answer = f"HTTP/1.1 {self.status} Overloaded\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            writer.write(answer.encode())
            await writer.drain()
        writer.close()


@contextmanager
def overloadable():
    with (
        Overload(urlsplit(PREFECT_API_URL.value()).port) as line,
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{line.port}/api"}),
    ):
        yield line


@pytest.mark.parametrize("status", [500, 503])
async def test_an_orchestrator_waits_an_overload_out(prefect_api, tmp_path, status):
    async with get_client() as direct:
        run = Run(direct, tmp_path)
        first, second, third = run.leaves
        async with AsyncExitStack() as opened:
            line = opened.enter_context(overloadable())
            place = await opened.enter_async_context(await run.place())
            running = [asyncio.create_task(place.run(leaf)) for leaf in (first, second)]
            children = [await run.begin(leaf) for leaf in (first, second)]
            line.begin(status)
            until_s = time.monotonic() + _OVERLOADED_S
            late = asyncio.create_task(place.run(third))
            await run.end(first, children[0])
            assert (await asyncio.wait_for(running[0], 30)).state == "completed"
            await asyncio.sleep(max(0.0, until_s - time.monotonic()))
            assert line.refused > 0
            assert not running[1].done()
            assert not late.done()
            line.end()
            await run.end(second, children[1])
            assert (await running[1]).state == "completed"
            await run.end(third, await run.child_of(third))
            assert (await late).state == "completed"


@pytest.mark.parametrize("status", [500, 503])
async def test_a_worker_waits_an_overload_out(prefect_api, tmp_path, monkeypatch, warm_fork_servers, status):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    async with get_client() as direct:
        fleet = Fleet(direct, tmp_path, warm_fork_servers)
        pool = await fleet.pool()
        deployment = await fleet.deploy("agent_task", pool)
        with overloadable() as line:
            try:
                await fleet.serve(pool)
                run = await fleet.start(deployment, seconds=2)
                await fleet.noted()
                line.begin(status)
                waiting = await fleet.start(deployment, label="later")
                await asyncio.sleep(_OVERLOADED_S)
                assert line.refused > 0
                line.end()
                assert (await fleet.reach(run, "Completed")).run_count == 1
                assert (await fleet.reach(waiting, "Completed")).run_count == 1
            finally:
                await fleet.close()


class Agent:
    """An agent during whose first work the server gets too much to do."""

    def __init__(self, overload):
        self._overload = overload

    async def execute(self, work) -> Result:
        self._overload()
        await asyncio.sleep(0.2)
        return Result()


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a flow"])
@pytest.mark.parametrize(("status", "begins"), [(500, "before"), (500, "at work"), (503, "at work")])
async def test_a_run_on_this_machine_waits_an_overload_out(workbench, status, begins, inside):
    program = a_program(a_task("a"), a_task("b", after=("a",)), a_task("c", after=("b",)))
    over = []

    def overload():
        if not over:
            line.begin(status)
            over.append(asyncio.get_running_loop().call_later(_OVERLOADED_S, line.end))

    async def local_run():
        if begins == "before":
            overload()
        return await workbench.run(program, Agent(overload))

    await asyncio.to_thread(drain, PREFECT_API_URL.value(), print)  # events and log lines, too, go by the line now
    with overloadable() as line:
        run = await (flow(name="around")(local_run) if inside else local_run)()
        assert line.refused > 0
        assert not line.status
        await asyncio.to_thread(drain, PREFECT_API_URL.value(), print)
    assert run.state == "completed"
    assert [(task.state, task.attempts) for task in run.tasks] == [("completed", 1)] * 3
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run.ui_url.rpartition("/")[2])]))
    async with get_client() as direct, asyncio.timeout(60):
        (flow_run,) = await direct.read_flow_runs(flow_run_filter=of_run)
        assert flow_run.state.is_completed()
        shown = []
        while len(shown) < len(run.tasks):  # the server learns of task runs a moment later
            await asyncio.sleep(0.2)
            found = await direct.read_task_runs(flow_run_filter=of_run)
            shown = [each for each in found if each.state is not None and each.state.is_completed()]
