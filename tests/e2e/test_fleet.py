"""A fleet from nothing, as its user has it: a server on PostgreSQL and Redis, pools, deployments, a worker, runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from forked import ForkingProcess
from passwords import share_password

from .fleet import Fleet, until  # type: ignore[import-not-found]

pytestmark = [pytest.mark.server, pytest.mark.timeout(400), pytest.mark.xdist_group("fleet")]

_AGENTS = {
    "agents": [
        {
            "name": "walker_agent",
            "task_types": ["walk"],
            "max_concurrency": 4,
            "executor": {"kind": "command", "argv": ["sh", "-c", "sleep {seconds}"]},
        },
        {"name": "asker_agent", "task_types": ["ask"], "executor": {"kind": "brief"}},
        {
            "name": "finder_agent",
            "task_types": ["find"],
            "expands": True,
            "executor": {"kind": "python", "call": "work:find"},
        },
        {
            "name": "fetcher_agent",
            "task_types": ["fetch"],
            "success_rate": 0.9,
            "executor": {"kind": "python", "call": "work:nobody_answers"},
        },
        {
            "name": "spare_agent",
            "task_types": ["fetch"],
            "success_rate": 0.5,
            "executor": {"kind": "python", "call": "work:fetch"},
        },
    ],
    "rules": [{"id": "fetchers-fetch", "when": {"type": "fetch"}, "then": "fetcher_agent"}],
}
_WORK = """\
def find():
    walk = {"type": "walk", "description": "Walk", "inputs": {"seconds": "0.1"}}
    return {"found": 2, "subtasks": [{"id": "left", **walk}, {"id": "right", **walk, "depends_on": ["left"]}]}


def nobody_answers():
    raise ConnectionError("nobody answers")


def fetch():
    return {"got": "it"}
