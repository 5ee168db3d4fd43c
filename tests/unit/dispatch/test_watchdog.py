from types import SimpleNamespace

import httpx
import pytest
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Completed, Crashed

from genesis.dispatch.watchdog import Watchdog, close_child, stop_child
from genesis.model import Outcome
from genesis.prefect_api.client import ApiUnavailable
from genesis.testing.plans import a_task


class Troubles:
    def __init__(self, found=None):
        self.found, self.asked = found, []

    async def trouble(self, pool):
        self.asked.append(pool)
        return self.found

    def queue(self, pool):
        return None


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("genesis.dispatch.children._LAGS", ())
    monkeypatch.setattr("genesis.dispatch.children._SHORT_LAGS", ())


@pytest.fixture
def over(make, line, api):
    """Oversee one child of two leaves that are asked for."""
    api.answers("set_flow_run_state", lambda _id, state: SimpleNamespace(state=state))

    def made(trouble=None, **pools):
        run = make(a_task("a", timeout_s=5), a_task("b", timeout_s=5), **pools)
        troubles = Troubles(trouble)
        child = run.child()
        run.children.add(child)
        waiting = [run.pending.wait_for(leaf) for leaf in run.program.leaves]
        watchdog = Watchdog(line, troubles, run.children, run.session)
        return SimpleNamespace(
            run=run, child=child, waiting=waiting, tick=watchdog.tick, troubles=troubles, it=watchdog
        )

    return made


def states(api):
    return [args[1].type for name, args, _ in api.asked if name == "set_flow_run_state"]


async def test_the_pool_of_a_child_that_nobody_takes_is_looked_at_within_five_seconds(over, clock):
    seen = over("no worker; run: this")
    for _ in range(5):
        await seen.tick()
        clock.now += 1
    assert seen.troubles.asked == ["agent-qa"]
    clock.now += 5
    await seen.tick()
    assert len(seen.troubles.asked) == 2
    assert not seen.waiting[0].done()


async def test_a_pool_with_which_nothing_is_wrong_is_looked_at_less_and_less(over, clock):
    seen = over()
    looks = []
    for second in range(100):
        await seen.tick()
        looks += [second] * (len(seen.troubles.asked) - len(looks))
        clock.now += 1
    assert looks == [3, 13, 33, 53, 73, 93]
    seen.troubles.found = "no worker; run: this"
    clock.now += 20
    await seen.tick()
    clock.now += 5
    await seen.tick()
    assert len(seen.troubles.asked) == len(looks) + 2


async def test_where_nobody_is_waited_for_all_leaves_fail_with_what_to_run(over, clock, api):
    seen = over("no worker; run: this", no_worker="fail")
    clock.now += 4
    await seen.tick()
    for waiting in seen.waiting:
        assert (await waiting).error.message == "no worker"
        assert (await waiting).error.hint == "run: this"
    assert states(api) == [StateType.CANCELLING]


async def test_a_busy_pool_is_waited_for_without_end(over, clock):
    seen = over(no_worker="fail")
    clock.now += 10_000
    await seen.tick()
    assert not seen.waiting[0].done()


async def test_a_dispatch_has_a_deadline_where_one_is_set(over, clock):
    seen = over(dispatch_timeout_s=60.0)
    clock.now += 61
    await seen.tick()
    assert [(await waiting).error.code for waiting in seen.waiting] == ["GEN-DISPATCH-NO-WORKER"] * 2


async def test_a_leaf_that_outlasts_all_its_limits_fails_and_those_behind_it_go_on_elsewhere(over, clock, api):
    seen = over()
    seen.child.record_event(clock.now, StateType.RUNNING)
    seen.child.heard_at = 1e12
    clock.now += 36
    await seen.tick()
    assert (await seen.waiting[0]).error.code == "GEN-TASK-TIMEOUT"
    assert seen.run.again == [seen.run.program.leaves[1]]
    assert states(api) == [StateType.CANCELLING]


async def test_each_leaf_of_a_child_has_its_own_time(over, clock):
    seen = over()
    seen.child.record_event(clock.now, StateType.RUNNING)
    clock.now += 30
    seen.child.done.add(0)
    seen.child.record_event(clock.now)
    seen.child.heard_at = 1e12
    clock.now += 30
    await seen.tick()
    assert not seen.waiting[1].done()
    seen.child.done.add(1)
    clock.now += 1000
    await seen.tick()
    assert seen.child.id in seen.run.children.living


async def test_a_child_that_was_taken_and_never_begins_is_given_up(over, clock):
    seen = over()
    seen.child.record_event(clock.now, StateType.PENDING)
    seen.child.heard_at = 1e12
    clock.now += 601
    await seen.tick()
    assert (await seen.waiting[0]).error.code == "GEN-DISPATCH-NOT-BEGUN"


