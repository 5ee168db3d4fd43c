import asyncio
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import StateType
from prefect.events import Event

from genesis.dispatch.waiter import Waiter

REAL_SLEEP = asyncio.sleep


class Listening:
    def __init__(self):
        self.heard = []
        self.weighty = False

    def leaf_ended(self, child, path):
        self.heard.append((child, path))

    def child_changed(self, child, state, message):
        self.heard.append((child, state, message))
        return self.weighty

    def child_missing(self, child):
        self.heard.append((child, "missing"))


@pytest.fixture
def listening():
    return Listening()


@pytest.fixture
def waiter(line, listening, make):
    children = []
    made = Waiter(line, "r1", listening, lambda: children)
    made.children = children
    made.child = make().child
    return made


def event(name, resource, **payload):
    return Event(event=name, resource={"prefect.resource.id": resource}, payload=payload)


def test_events_are_understood(waiter, listening):
    child = uuid4()
    state = {"type": "CRASHED", "message": "killed"}
    waiter._receive(event("genesis.leaf.ended", "genesis.leaf.r1/a", path="a", flow_run_id=str(child)))
    waiter._receive(event("prefect.flow-run.Crashed", f"prefect.flow-run.{child}", validated_state=state))
    assert listening.heard == [(child, "a"), (child, StateType.CRASHED, "killed")]


@pytest.mark.parametrize(
    "strange",
    [
        event("genesis.leaf.ended", "genesis.leaf.r1/a", path="a", flow_run_id="?"),
        event("genesis.leaf.ended", "genesis.leaf.r1/a", path=7, flow_run_id=str(uuid4())),
        event("prefect.flow-run.Crashed", "prefect.flow-run.?", validated_state={"type": "CRASHED"}),
        event("prefect.flow-run.New", f"prefect.flow-run.{uuid4()}", validated_state={"type": "NEW"}),
        event("prefect.flow-run.None", f"prefect.flow-run.{uuid4()}"),
    ],
)
def test_strange_events_are_passed_over(waiter, listening, strange):
    waiter._receive(strange)
    assert listening.heard == []


def find(child, state=StateType.RUNNING, message=None):
    return SimpleNamespace(id=child.id, state=SimpleNamespace(type=state, message=message))


async def test_a_poll_reads_all_children_in_pages_and_names_the_missing(waiter, listening, api):
    waiter.children.extend(waiter.child() for _ in range(250))
    gone, stateless = waiter.children[0], waiter.children[1]

    def read(flow_run_filter, limit):
        ids = set(flow_run_filter.id.any_)
        assert limit == len(ids)
        known = [find(child) for child in waiter.children[2:] if child.id in ids]
        return known + ([SimpleNamespace(id=stateless.id, state=None)] if stateless.id in ids else [])

    api.answers("read_flow_runs", read)
    assert not await waiter._look()
    assert len(api.asked) == 2
    assert len(listening.heard) == 250
    assert (gone.id, "missing") in listening.heard
    assert (stateless.id, StateType.SCHEDULED, "") in listening.heard


async def pauses_of(waiter, monkeypatch, rounds):
    """Poll some rounds, and give the pauses before each."""
    pauses, real = [], REAL_SLEEP

    async def sleep(seconds):
        pauses.append(round(seconds, 2))
        if len(pauses) > rounds:
            waiter.children.clear()
        await real(0)

    monkeypatch.setattr("genesis.dispatch.waiter.asyncio.sleep", sleep)
    polling = asyncio.create_task(waiter.poll())
    for _ in range(300):
        await real(0)
    polling.cancel()
    return pauses


async def test_polls_grow_rare_while_the_socket_is_first_with_all_news(waiter, api, monkeypatch):
    waiter.connected = True
    waiter.children.append(waiter.child())
    api.answers("read_flow_runs", lambda **_: [find(child) for child in waiter.children])
    assert await pauses_of(waiter, monkeypatch, 8) == [0.5, 0.8, 1.28, 2.05, 3.28, 5.0, 5.0, 5.0, 5.0]


async def test_polls_stay_quick_while_they_find_news_or_there_is_no_socket(waiter, api, monkeypatch, listening):
    waiter.children.append(waiter.child())
    api.answers("read_flow_runs", lambda **_: [find(child) for child in waiter.children])
    assert set(await pauses_of(waiter, monkeypatch, 5)) == {0.5}
    waiter.connected, listening.weighty = True, True
    waiter.children.append(waiter.child())
    assert set(await pauses_of(waiter, monkeypatch, 5)) == {0.5}


async def test_polls_outlast_an_api_that_is_away_and_rest_without_children(waiter, api, monkeypatch, listening):
    polling = asyncio.create_task(waiter.poll())
    await asyncio.sleep(0)
    assert api.asked == []
    polling.cancel()
    waiter.children.append(waiter.child())
    api.answers("read_flow_runs", lambda **_: httpx.ConnectError("x"))
    assert set(await pauses_of(waiter, monkeypatch, 4)) == {0.5}
    assert len(api.asked) > 1
    assert listening.heard == []


class Socket:
    """Stands for a subscription that gives some events and then breaks."""

    def __init__(self, events, error, log):
        self.events, self.error, self.log = iter(events), error, log

    async def __aenter__(self):
        self.log.append("open")
        return self

    async def __aexit__(self, *_):
        self.log.append("close")

    def __aiter__(self):
        return self

    async def __anext__(self):
        for given in self.events:
            return given
        if self.error:
            raise self.error
        raise StopAsyncIteration


async def test_a_lost_connection_is_made_again(waiter, listening, monkeypatch):
    child, log = uuid4(), []
    ended = event("genesis.leaf.ended", "genesis.leaf.r1/a", path="a", flow_run_id=str(child))
    sockets = iter([Socket([], OSError("cut"), log), Socket([ended], None, log), Socket([ended], TimeoutError(), log)])
    asked, real = [], asyncio.sleep

    def subscriber(wanted, _attempts, *, reconnect_on_clean_close):
        asked.append(wanted)
        return next(sockets)

    async def sleep(_seconds):
        assert not waiter.connected
        await real(0)

    monkeypatch.setattr("genesis.dispatch.waiter.get_events_subscriber", subscriber)
    monkeypatch.setattr("genesis.dispatch.waiter.asyncio.sleep", sleep)
    with pytest.raises(RuntimeError):  # no socket is left
        await waiter.listen()
    assert listening.heard == [(child, "a"), (child, "a")]
    assert log == ["open", "close"] * 3
    assert asked[0].related.id == ["prefect.tag.run:r1"]
    assert "genesis.leaf.ended" in asked[0].event.prefix
