"""Each wrapper goes wrong in each of its ways, and does what it wraps otherwise."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from genesis.agents.contract import Result, Work
from genesis.errors import ResourceError, ServiceError
from genesis.ledger import FolderStore
from genesis.resilience import SqliteStore, StoreError
from genesis.testing import ScriptedAgent, an_agent
from genesis.testing.chaos import (
    ChaosCalendar,
    ChaosClock,
    ChaosExecutor,
    ChaosLedger,
    ChaosStore,
    Faults,
    InjectedError,
    Killed,
    MortalLedger,
    misbehaving,
)
from genesis.testing.llm_server import FakeLlmServer, answers


def only(kind, **more):
    """Faults of one kind at every call."""
    return Faults(1, share=1, kinds=[kind], **more)


def work(path="t", *outputs):
    return Work("r", "c", "do it", path, "generic", path, {}, outputs, an_agent())


# ── agents ──


async def call(kind, agent=None, **more):
    agent = agent or ScriptedAgent({"t": [{"a": 1, "b": 2}]})
    try:
        return agent, await ChaosExecutor(agent, only(kind, **more)).execute(work("t", "a", "b"))
    except (RuntimeError, OSError) as error:
        return agent, error


async def test_an_agent_without_faults_is_left_alone():
    agent = ScriptedAgent({"t": [{"a": 1}]})
    assert await ChaosExecutor(agent, Faults(1, share=0)).execute(work()) == Result({"a": 1})


@pytest.mark.parametrize(
    ("kind", "raised", "times"),
    [("error", InjectedError, 0), ("hang", TimeoutError, 0), ("disconnect", ConnectionResetError, 1)],
)
async def test_an_agents_call_fails_before_or_after_it_is_done(kind, raised, times):
    agent, error = await call(kind, hang_s=0.01)
    assert type(error) is raised
    assert f"{kind} at agent 'worker t', call 1" in str(error)
    assert len(agent.work) == times


@pytest.mark.parametrize(
    ("kind", "value", "times"),
    [
        ("delay", {"a": 1, "b": 2}, 1),
        ("reorder", {"a": 1, "b": 2}, 1),
        ("duplicate", {"a": 1, "b": 2}, 2),
        ("partial", {"a": 1}, 1),
    ],
)
async def test_an_agents_call_is_late_or_done_twice_or_in_part(kind, value, times):
    agent, result = await call(kind, delay_s=0.01)
    assert result.value == value
    assert len(agent.work) == times


async def test_an_agents_garbage_has_nothing_that_was_promised():
    _, result = await call("garbage")
    assert isinstance(result.value, str)


async def test_a_hanging_agent_ends_when_it_is_cancelled():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ChaosExecutor(ScriptedAgent(), only("hang")).execute(work())


async def test_an_answer_that_is_held_back_comes_after_a_later_one():
    faults = Faults(_seed_with("a"), share=0.5, kinds=["reorder"], delay_s=60)
    executor, order = ChaosExecutor(ScriptedAgent(), faults), []

    async def ask(path):
        await executor.execute(work(path))
        order.append(path)

    first = asyncio.create_task(ask("a"))
    await asyncio.sleep(0)
    await asyncio.gather(first, ask("b"))
    assert order == ["b", "a"]


def _seed_with(path):
    """Find a seed by which the call of this leaf goes wrong and that of leaf b does not."""
    draws = ((seed, Faults(seed, share=0.5, kinds=["reorder"])) for seed in range(1000))
    return next(seed for seed, f in draws if f.at("agent", f"worker {path}", 1) and not f.at("agent", "worker b", 1))


# ── ledgers ──


@pytest.fixture
def folder(tmp_path):
    return FolderStore(tmp_path / "ledger")


_NAME = "genesis/run-1/leaves/0.json"


@pytest.mark.parametrize(
    ("kind", "raised", "left"),
    [
        ("error", ResourceError, None),
        ("hang", ServiceError, None),
        ("disconnect", ServiceError, b"0123456789"),
        ("delay", None, b"0123456789"),
        ("reorder", None, b"0123456789"),
        ("duplicate", None, b"0123456789"),
    ],
)
async def test_a_ledgers_write_goes_wrong(folder, kind, raised, left):
    store = ChaosLedger(folder, only(kind, delay_s=0.01, hang_s=0.01))
    if raised is None:
        await store.write(_NAME, b"0123456789")
    else:
        with pytest.raises(raised, match=r"write leaves/0\.json"):
            await store.write(_NAME, b"0123456789")
    assert await folder.read(_NAME) == left


async def test_a_torn_write_leaves_a_part_and_fails(folder):
    with pytest.raises(ServiceError):
        await ChaosLedger(folder, only("partial")).write(_NAME, b"0123456789")
    left = await folder.read(_NAME)
    assert len(left) < 10
    assert b"0123456789".startswith(left)


@pytest.mark.parametrize("kind", ["error", "hang", "disconnect"])
async def test_a_ledgers_read_fails(folder, kind):
    with pytest.raises((ResourceError, ServiceError)):
        await ChaosLedger(folder, only(kind, hang_s=0.01)).read(_NAME)


@pytest.mark.parametrize("kind", ["garbage", "partial"])
async def test_a_ledger_gives_something_else(folder, kind):
    await folder.write(_NAME, b"0123456789")
    assert await ChaosLedger(folder, only(kind)).read(_NAME) != b"0123456789"
    assert await ChaosLedger(folder, only(kind)).read("genesis/run-1/none") is None


async def test_a_ledgers_list_fails_or_is_whole(folder):
    await folder.write(_NAME, b"x")
    with pytest.raises(ResourceError):
        await ChaosLedger(folder, only("error")).names("genesis/run-1/leaves")
    store = ChaosLedger(folder, only("garbage"))
    assert await store.names("genesis/run-1/leaves") == ["0.json"]
    assert store.url("x") == folder.url("x")


async def test_the_runs_id_is_no_part_of_a_ledgers_key(folder):
    faults = only("delay", delay_s=0)
    for run in ("one", "two"):
        await ChaosLedger(folder, faults).write(f"genesis/{run}/state.json", b"")
    assert [(fault.key, fault.nth) for fault in faults.made] == [("write state.json", 1), ("write state.json", 2)]


@pytest.mark.parametrize(("when", "left"), [("before", None), ("after", b"second"), ("torn", b"sec")])
async def test_a_process_dies_at_its_nth_write_and_writes_nothing_more(folder, when, left):
    store = MortalLedger(folder, 2, when=when)
    await store.write("a", b"first")
    for name in ("b", "c"):
        with pytest.raises(Killed):
            await store.write(name, b"second")
    assert [await store.read(name) for name in "abc"] == [b"first", left, None]
    assert store.written == ["a", "b", "c"]


async def test_a_process_that_lives_is_counted(folder):
    store = MortalLedger(folder)
    for _ in range(5):
        await store.write(_NAME, b"")
    assert store.written == ["leaves/0.json"] * 5
    assert await store.names("genesis/run-1/leaves") == ["0.json"]


# ── shared state ──


def longer(kept, now):
    del now
    return (kept or "") + "x", len(kept or "")


@pytest.fixture
def shared(tmp_path):
    store = SqliteStore(tmp_path / "state.sqlite", clock=lambda: 100.0)
    yield store
    store.close()


@pytest.mark.parametrize(("kind", "kept"), [("error", None), ("hang", None), ("disconnect", "x")])
def test_a_change_of_shared_state_fails_before_or_after_it_is_made(shared, kind, kept):
    store = ChaosStore(shared, only(kind, hang_s=0.01))
    with pytest.raises(StoreError):
        store.change("a", longer)
    with pytest.raises(StoreError):
        store.read("a")
    assert shared.read("a")[0] == kept


def test_a_step_that_is_made_twice_counts_once(shared):
    made = []

    def step(kept, now):
        made.append(kept)
        return longer(kept, now)

    ChaosStore(shared, only("duplicate")).change("a", step)
    assert made == [None, None]
    assert shared.read("a")[0] == "x"


@pytest.mark.parametrize("kind", ["garbage", "partial"])
def test_shared_state_is_found_damaged(shared, kind):
    shared.change("a", lambda _kept, _now: ("0123456789", None))
    store = ChaosStore(shared, only(kind))
    assert store.read("a")[0] != "0123456789"
    found = store.change("a", lambda kept, _now: (None, kept))
    assert found != "0123456789"


def test_shared_state_is_read_late(shared):
    store = ChaosStore(shared, only("reorder"))
    store.change("a", longer)
    store.change("a", longer)
    assert store.read("a")[0] == "x"
    assert shared.read("a")[0] == "xx"


def test_shared_time_leaps(shared):
    store = ChaosStore(shared, only("clock_jump", jump_s=10))
    times = {store.read("a")[1] for _ in range(5)}
    assert len(times) == 5
    assert store.now() != 100.0
    assert store.change("a", lambda _kept, now: (None, now)) == store.now()


# ── clocks ──


def test_a_steady_clock_only_leaps_ahead():
    clock = ChaosClock(lambda: 5.0, only("clock_jump", jump_s=10))
    times = [clock() for _ in range(20)]
    assert times == sorted(times)
    assert times[-1] > 5.0


def test_a_calendar_is_set_back_too():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    calendar = ChaosCalendar(lambda: start, only("clock_jump", jump_s=10))
    times = [calendar() for _ in range(20)]
    steps = [later - earlier for earlier, later in pairwise([start, *times])]
    assert min(steps) < timedelta() < max(steps)


def test_clocks_without_faults_tell_the_time():
    assert ChaosClock(lambda: 5.0, Faults(1, share=0))() == 5.0


# ── models ──


def ask(server):
    with httpx.Client() as client:
        return client.post(f"{server.base_url}/chat/completions", json={"messages": [{"content": "hello"}]}, timeout=5)


@pytest.mark.parametrize(
    ("kind", "is_so"),
    [
        ("error", lambda answer: answer.status_code in (500, 503)),
        ("garbage", lambda answer: answer.text.startswith("<!DOCTYPE")),
        ("partial", lambda answer: "Do the fi" in answer.text),
        ("delay", lambda answer: json.loads(answer.json()["choices"][0]["message"]["content"]) == {"n": 1}),
        ("duplicate", lambda answer: answer.json()["choices"][0]["message"]["content"] == '{"n": 1}{"n": 1}'),
    ],
)
def test_a_model_answers_otherwise(kind, is_so):
    with FakeLlmServer(misbehaving(only(kind, delay_s=0.01), answers({"n": 1}))) as server:
        assert is_so(ask(server))


def test_a_model_hangs_up():
    with (
        FakeLlmServer(misbehaving(only("disconnect"), answers({}))) as server,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        ask(server)


def test_a_model_without_faults_says_what_it_is_told():
    with FakeLlmServer(misbehaving(Faults(1, share=0), lambda body: answers(body["messages"]))) as server:
        assert "hello" in ask(server).text


def test_a_model_that_hangs_answers_when_it_is_too_late():
    began = time.monotonic()
    with FakeLlmServer(misbehaving(only("hang", hang_s=0.1), answers({}))) as server:
        ask(server)
    assert time.monotonic() - began >= 0.1
