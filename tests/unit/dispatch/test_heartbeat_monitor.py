from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from genesis.dispatch.heartbeat_monitor import HeartbeatMonitor
from genesis.prefect_api.client import ApiUnavailable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def state(kind, message=None):
    return SimpleNamespace(type=kind, message=message)


def worker(name, beat):
    return SimpleNamespace(name=name, last_heartbeat_time=EPOCH + timedelta(seconds=beat))


@pytest.fixture
def losses(line):
    return HeartbeatMonitor(line, lost_after_s=20, longest_gap_s=8)


@pytest.fixture
def child(make, api):
    api.answers("read_flow_run_states", [state(StateType.SCHEDULED), state(StateType.PENDING, "claimed by w1")])
    return make().child(state=StateType.RUNNING)


async def find_first_loss(losses, clock, children, seconds, step=5):
    """Look every few seconds, and give the time of the first loss."""
    for passed in range(0, seconds + 1, step):
        if await losses.look(children):
            return passed
        clock.now += step
    return None


async def test_a_heartbeat_that_stays_the_same_is_a_loss_whatever_time_it_tells(losses, api, clock, child):
    api.answers("read_workers_for_work_pool", lambda *_, **__: [worker("w1", 9e9)])
    assert await find_first_loss(losses, clock, [child], 60) == 20
    assert (await losses.look([child]))[0] == (child, "w1")
    assert [name for name, *_ in api.asked].count("read_flow_run_states") == 3  # at first, and before each verdict


async def test_a_child_that_another_worker_has_taken_meanwhile_is_not_lost(losses, api, clock, child):
    api.answers("read_workers_for_work_pool", lambda *_, **__: [worker("w1", 1)])
    assert await find_first_loss(losses, clock, [child], 15) is None
    again = [state(StateType.PENDING, f"claimed by {name}") for name in ("w1", "w2")]
    api.answers("read_flow_run_states", again)
    assert await losses.look([child]) == []
    assert child.claimed_by == "w2"


async def test_a_heartbeat_that_moves_is_no_loss_even_backwards(losses, api, clock, child):
    beats = iter(range(1000, 0, -1))
    api.answers("read_workers_for_work_pool", lambda *_, **__: [worker("w1", next(beats)), worker("w2", 1)])
    assert await find_first_loss(losses, clock, [child], 100) is None


async def test_an_absence_of_the_api_starts_the_time_anew(losses, api, clock, child):
    api.answers("read_workers_for_work_pool", lambda *_, **__: [worker("w1", 1)])
    assert await find_first_loss(losses, clock, [child], 15) is None
    api.answers("read_workers_for_work_pool", lambda *_, **__: httpx.ConnectError("x"))
    with pytest.raises(ApiUnavailable):
        await losses.look([child])
    api.answers("read_workers_for_work_pool", lambda *_, **__: [worker("w1", 1)])
    assert await find_first_loss(losses, clock, [child], 60) == 20


async def test_a_break_in_the_looking_proves_nothing(losses, api, clock, child):
    api.answers("read_workers_for_work_pool", lambda *_, **__: [worker("w1", 1)])
    assert await losses.look([child]) == []
    clock.now += 100
    assert await losses.look([child]) == []


async def test_a_worker_that_is_gone_from_its_pool_is_lost_too(losses, api, clock, child):
    api.answers("read_workers_for_work_pool", ObjectNotFound(None))
    assert await find_first_loss(losses, clock, [child], 60) == 20


async def test_a_claim_that_names_nobody_is_not_watched(losses, api, clock, make):
    api.answers("read_flow_run_states", [state(StateType.PENDING, None), state(StateType.PENDING, "Submitting")])
    api.answers("read_workers_for_work_pool", [])
    assert await find_first_loss(losses, clock, [make().child()], 60) is None


async def test_many_workers_are_read_in_pages_and_forgotten_when_none_is_watched(losses, api, clock, child):
    pages = iter([[worker(f"x{n}", 1) for n in range(200)], [worker("w1", 1)]])
    api.answers("read_workers_for_work_pool", lambda *_, **__: next(pages))
    assert await losses.look([child]) == []
    offsets = [more["offset"] for name, _, more in api.asked if name == "read_workers_for_work_pool"]
    assert offsets == [0, 200]
    assert await losses.look([]) == []
    assert not losses._beats
