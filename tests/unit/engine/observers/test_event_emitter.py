"""Events are emitted off the caller's thread, in their order, and nobody waits or fails for them."""

import threading
from contextvars import ContextVar

import pytest

from genesis.engine.observers import event_emitter
from genesis.engine.observers.event_emitter import EventEmitter, describe_related_pool, get_process_emitter


@pytest.fixture
def emitted(monkeypatch):
    events = []
    monkeypatch.setattr(event_emitter, "emit_event", lambda **event: events.append(event))
    return events


def test_events_are_emitted_in_their_order_with_the_time_at_which_they_were_told(emitted):
    emitter = EventEmitter()
    for number in range(50):
        emitter.emit(lambda _pool_id, number=number: {"event": str(number)})
    assert emitter.settle(10)
    assert [event["event"] for event in emitted] == [str(number) for number in range(50)]
    times = [event["occurred"] for event in emitted]
    assert times == sorted(times)


def test_an_event_is_made_in_the_context_of_whoever_told_it(emitted):
    which: ContextVar[str] = ContextVar("which", default="none")
    emitter = EventEmitter()
    token = which.set("the run's")
    emitter.emit(lambda _pool_id: {"event": which.get()})
    which.reset(token)
    assert emitter.settle(10)
    assert emitted[0]["event"] == "the run's"


def test_an_event_that_cannot_be_made_or_sent_costs_no_other(monkeypatch):
    sent = []

    def send(**event):
        if event["event"] == "refused":
            raise RuntimeError("too large")
        sent.append(event["event"])

    monkeypatch.setattr(event_emitter, "emit_event", send)
    emitter = EventEmitter()
    emitter.emit(lambda _pool_id: 1 / 0)
    emitter.emit(lambda _pool_id: {"event": "refused"})
    emitter.emit(lambda _pool_id: {"event": "good"})
    assert emitter.settle(10)
    assert sent == ["good"]


def test_whoever_tells_does_not_wait_for_a_server_that_hangs(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(event_emitter, "emit_event", lambda **event: release.wait(30))
    emitter = EventEmitter()
    for _ in range(1_000):
        emitter.emit(lambda _pool_id: {"event": "x"})
    assert not emitter.settled
    assert not emitter.settle(0.01)
    release.set()
    assert emitter.settle(10)


def test_a_process_without_threads_to_spare_loses_the_event_and_nothing_else(monkeypatch, emitted):
    emitter = EventEmitter()

    def refuse(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        emitter.emit(lambda _pool_id: {"event": "lost"})
    assert emitter.settled
    emitter.emit(lambda _pool_id: {"event": "kept"})
    assert emitter.settle(10)
    assert [event["event"] for event in emitted] == ["kept"]


def test_all_runs_of_a_process_share_one_thread():
    assert get_process_emitter() is get_process_emitter()


def test_a_pool_is_related_once_its_id_is_known():
    assert describe_related_pool("agent-qa", None) == []
    assert describe_related_pool("agent-qa", "8d7")[0]["prefect.resource.id"] == "prefect.work-pool.8d7"
