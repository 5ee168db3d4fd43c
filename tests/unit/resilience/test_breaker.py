"""A breaker as its callers see it, alone and with a store."""

import asyncio
import threading

import pytest

from genesis.errors import BreakerOpenError
from genesis.resilience import Breaker, BreakerRules, SqliteStore, StoreError

RULES = BreakerRules(failures=3, cooling_s=10.0, successes=2, minimum_calls=1000)


class Clock:
    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


class Flaky:
    """A store that can be switched off."""

    def __init__(self, store):
        self.store, self.off, self.calls = store, False, 0

    def _ask(self):
        self.calls += 1
        if self.off:
            raise StoreError("it is switched off")

    def now(self):
        return self.store.now()

    def change(self, name, step):
        self._ask()
        return self.store.change(name, step)

    def read(self, name):
        self._ask()
        return self.store.read(name)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    made = Flaky(SqliteStore(tmp_path / "state", clock=clock))
    yield made
    made.store.close()


@pytest.fixture
def make(clock):
    def made(**more):
        events = []
        breaker = Breaker("the service", RULES, clock=clock, listen=events.append, **more)
        breaker.events = events
        return breaker

    return made


def fail(breaker, times=1):
    for _ in range(times):
        with pytest.raises(ConnectionError), breaker.guard():
            raise ConnectionError("down")


def succeed(breaker, times=1):
    for _ in range(times):
        with breaker.guard():
            pass


def test_a_call_that_is_not_let_through_says_why_and_when_to_come_again(make, clock):
    breaker = make()
    fail(breaker, 3)
    clock.now += 4
    with (
        pytest.raises(BreakerOpenError, match="the service is not called: 3 failures in a row") as caught,
        breaker.guard(),
    ):
        raise AssertionError("it was called")
    assert caught.value.data == {"breaker": "the service", "retry_after_s": 6.0}
    assert caught.value.hint == "it is tried again in 6 s"
    assert breaker.retry_after_s() == 6.0
    assert [(event.before, event.after) for event in breaker.events] == [("closed", "open")]


def test_it_closes_again_and_tells_each_step(make, clock):
    breaker = make()
    fail(breaker, 3)
    clock.now += 10
    succeed(breaker, 2)
    assert [event.after for event in breaker.events] == ["open", "half_open", "closed"]
    assert breaker.state == "closed"


def test_what_a_call_raises_is_raised_and_judged(make):
    breaker = make()
    for _ in range(10):
        with pytest.raises(TypeError), breaker.guard():
            raise TypeError("a bug of the caller")
    assert breaker.state == "closed"


async def test_a_cancelled_call_is_no_failure_and_leaves_room_for_the_next_probe(make, clock):
    breaker = make()
    fail(breaker, 3)
    clock.now += 10

    async def probe():
        async with breaker.guarding():
            await asyncio.sleep(60)

    task = asyncio.create_task(probe())
    await asyncio.sleep(0)
    assert breaker.state == "half_open"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with breaker.guarding():
        pass


@pytest.mark.parametrize("callers", [1, 10, 100])
async def test_one_probe_at_a_time_whatever_the_crowd(make, clock, store, callers):
    for breaker in (make(), make(store=store)):
        fail(breaker, 3)
        clock.now += 10
        inside, most, refused = 0, 0, 0
        all_others_refused = asyncio.Event()

        async def call(breaker=breaker, all_others_refused=all_others_refused):
            nonlocal inside, most, refused
            try:
                async with breaker.guarding():
                    inside += 1
                    most = max(most, inside)
                    await all_others_refused.wait()
                    inside -= 1
            except BreakerOpenError:
                refused += 1
            if refused == callers - 1:
                all_others_refused.set()

        if callers == 1:
            all_others_refused.set()
        async with asyncio.timeout(30):
            await asyncio.gather(*(call() for _ in range(callers)))
        assert (most, refused) == (1, callers - 1)


def test_one_probe_at_a_time_over_threads(make, clock):
    breaker = make()
    fail(breaker, 3)
    clock.now += 10
    begun, go, done = [], threading.Barrier(50), threading.Event()

    def call():
        go.wait()
        try:
            with breaker.guard():
                begun.append(1)
                done.wait(5)
        except BreakerOpenError:
            pass

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads[:49]:
        thread.join(0.05)
    assert len(begun) == 1
    done.set()
    for thread in threads:
        thread.join()


def test_healthy_calls_run_side_by_side(make):
    breaker, inside = make(), threading.Barrier(20)

    def call():
        with breaker.guard():
            inside.wait(5)  # only when all twenty are inside

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not inside.broken


# ── shared ──


def test_failures_of_two_processes_add_up(make, store):
    first, second = make(store=store), make(store=store)
    fail(first, 2)
    fail(second)
    with pytest.raises(BreakerOpenError), second.guard():
        pass
    assert first.retry_after_s() == 0 or first.state == "open"


def test_an_opening_is_known_to_others_a_moment_later(make, store, clock):
    first, second = make(store=store), make(store=store)
    succeed(second)
    fail(first, 3)
    succeed(second)  # it has looked a moment ago
    clock.now += 0.3
    assert second.retry_after_s() == pytest.approx(9.7)
    with pytest.raises(BreakerOpenError), second.guard():
        pass


def test_a_success_elsewhere_ends_a_row(make, store, clock):
    first, second = make(store=store), make(store=store)
    fail(first, 2)
    clock.now += 1
    succeed(second)
    fail(first, 2)
    assert first.state == "closed"


def test_healthy_calls_leave_the_store_alone(make, store):
    breaker = make(store=store)
    succeed(breaker)
    before = store.calls
    succeed(breaker, 1000)
    assert store.calls == before


def test_successes_counted_here_weigh_in_before_a_failure(tmp_path, clock, store):
    rules = BreakerRules(failures=1000, minimum_calls=10)
    breaker = Breaker("x", rules, store=store, clock=clock)
    succeed(breaker, 30)
    fail(breaker, 20)
    assert breaker.state == "closed"
    fail(breaker, 10)
    assert breaker.state == "open"


def test_successes_are_handed_in_before_they_are_old(make, store, clock):
    breaker = make(store=store)
    succeed(breaker, 5)
    clock.now += 7
    succeed(breaker)
    kept, _ = store.store.read("the service")
    assert '"calls":[' in kept
    assert "5" in kept.split('"calls":[')[1].split("]")[0]


def test_a_store_that_fails_is_said_once_and_the_breaker_goes_on_alone(make, store, clock):
    breaker = make(store=store)
    fail(breaker)
    store.off = True
    clock.now += 1
    fail(breaker, 2)
    assert breaker.state == "open"
    assert breaker.degraded
    told = [event.reason for event in breaker.events if event.degraded]
    assert told == ["its state is this process's own now: it is switched off"]
    calls = store.calls
    with pytest.raises(BreakerOpenError), breaker.guard():
        pass
    assert store.calls == calls


def test_a_store_that_is_back_is_used_again(make, store, clock):
    breaker = make(store=store)
    store.off = True
    succeed(breaker)
    assert breaker.degraded
    store.off = False
    clock.now += 6
    succeed(breaker)
    assert not breaker.degraded
    assert [event.reason for event in breaker.events if event.degraded][-1] == "its store is back"


def test_state_that_cannot_be_read_counts_as_none(make, store):
    store.change("the service", lambda *_: ('{"state": "ajar"}', None))
    breaker = make(store=store)
    succeed(breaker)
    fail(breaker, 3)
    assert breaker.state == "open"
