"""The fork server with real processes."""

import asyncio
import os
import signal
import sys

import psutil
import pytest

from genesis.errors import ResourceError
from genesis.testing.processes import is_running
from genesis.workers.child_process import ChildGoneError, ChildProcess
from genesis.workers.fork_client import ForkServer
from genesis.workers.fork_server import preload

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(120),
]

NO_API = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_LOGGING_LEVEL": "CRITICAL"}


@pytest.fixture
async def server():
    said = []
    made = Kept(["genesis.errors", "no_such_module"], dict(os.environ) | NO_API, said.append)
    made.said, made.ends = said, []
    yield made
    await made.close()
    for end in made.ends:
        end.close()


class Kept(ForkServer):
    """Remembers the sockets, which belong to whoever asks for a child."""

    async def fork(self, env):
        forked = await super().fork(env)
        self.ends.append(forked.end)
        return forked


async def is_gone(*pids):
    for _ in range(600):
        if not any(map(is_running, pids)):
            return True
        await asyncio.sleep(0.05)
    return False


async def leads_a_session(pid):
    """Wait for what a child does first."""
    for _ in range(200):
        if os.getsid(pid) == pid:
            return True
        await asyncio.sleep(0.05)
    return False


def test_what_cannot_be_imported_is_said_and_no_end():
    failed = preload(["genesis.errors", "no_such_module"])
    assert list(failed) == ["no_such_module"]
    assert failed["no_such_module"].startswith("ModuleNotFoundError")


async def test_children_are_forked_and_their_ends_are_told(server):
    one, other = await asyncio.gather(server.fork({}), server.fork({"COLOUR": "red"}))
    assert one.pid != other.pid
    assert psutil.Process(one.pid).ppid() == server.pid
    assert await leads_a_session(one.pid)
    os.kill(one.pid, signal.SIGKILL)
    assert await asyncio.wait_for(one.exit, 10) == "was ended by signal SIGKILL"
    assert not other.exit.done()
    assert server.said == ["no_such_module cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"]


async def test_signals_to_everyone_do_not_end_a_child(server):
    child = await server.fork({})
    await asyncio.sleep(1)
    os.kill(child.pid, signal.SIGTERM)
    os.kill(server.pid, signal.SIGTERM)
    await asyncio.sleep(0.3)
    assert is_running(child.pid)
    assert is_running(server.pid)


async def test_a_child_ends_when_its_supervisor_lets_go(server):
    child = await server.fork({})
    child.end.close()
    assert await asyncio.wait_for(child.exit, 10) == "was ended by signal SIGKILL"  # by itself, with all below it


async def test_closing_leaves_no_process(server):
    children = [await server.fork({}) for _ in range(3)]
    pid = server.pid
    await server.close()
    assert await is_gone(pid, *(child.pid for child in children))
    assert children[0].exit.done()


async def test_a_fork_server_that_dies_takes_its_children_along_and_is_started_again(server):
    child = await server.fork({})
    before = server.pid
    os.kill(before, signal.SIGKILL)
    assert await asyncio.wait_for(child.exit, 10) == "was lost with its fork server"
    assert await is_gone(child.pid)
    assert any("the fork server is gone" in text for text in server.said)
    again = await server.fork({})
    assert server.pid != before
    assert is_running(again.pid)


async def test_a_child_that_dies_fails_its_flow_run_with_the_reason(server):
    child = ChildProcess(await server.fork({}), {}, shared=False)
    work = asyncio.create_task(child.run({"op": "run", "id": "1"}))
    await asyncio.sleep(0.1)
    assert child.busy == 1
    await child.kill("it used too much")
    with pytest.raises(ChildGoneError, match="it used too much"):
        await work
    assert child.gone
    assert await child.end_run("1", "cancelled") == "it had ended already"


async def test_no_process_is_a_resource_that_is_missing(monkeypatch):
    monkeypatch.setattr("genesis.workers.fork_client._START_S", 0.01)
    server = ForkServer([], dict(os.environ), lambda _: None)
    with pytest.raises(ResourceError, match="did not come up"):
        await server.fork({})
    await server.close()
