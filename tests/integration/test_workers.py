"""Workers of type `genesis` on a real server: what they run, and what is left when something dies."""

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Cancelling, Crashed, Pending, Running

from genesis.prefect_api.claims import claim_message
from genesis.settings import PoolSettings

sys.path.insert(0, str(Path(__file__).parent))

from worker_fleet import FOLDER, Fleet, until

from genesis.testing.processes import is_running

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


@pytest.fixture
async def fleet(prefect_api, tmp_path, monkeypatch, warm_fork_servers):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    async with get_client() as client:
        made = Fleet(client, tmp_path, warm_fork_servers)
        yield made
        await made.close()


def pids(notes):
    return [int(line.split()[0]) for line in notes]


async def idle(service):
    """Wait until the last child is back: its run is over in the API a moment before."""
    await until(lambda: service.health()[1]["running"] == 0)


async def test_flow_runs_share_one_warm_process_and_hooks_fire(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool)
    service = await fleet.serve(pool)
    for _ in range(3):
        done = await fleet.reach(await fleet.start(deployment), "Completed")
        await idle(service)
    states = await fleet.client.read_flow_run_states(done.id)
    assert [state.name for state in states] == ["Scheduled", "Pending", "Running", "Completed"]
    assert states[1].message.startswith("claimed by genesis-")
    notes = await fleet.noted(6)
    assert len(set(pids(notes[::2]))) == 1
    assert notes[1::2] == ["completed Completed"] * 3


async def test_a_thread_pool_runs_many_at_once_in_one_process(fleet):
    pool = await fleet.pool(isolation="thread")
    deployment = await fleet.deploy("agent_task", pool)
    await fleet.serve(pool)
    for _ in range(5):
        await fleet.start(deployment, seconds=300.0)
    started = await fleet.noted(5)
    assert len(set(pids(started))) == 1


async def test_a_flow_that_is_not_async_has_a_process_of_its_own_on_a_thread_pool(fleet):
    pool = await fleet.pool(isolation="thread")
    waiting = await fleet.deploy("agent_task", pool)
    await fleet.serve(pool)
    await fleet.reach(await fleet.start(waiting), "Completed")
    blocking = await fleet.deploy("synchronous", pool)
    await fleet.reach(await fleet.start(blocking), "Completed")
    shared, alone = await until(lambda: [line for line in fleet.notes() if line[0].isdigit()])
    assert shared.split()[0] != alone.split()[0]
    assert any("its own process: it is not async" in text for text in fleet.said)


async def test_two_workers_on_one_pool_never_run_a_flow_run_twice(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool)
    await fleet.serve(pool, name="one")
    await fleet.serve(pool, name="two")
    runs = await asyncio.gather(*(fleet.start(deployment, label=f"n{index}") for index in range(16)))
    for run in runs:
        await fleet.reach(run, "Completed")
    counted = Counter(line.split()[1] for line in fleet.notes() if line[0].isdigit())
    assert counted == {f"n{index}": 1 for index in range(16)}


async def test_a_killed_child_is_a_crashed_flow_run_within_seconds(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool)
    await fleet.serve(pool)
    run = await fleet.start(deployment, seconds=300)
    [note] = await fleet.noted()
    await fleet.reach(run, "Running")
    os.kill(int(note.split()[0]), signal.SIGKILL)
    crashed = await fleet.reach(run, "Crashed")
    assert crashed.state.message == "its process was ended by signal SIGKILL"
    assert (await fleet.noted(2))[1] == "crashed Crashed"
    await fleet.reach(await fleet.start(deployment), "Completed")