"""


def _plan(seconds: float, width: int = 3, *, asks: bool = False) -> dict[str, Any]:
    """Walk several times at once; and then, with `asks`, let a person be asked."""
    inputs = {"seconds": str(seconds)}
    walks = [
        {"id": f"walk{number}", "type": "walk", "description": "Walk", "inputs": inputs} for number in range(width)
    ]
    tell = {"id": "tell", "type": "ask", "description": "Ask", "depends_on": [walk["id"] for walk in walks]}
    return {"version": 1, "request": "Walk and ask", "tasks": [*walks, tell] if asks else walks}


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory,
    forking_process: ForkingProcess,
    migrated_database: Callable[[str], str],
) -> Iterator[Fleet]:
    """The block of the README, command by command."""
    from genesis.testing.services import ServiceMissingError, redis

    from .conftest import Genesis  # type: ignore[import-not-found]

    folder = tmp_path_factory.mktemp("fleet")
    project = folder / "project"
    project.mkdir()
    genesis = Genesis(project, forking=forking_process)
    genesis.environment |= {
        "GENESIS_HOME": str(share_password(folder / "home")),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOCAL_STORAGE_PATH": str(folder / "results"),
    }
    try:
        with redis(_make(folder / "redis")) as broker:
            up = genesis("server", "up", "--postgres", migrated_database("fleet"), "--redis", broker.url, "--json")
            assert up.code == 0, up.err
            made = Fleet(genesis, up.document["api_url"])
            try:
                made.set_up(_AGENTS, _WORK)
                made.serve()
                yield made
            finally:
                made.close()
    except ServiceMissingError as error:
        pytest.skip(str(error))


def test_a_plan_runs_on_the_pools_of_its_agents(fleet: Fleet) -> None:
    plan = fleet.genesis.write("plan.json", _plan(0.1, asks=True))
    ran = fleet.genesis("run", plan, "--agents", "deployments/agents.yaml", "--pools", "--tenant", "ada", "--json")
    assert ran.code == 5, ran.err  # people have work orders
    run = ran.document
    assert run["state"] == "briefed"
    assert {task["state"] for task in run["tasks"]} == {"completed", "briefed"}
    children = fleet.children(run["run_id"])
    assert {child["work_pool_name"] for child in children} == {"agent-walker", "agent-asker"}
    assert all(child["state_type"] == "COMPLETED" for child in children)
    assert all(child["parent_task_run_id"] for child in children)
    assert all("tenant:ada" in child["tags"] for child in children)


def test_tasks_that_a_result_asks_for_run_on_their_own_pools(fleet: Fleet) -> None:
    tasks = [
        {"id": "look", "type": "find", "description": "Look around", "outputs": ["found"]},
        {"id": "tell", "type": "ask", "description": "Tell of {n}", "inputs": {"n": "{look.found}"}},
    ]
    plan = fleet.genesis.write("find.json", {"version": 1, "request": "Look and tell", "tasks": tasks})
    ran = fleet.genesis("run", plan, "--agents", "deployments/agents.yaml", "--pools", "--json")
    assert ran.code == 5, ran.err  # `tell` is a work order
    found = {task["id"]: task for task in ran.document["tasks"]}
    assert list(found) == ["look", "tell", "more-1/left", "more-1/right"]
    assert found["look"]["result"]["found"] == 2
    assert found["look"]["ended_at"] > found["more-1/right"]["ended_at"]
    assert found["tell"]["started_at"] > found["more-1/right"]["ended_at"]
    pools = [child["work_pool_name"] for child in fleet.children(ran.document["run_id"])]
    assert sorted(pools) == ["agent-asker", "agent-finder", "agent-walker"]  # left and right are a chain of one agent


def test_a_task_whose_agent_cannot_goes_to_the_pool_of_the_next(fleet: Fleet) -> None:
    tasks = [
        {"id": "get", "type": "fetch", "description": "Get it", "outputs": ["got"]},
        {"id": "tell", "type": "ask", "description": "Tell", "inputs": {"what": "{get.got}"}},
    ]
    plan = fleet.genesis.write("fetch.json", {"version": 1, "request": "Fetch and tell", "tasks": tasks})
    ran = fleet.genesis("run", plan, "--agents", "deployments/agents.yaml", "--pools", "--json")
    assert ran.code == 5, ran.err  # `tell` is a work order
    get, _ = ran.document["tasks"]
    assert (get["agent"], get["state"], get["result"]) == ("spare_agent", "completed", {"got": "it"})
    assert "nobody answers; spare_agent took it over" in get["note"]
    pools = [child["work_pool_name"] for child in fleet.children(ran.document["run_id"])]
    assert sorted(pools) == ["agent-asker", "agent-fetcher", "agent-spare"]


def test_a_deployed_run_audits_a_repository(fleet: Fleet) -> None:
    repository = fleet.folder / "repository"
    repository.mkdir()
    (repository / "hello.py").write_text("print('hello')\n")
    said = fleet.prefect("deployment", "run", "orchestrate/default", "-p", f"plan={json.dumps(_plan(0.1))}", "--watch")
    assert "Completed" in said or "success" in said.lower(), said
    runs = fleet.genesis("runs", "--json").document
    assert runs[0]["state"] == "completed"


def test_a_cancelled_run_ends_its_tasks_where_they_are(fleet: Fleet) -> None:
    plan = fleet.genesis.write("long.json", _plan(61.5, width=2))
    process, run_id = fleet.begin(plan, running=2)
    ended = fleet.genesis("cancel", run_id, "--json")
    assert ended.code == 0, ended.err
    assert len(ended.document["children"]) == 2
    ran = fleet.genesis.wait(process, 60)
    assert (ran.code, ran.document["state"]) == (130, "cancelled")
    assert {child["state_type"] for child in fleet.children(run_id)} == {"CANCELLED"}
    assert not _sleepers()


def test_an_orchestrator_that_dies_is_resumed_and_its_tasks_are_taken_over(fleet: Fleet) -> None:
    plan = fleet.genesis.write("resumed.json", _plan(8, width=2))
    process, run_id = fleet.begin(plan, running=2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    resumed = fleet.genesis("resume", run_id, "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.document["state"] == "completed"
    walks = [child for child in fleet.children(run_id) if child["work_pool_name"] == "agent-walker"]
    assert len(walks) == 2, "what ran was attached to, not dispatched again"


def test_a_worker_that_dies_leaves_its_tasks_to_another(fleet: Fleet) -> None:
    plan = fleet.genesis.write("lost.json", _plan(5, width=2))
    process, run_id = fleet.begin(plan, running=2)
    fleet.worker.send_signal(signal.SIGKILL)
    fleet.worker.wait()
    fleet.serve()
    ran = fleet.genesis.wait(process, 120)
    assert ran.document["state"] == "completed", ran.err
    states = sorted(
        child["state_type"] for child in fleet.children(run_id) if child["work_pool_name"] == "agent-walker"
    )
    assert states == ["COMPLETED", "COMPLETED", "CRASHED", "CRASHED"]


def _sleepers() -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if line.strip() == "sleep 61.5"]


def _make(folder: Path) -> Path:
    folder.mkdir()
    return folder


class Cable:
    """A connection between two hosts that can be cut and healed. It runs in a thread of its own."""

    def __init__(self, port: int):
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = 0
        self._server = self._do(self._listen())

    def cut(self) -> None:
        """Break what is open, and refuse what is new."""
        self._do(self._break())

    def heal(self) -> None:
        """Let everything through again."""
        self._server = self._do(self._listen())

    def close(self) -> None:
        """End it."""
        self.cut()
        self._do(asyncio.sleep(0.5))  # what was cut ends
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _break(self) -> None:
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        ends = (writer, far_writer)
        self._open.update(ends)
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer), return_exceptions=True)
        self._open.difference_update(ends)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@pytest.fixture
def far_host(fleet: Fleet, tmp_path: Path) -> Iterator[tuple[Any, Cable, dict[str, str]]]:
    """Another host: homes of its own, a connection of its own to the API, and results in a shared storage block."""
    cable = Cable(urlsplit(fleet.api_url).port or 0)
    fleet.save_block("shared", tmp_path / "shared")
    storage = {"PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": "local-file-system/shared"}
    host = type(fleet.genesis)(tmp_path, forking=fleet.genesis.forking)
    host.environment |= {
        "GENESIS_HOME": str(tmp_path / "home"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{cable.port}/api",
        **storage,
    }
    yield host, cable, storage
    host.close()
    cable.close()


def test_results_of_another_host_come_through_shared_storage_and_a_cut_heals(
    fleet: Fleet, far_host: tuple[Any, Cable, dict[str, str]]
) -> None:
    host, cable, storage = far_host
    done = host.folder / "done.txt"
    argv = ["sh", "-c", f"sleep 1; echo {{word}} >> {done}"]
    agent = {"name": "far_agent", "task_types": ["far"], "executor": {"kind": "command", "argv": argv}}
    agent["sandbox"] = {"write": [str(host.folder)]}
    host.write("deployments/agents.json", {"agents": [agent]})
    agents = fleet.genesis.write("far/project/deployments/agents.yaml", json.dumps({"agents": [agent]}))
    for words in (["init"], ["pools", "sync", "--yes"]):
        ran = fleet.genesis(*words, cwd=agents.parents[1])
        assert ran.code == 0, ran.err + ran.out
    fleet.prefect("deploy", "-n", "far", cwd=agents.parents[1])
    host.start("worker", "--pool", "agent-far")
    words = ["one", "two", "three"]
    tasks = [{"id": word, "type": "far", "description": f"Say {word}", "inputs": {"word": word}} for word in words]
    for earlier, later in pairwise(tasks):
        later["depends_on"] = [earlier["id"]]
    plan = fleet.genesis.write("far.json", {"version": 1, "request": "Say three words", "tasks": tasks})
    process = fleet.genesis.start("run", plan, "--agents", agents, "--pools", "--json", env=storage)
    until(done.exists, "the first task is done")
    cable.cut()
    time.sleep(6)
    cable.heal()
    run = fleet.genesis.wait(process, 120).document
    assert run["state"] == "completed", run
    assert done.read_text().split() == words


def test_a_worker_that_does_not_share_the_results_says_so(fleet: Fleet) -> None:
    plan = fleet.genesis.write("apart.json", _plan(0.1, width=1))
    apart = {"PREFECT_LOCAL_STORAGE_PATH": str(fleet.folder / "elsewhere")}
    ran = fleet.genesis("run", plan, "--agents", "deployments/agents.yaml", "--pools", "--json", env=apart)
    assert ran.code == 1
    error = next(task["error"] for task in ran.document["tasks"] if task["state"] == "failed")
    assert "result storage" in error["hint"]
    assert "does not find run" in error["message"]