async def test_while_the_api_is_away_nothing_is_judged_and_the_ledger_is_read(over, clock, line):
    seen = over("no worker; run: this", no_worker="fail")
    leaf = seen.run.program.leaves[0]
    seen.child.record_event(clock.now, StateType.RUNNING)
    line.away_since = clock.now
    await seen.run.session.ledger.record_attempt(
        leaf, Outcome(id="a", agent=leaf.agent, state="completed"), str(seen.child.id)
    )
    clock.now += 60
    await seen.tick()
    assert (await seen.waiting[0]).state == "completed"
    assert not seen.waiting[1].done()
    await seen.tick()
    assert seen.troubles.asked == []


async def test_an_api_that_stays_away_does_not_keep_a_leaf_for_ever(over, clock, line, api):
    seen = over()
    seen.child.record_event(clock.now, StateType.RUNNING)
    line.away_since = clock.now
    clock.now += 36
    await seen.tick()
    assert not seen.waiting[0].done()
    clock.now += 120
    await seen.tick()
    assert (await seen.waiting[0]).error.code == "GEN-TASK-TIMEOUT"


@pytest.fixture
async def silent(over, api, clock):
    """A running child whose worker's heartbeat does not move."""
    seen = over()
    seen.child.record_event(clock.now, StateType.RUNNING)
    seen.child.leaves = seen.child.leaves[:1]
    api.answers("read_flow_run_states", [SimpleNamespace(type=StateType.PENDING, message="claimed by w1")])
    api.answers("read_workers_for_work_pool", [SimpleNamespace(name="w1", last_heartbeat_time=None)])
    return seen


async def passing(seen, clock, seconds):
    for _ in range(seconds):
        await seen.tick()
        clock.now += 1


async def test_a_silent_worker_is_lost_after_six_seconds_of_watching_and_its_child_is_fenced(silent, clock, api):
    await passing(silent, clock, 7)
    assert states(api) == []
    await passing(silent, clock, 4)
    assert states(api) == [StateType.CRASHED]
    assert silent.run.again == [silent.run.program.leaves[0]]
    assert silent.run.children.living == {}


async def test_a_child_that_ended_just_before_it_was_fenced_is_left_to_its_own_end(silent, clock, api):
    api.answers("set_flow_run_state", lambda _id, _state: SimpleNamespace(state=Completed()))
    await passing(silent, clock, 33)
    assert silent.child.id in silent.run.children.living


async def test_a_child_that_was_deleted_is_a_crash_too(silent, clock, api):
    api.answers("set_flow_run_state", ObjectNotFound(None))
    silent.child.began_at = 0.0
    await passing(silent, clock, 33)
    await silent.run.background.close()
    assert silent.child.state is StateType.CRASHED


async def test_news_of_a_child_keep_its_worker_from_being_asked_for(silent, clock, api):
    for _ in range(30):
        silent.child.heard_at = clock.now
        await passing(silent, clock, 1)
    assert api.asked == []


async def test_the_watch_goes_on_when_the_api_is_away(over, monkeypatch):
    import asyncio

    monkeypatch.setattr("genesis.dispatch.watchdog.WATCHDOG_TICK_S", 0.001)
    seen, ticks = over(), []

    async def tick():
        ticks.append(1)
        if len(ticks) == 3:
            seen.run.children.living.clear()
        raise ApiUnavailable(httpx.ConnectError("x"), fault=False)

    monkeypatch.setattr(seen.it, "tick", tick)
    watch = asyncio.create_task(seen.it.watch())
    await asyncio.sleep(0.05)
    assert len(ticks) == 3
    seen.it.wake()
    await asyncio.sleep(0.01)
    assert len(ticks) == 3
    watch.cancel()


@pytest.mark.parametrize(
    ("answer", "told"), [(Cancelling(), True), (Cancelled(), True), (Completed(), False), (Crashed(), False)]
)
async def test_stopping_says_whether_there_was_something_to_stop(make, line, api, answer, told):
    api.answers("set_flow_run_state", lambda *_: SimpleNamespace(state=answer))
    assert await stop_child(line, make().child()) is told


async def test_stopping_what_is_gone_or_cannot_be_reached_is_no_error(make, line, api, monkeypatch):
    monkeypatch.setattr("genesis.dispatch.watchdog._STOP_S", 0.02)
    api.answers("set_flow_run_state", ObjectNotFound(None))
    assert not await stop_child(line, make().child())
    api.answers("set_flow_run_state", lambda *_: httpx.ConnectError("x"))
    assert not await stop_child(line, make().child())


async def test_a_child_whose_work_is_done_is_closed_as_completed(make, line, api):
    told = []
    api.answers("set_flow_run_state", lambda _id, state, *_: told.append(state.type))
    await close_child(line, make().child())
    assert told == [StateType.COMPLETED]


async def test_closing_what_is_gone_or_cannot_be_reached_is_no_error(make, line, api, monkeypatch):
    monkeypatch.setattr("genesis.dispatch.watchdog._STOP_S", 0.02)
    api.answers("set_flow_run_state", ObjectNotFound(None))
    await close_child(line, make().child())
    api.answers("set_flow_run_state", lambda *_: httpx.ConnectError("x"))
    await close_child(line, make().child())
