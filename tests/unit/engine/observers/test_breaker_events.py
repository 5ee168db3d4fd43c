"""Changes of breakers as events: what they say, and that emitting never blocks or fails."""

import threading

import pytest

from genesis.engine.observers import event_emitter
from genesis.engine.observers.breaker_events import BreakerEventEmitter, event_of
from genesis.observability.instruments import BREAKER_CHANGES, BREAKER_STATE
from genesis.observability.metrics import Metrics
from genesis.resilience import Breaker, BreakerEvent, BreakerRules
from genesis.resilience.breakers import Breakers

OPENED = BreakerEvent("agent qa_agent", "closed", "open", "5 failures in a row")


@pytest.fixture
def emitted(monkeypatch):
    """What is handed to Prefect; there is no server, so no pool has an id."""
    events = []
    monkeypatch.setattr(event_emitter, "emit_event", lambda **event: events.append(event))
    return events


def test_an_event_names_the_breaker_the_change_and_the_pool():
    assert event_of(OPENED, "agent-qa", "8d7") == {
        "event": "genesis.breaker.opened",
        "resource": {
            "prefect.resource.id": "genesis.breaker.agent.qa_agent",
            "prefect.resource.name": "agent qa_agent",
            "genesis.breaker.kind": "agent",
            "genesis.pool": "agent-qa",
        },
        "related": [
            {
                "prefect.resource.id": "prefect.work-pool.8d7",
                "prefect.resource.name": "agent-qa",
                "prefect.resource.role": "work-pool",
            }
        ],
        "payload": {"before": "closed", "after": "open", "reason": "5 failures in a row"},
    }


@pytest.mark.parametrize(
    ("after", "name"),
    [
        ("half_open", "genesis.breaker.half_open"),
        ("closed", "genesis.breaker.closed"),
    ],
)
def test_each_state_has_its_event_and_hosts_have_no_pool(after, name):
    event = event_of(BreakerEvent("host api.example.com:8080", "open", after, "x"))
    assert (event["event"], event["related"], event["resource"]["genesis.pool"]) == (name, [], "none")
    assert event["resource"]["prefect.resource.id"] == "genesis.breaker.host.api.example.com:8080"


def test_changes_are_emitted_in_their_order_off_the_callers_thread(emitted):
    announcer = BreakerEventEmitter()
    for number in range(20):
        announcer(BreakerEvent("host x", "closed", "open", str(number)))
    assert announcer.settle(10)
    assert [event["payload"]["reason"] for event in emitted] == [str(number) for number in range(20)]


def test_a_store_that_is_away_is_no_change(emitted):
    announcer = BreakerEventEmitter()
    announcer(BreakerEvent("host x", "closed", "closed", "its state is this process's own now", degraded=True))
    assert announcer.settled
    assert emitted == []


def test_whoever_tells_waits_for_nobody_and_a_fault_is_not_theirs(monkeypatch):
    release, calls = threading.Event(), []

    def stuck(**event):
        calls.append(event)
        release.wait(20)
        raise RuntimeError("no server")

    monkeypatch.setattr(event_emitter, "emit_event", stuck)
    announcer = BreakerEventEmitter()
    breaker = Breaker("host x", BreakerRules(failures=1), listen=announcer)
    breaker.report(breaker.admit(), "failure")
    assert breaker.state == "open"
    assert not announcer.settle(0.01)
    release.set()
    assert announcer.settle(10)
    announcer(OPENED)
    assert announcer.settle(10)
    assert len(calls) == 2


def test_a_listener_is_told_once_however_often_it_is_added():
    heard, metrics = [], Metrics()
    breakers = Breakers(BreakerRules(failures=1), listen=heard.append, metrics=metrics)
    listener = heard.append
    breakers.listen(listener)
    breakers.listen(listener)
    breaker = breakers.of("model", "x")
    breaker.report(breaker.admit(), "failure")
    assert len(heard) == 1
    assert metrics.values(BREAKER_CHANGES) == {("model", "open"): 1}
    assert set(metrics.values(BREAKER_STATE).values()) == {2.0}