async def test_what_a_killed_child_had_started_is_killed_too(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("command", pool)
    await fleet.serve(pool)
    run = await fleet.start(deployment)
    child, shell, sleep = map(int, (await fleet.noted())[0].split())
    os.kill(child, signal.SIGKILL)
    await fleet.reach(run, "Crashed")
    await until(lambda: not is_running(shell) and not is_running(sleep))


async def test_cancelling_ends_a_command_and_what_it_started(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("command", pool)
    await fleet.serve(pool)
    run = await fleet.start(deployment)
    child, shell, sleep = map(int, (await fleet.noted())[0].split())
    await fleet.client.set_flow_run_state(run.id, Cancelling())
    cancelled = await fleet.reach(run, "Cancelled")
    assert cancelled.state.message.startswith("cancelled: it ended after")
    assert not any(map(is_running, (child, shell, sleep)))
    assert fleet.notes()[1:] == ["cancelled Cancelling"]


async def test_cancelling_kills_what_does_not_listen(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("stubborn", pool)
    await fleet.serve(pool)
    run = await fleet.start(deployment)
    [note] = await fleet.noted()
    await fleet.client.set_flow_run_state(run.id, Cancelling())
    await fleet.reach(run, "Cancelled")
    assert not is_running(int(note))


async def test_cancelling_on_a_thread_pool_leaves_the_others_alone(fleet):
    pool = await fleet.pool(isolation="thread")
    deployment = await fleet.deploy("agent_task", pool)
    await fleet.serve(pool)
    doomed, other = await fleet.start(deployment, seconds=300), await fleet.start(deployment, seconds=3)
    await fleet.noted(2)
    await fleet.client.set_flow_run_state(doomed.id, Cancelling())
    cancelled = await fleet.reach(doomed, "Cancelled")
    assert "its task ended" in cancelled.state.message or "it ended" in cancelled.state.message
    await fleet.reach(other, "Completed")


async def test_a_child_is_replaced_after_so_many_flow_runs(fleet):
    pool = await fleet.pool(recycle_after=2)
    deployment = await fleet.deploy("agent_task", pool)
    service = await fleet.serve(pool)
    for _ in range(4):
        await fleet.reach(await fleet.start(deployment), "Completed")
        await idle(service)
    used = pids([line for line in fleet.notes() if line[0].isdigit()])
    assert sorted(Counter(used).values()) == [2, 2]
    await until(lambda: not any(map(is_running, used)))
    assert service.health()[0]


async def test_too_much_memory_ends_a_flow_run(fleet):
    pool = await fleet.pool(memory_mb=400)
    deployment = await fleet.deploy("greedy", pool)
    await fleet.serve(pool)
    run = await fleet.start(deployment, megabytes=500)
    crashed = await fleet.reach(run, "Crashed")
    assert "more than its limit of 400 MB" in crashed.state.message
    assert not is_running(int(fleet.notes()[0].split()[0]))


async def test_too_much_time_ends_a_flow_run(fleet):
    pool = await fleet.pool(time_limit_s=1)
    deployment = await fleet.deploy("agent_task", pool)
    await fleet.serve(pool)
    crashed = await fleet.reach(await fleet.start(deployment, seconds=300), "Crashed")
    assert crashed.state.message.startswith("it ran longer than its time limit of 1 s; it ended after")


async def test_a_blocked_loop_is_killed_and_started_again(fleet):
    pool = await fleet.pool(isolation="thread")
    service = await fleet.serve(pool, blocked_s=3.0)
    run = await fleet.start(await fleet.deploy("blocking", pool), seconds=300)
    crashed = await fleet.reach(run, "Crashed")
    assert "was blocked for 3 s" in crashed.state.message
    await fleet.reach(await fleet.start(await fleet.deploy("agent_task", pool)), "Completed")
    assert service.health()[0]


async def test_a_lost_orchestrator_goes_on_in_another_child(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("orchestrate", pool)
    await fleet.serve(pool)
    run = await fleet.start(deployment, seconds=300)
    [note] = await fleet.noted()
    await fleet.reach(run, "Running")
    os.kill(int(note), signal.SIGKILL)
    done = await fleet.reach(run, "Completed")
    assert done.run_count == 2
    names = [state.name for state in await fleet.client.read_flow_run_states(run.id)]
    assert "AwaitingRetry" in names


async def leave_silent_claim(fleet, deployment, pool, *states):
    """Leave what a worker leaves that dies: its heartbeat, its claim, and states that came after that."""
    await fleet.client.send_worker_heartbeat(pool, "silent", 30)
    run = await fleet.start(deployment)
    for state in (Pending(message=claim_message("silent")), *states):
        await fleet.client.set_flow_run_state(run.id, state)
    return run


async def test_what_a_silent_worker_held_is_taken_by_another_or_ended(fleet):
    pool = await fleet.pool()
    work, run = await fleet.deploy("agent_task", pool), await fleet.deploy("orchestrate", pool)
    claimed = await leave_silent_claim(fleet, work, pool)
    begun = await leave_silent_claim(fleet, work, pool, Running())
    cancelled = await leave_silent_claim(fleet, work, pool, Running(), Cancelling())
    orchestrating = await leave_silent_claim(fleet, run, pool, Running())
    await fleet.serve(pool, settings=PoolSettings(heartbeat_s=0.5, idle_poll_s=2, lost_after_s=2))
    assert (await fleet.reach(begun, "Crashed")).state.message == "its worker 'silent' was lost"
    await fleet.reach(cancelled, "Cancelled")
    assert (await fleet.reach(claimed, "Completed")).run_count == 1
    assert (await fleet.reach(orchestrating, "Completed")).run_count == 2


async def test_flow_runs_of_a_worker_that_is_alive_are_left_alone_by_others(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool)
    quick = PoolSettings(heartbeat_s=0.5, idle_poll_s=2, lost_after_s=6)
    await fleet.serve(pool, settings=quick)
    run = await fleet.start(deployment, seconds=14)
    await fleet.noted()
    await fleet.serve(pool, settings=quick)
    done = await fleet.reach(run, "Completed", "Crashed")
    assert (done.state_name, done.run_count) == ("Completed", 1)


async def test_work_that_was_ended_elsewhere_is_stopped(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool)
    await fleet.serve(pool)
    run = await fleet.start(deployment, seconds=300)
    [note] = await fleet.noted()
    await fleet.reach(run, "Running")
    await fleet.client.set_flow_run_state(run.id, Crashed(message="its worker was lost"))
    await until(lambda: not is_running(int(note.split()[0])))
    assert (await fleet.client.read_flow_run(run.id)).state.message == "its worker was lost"


async def test_missing_code_is_said_in_the_state(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool, entrypoint="no_such_package.flow")
    await fleet.serve(pool)
    crashed = await fleet.reach(await fleet.start(deployment), "Crashed")
    assert "its flow 'no_such_package.flow' cannot be loaded here" in crashed.state.message


async def test_variables_and_folder_of_a_deployment_reach_the_flow(fleet, tmp_path):
    pool = await fleet.pool()
    deployment = await fleet.deploy("environment", pool, env={"COLOUR": "red"}, working_dir=str(tmp_path))
    await fleet.serve(pool)
    await fleet.reach(await fleet.start(deployment), "Completed")
    assert fleet.notes() == [f"red {tmp_path} 0"]


async def test_a_pool_that_is_not_there_yet_is_waited_for(fleet):
    name = f"agent-late-{uuid4().hex[:8]}"
    await fleet.serve(name)
    await until(lambda: any(f"{name!r} does not exist" in text for text in fleet.said))
    await fleet.pool(name=name)
    deployment = await fleet.deploy("agent_task", name)
    await fleet.reach(await fleet.start(deployment), "Completed")


async def test_pools_of_another_type_and_paused_ones_are_said(fleet):
    other, paused = await fleet.pool(kind="process"), await fleet.pool()
    from prefect.client.schemas.actions import WorkPoolUpdate

    await fleet.client.update_work_pool(paused, WorkPoolUpdate(is_paused=True))
    await fleet.serve(other, paused)
    assert any(f"{other!r} is of type 'process'" in text for text in fleet.said)
    assert any(f"{paused!r} is paused" in text for text in fleet.said)
    run = await fleet.start(await fleet.deploy("agent_task", paused))
    await fleet.client.update_work_pool(paused, WorkPoolUpdate(is_paused=False))
    await fleet.reach(run, "Completed")


async def test_the_pools_limit_holds_over_workers(fleet):
    pool = await fleet.pool(limit=1)
    deployment = await fleet.deploy("agent_task", pool)
    await fleet.serve(pool, name="one")
    await fleet.serve(pool, name="two")
    runs = await asyncio.gather(*(fleet.start(deployment, seconds=0.2) for _ in range(6)))
    done = [await fleet.reach(run, "Completed") for run in runs]
    times = sorted((run.start_time, run.end_time) for run in done)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(times))


async def test_the_health_page_says_what_it_serves(fleet):
    pool = await fleet.pool()
    service = await fleet.serve(pool, health=("127.0.0.1", 0))
    url = f"http://127.0.0.1:{service.health_port}"

    def ask(path):
        with urllib.request.urlopen(url + path, timeout=5) as answer:
            return json.load(answer)

    shown = await asyncio.to_thread(ask, "/health")
    assert shown["status"] == "ok"
    assert [one["name"] for one in shown["pools"]] == [pool]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        await asyncio.to_thread(ask, "/other")


async def test_killing_the_supervisor_leaves_no_process(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("command", pool)
    worker = fleet.spawn("--pool", pool)
    await fleet.start(deployment)
    found = [int(word) for word in (await fleet.noted())[0].split()]
    assert all(map(is_running, found))
    worker.kill()
    worker.wait()
    await until(lambda: not any(map(is_running, found)))


async def test_sigterm_lets_flow_runs_end(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool)
    worker = fleet.spawn("--pool", pool)
    run = await fleet.start(deployment, seconds=3)
    [note] = await fleet.noted()
    worker.send_signal(signal.SIGTERM)
    late = await fleet.start(deployment)
    assert await asyncio.to_thread(worker.wait, 60) == 0
    assert (await fleet.client.read_flow_run(run.id)).state_name == "Completed"
    assert (await fleet.client.read_flow_run(late.id)).state_name == "Scheduled"
    assert not is_running(int(note.split()[0]))
    assert "has stopped" in fleet.output()


async def test_a_stopped_worker_gives_back_what_does_not_end(fleet):
    pool = await fleet.pool()
    lasting, task = await fleet.deploy("orchestrate", pool), await fleet.deploy("agent_task", pool)
    service = await fleet.serve(pool, grace_s=0.5)
    whole = await fleet.start(lasting, seconds=300)
    await fleet.noted()
    one = await fleet.start(task, seconds=300)
    notes = await fleet.noted(2)
    await fleet.reach(one, "Running")
    await fleet.reach(whole, "Running")
    service.stop()
    crashed = await fleet.reach(one, "Crashed")
    assert "was stopped before it ended" in crashed.state.message
    await fleet.reach(whole, "AwaitingRetry")
    await until(lambda: not any(map(is_running, pids(notes))))
    await fleet.serve(pool)
    await fleet.reach(whole, "Completed")


async def test_prefects_own_command_starts_this_worker(fleet):
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool)
    words = ("start", "--type", "genesis", "--pool", pool, "--limit", "2")
    worker = fleet.spawn(*words, program=(sys.executable, "-m", "prefect", "worker"))
    await fleet.reach(await fleet.start(deployment), "Completed")
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 60) == 0


async def test_prefects_own_command_can_run_once_and_create_the_pool(fleet):
    name = f"agent-made-{uuid4().hex[:8]}"
    words = ("start", "--type", "genesis", "--pool", name, "--run-once")
    worker = fleet.spawn(*words, program=(sys.executable, "-m", "prefect", "worker"))
    assert await asyncio.to_thread(worker.wait, 90) == 0, fleet.output()
    assert (await fleet.client.read_work_pool(name)).type == "genesis"


async def test_an_outage_of_the_api_is_waited_for(fleet, monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    host, port = PREFECT_API_URL.value().split("/")[2].split(":")
    pool = await fleet.pool()
    deployment = await fleet.deploy("agent_task", pool)
    async with Cable(host, int(port)) as cable:
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{cable.port}/api"}):
            service = await fleet.serve(pool)
        run = await fleet.start(deployment, seconds=3)
        await fleet.noted()
        await fleet.reach(run, "Running")
        cable.cut()
        await until(lambda: any("does not answer" in text for text in fleet.said))
        waiting = await fleet.start(deployment, label="later")
        await asyncio.sleep(5)
        cable.repair()
        assert (await fleet.reach(run, "Completed")).run_count == 1
        await fleet.reach(waiting, "Completed")
        assert any("answers again" in text for text in fleet.said)
        assert service.health()[0]
        service.stop()
        service.stop()
        await until(lambda: any("has stopped" in text for text in fleet.said))


@pytest.mark.parametrize(("limit", "slots"), [(1, 4), (4, 1), (None, 1)])
async def test_one_run_of_another_tenant_does_not_wait_behind_all_of_one(fleet, limit, slots):
    pool = await fleet.pool(limit=limit)
    deployment = await fleet.deploy("agent_task", pool)
    big = [await fleet.start(deployment, label="big", tags=["tenant:big"]) for _ in range(5)]
    small = await fleet.start(deployment, label="small", tags=["tenant:small"])
    await fleet.serve(pool, limit=slots)
    for run in [small, *big]:
        await fleet.reach(run, "Completed")
    order = [note.split()[1] for note in fleet.notes() if note.split()[-1] in {"big", "small"}]
    assert order.index("small") <= 1


async def test_an_idle_worker_asks_once_for_all_its_pools(fleet):
    pools = [await fleet.pool() for _ in range(5)]
    service = await fleet.serve(*pools)
    asked = []
    once = service._api.client._client.send

    async def count(request, *more, **named):
        asked.append(request.url.path)
        return await once(request, *more, **named)

    def ending(*ends):
        return [path for path in asked if path.endswith(ends)]

    await until(lambda: service._wake.healthy)
    service._api.client._client.send = count
    async with asyncio.timeout(60):  # the polls with which it begins end at some time, however slow the server is
        while not ending("/flow_runs/filter") or ending("get_scheduled_flow_runs", "/heartbeat"):
            asked.clear()
            await asyncio.sleep(4.5)
    assert len(ending("/flow_runs/filter")) <= 4
    deployment = await fleet.deploy("agent_task", pools[3])
    await fleet.reach(await fleet.start(deployment), "Completed")


class Cable:
    """A connection to a server that can be cut and fixed."""

    def __init__(self, host, port):
        self._to = (host, port)
        self._whole = True
        self._pipes = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error):
        self._server.close()
        self.cut()
        await asyncio.sleep(0.1)

    def cut(self):
        self._whole = False
        for writer in self._pipes:
            writer.transport.abort()

    def repair(self):
        self._whole = True

    async def _carry(self, reader, writer):
        if not self._whole:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection(*self._to)
        pair = {writer, there_writer}
        self._pipes |= pair
        await asyncio.gather(self._copy(reader, there_writer), self._copy(there_reader, writer))
        self._pipes -= pair

    async def _copy(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
