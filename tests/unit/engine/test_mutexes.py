"""Mutexes of leaves: who gets one, who waits, and what becomes of a lease that is lost; the server is a fake one."""

import asyncio
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_limits import FakeLimits
from fake_run import FakeBackend, program_of, within

from genesis.engine.driver import Driver
from genesis.engine.mutexes import LOST, Mutexes, keep_lease
from genesis.errors import ServiceError
from genesis.ledger import Ledger
from genesis.ledger.control import Control
from genesis.prefect_api.client import ApiUnavailable
from genesis.testing import a_task

LEAVES = (a_task("a", mutex="db"), a_task("b", mutex="db"), a_task("c", mutex="other"), a_task("d"))


@pytest.fixture
def limits(monkeypatch):
    found = FakeLimits()
    monkeypatch.setattr("genesis.engine.mutexes.MUTEX_POLL_S", 0.001)
    monkeypatch.setattr("genesis.engine.mutexes.MUTEX_RENEW_S", 0.001)
    monkeypatch.setattr("genesis.engine.mutexes._FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("genesis.engine.driver.Mutexes", partial(Mutexes, connect=found.connect))
    return found


@pytest.fixture
def box(make, limits):
    """Make the mutexes of a run."""

    def made(**more):
        session = make(program_of(*LEAVES), **more)
        lost = []
        it = Mutexes(session, lost.append, connect=limits.connect)
        return SimpleNamespace(it=it, lost=lost, leaves=session.program.leaves, session=session)

    return made


async def until(holds):
    async with within():
        while not holds():
            await asyncio.sleep(0)


async def test_a_leaf_that_waits_is_reported_once_and_gets_the_mutex_when_it_is_released(box, limits):
    run, other = box(), box()
    a, b, *_ = run.leaves
    async with run.it, other.it:
        assert run.it.is_needed(a)
        await run.it.acquire(a)
        assert (run.it.is_needed(a), limits.held, limits.created) == (False, ["mutex:db"], 1)
        waiting = asyncio.create_task(other.it.acquire(b))
        await until(lambda: limits.denied >= 3)
        reason = "another task has the mutex 'db', and this one waits for it"
        assert other.session.observer.diverted == [("b", "first", "later", reason)]
        run.it.release(a.index)
        await waiting
        assert (other.it.is_needed(b), limits.held, limits.created) == (False, ["mutex:db"], 1)
    assert limits.held == []


async def test_other_mutexes_and_rehearsals_do_not_wait(box, limits):
    run, rehearsal = box(), box(rehearse=1.0)
    a, _, c, d = run.leaves
    async with run.it:
        await run.it.acquire(a)
        await run.it.acquire(c)
        assert limits.held == ["mutex:db", "mutex:other"]
        assert not run.it.is_needed(d)
    assert not rehearsal.it.is_needed(a)


async def test_the_next_execution_continues_the_lease_of_one_that_was_killed(box, limits):
    run = box()
    await run.it.acquire(run.leaves[0])  # and is killed: nothing releases it
    again = box()
    async with again.it:
        await again.it.acquire(again.leaves[0])
        assert (len(limits.leases), limits.denied) == (1, 0)
    assert limits.held == []
    async with again.it:
        await again.it.acquire(again.leaves[0])  # the lease in the ledger has gone: another one is taken
        assert limits.held == ["mutex:db"]


async def test_leases_are_renewed_and_one_that_expired_is_taken_again(box, limits):
    run = box()
    async with run.it:
        await run.it.acquire(run.leaves[0])
        watch = asyncio.create_task(run.it.watch())
        await until(lambda: limits.renewed)
        limits.leases.clear()
        await until(lambda: limits.held == ["mutex:db"])
        assert run.lost == []
        watch.cancel()
        [lease] = limits.leases
        assert await run.session.ledger.read_mutex(run.leaves[0]) == str(lease)


async def test_a_mutex_that_another_task_took_meanwhile_is_lost(box, limits):
    run = box()
    async with run.it:
        await run.it.acquire(run.leaves[0])
        limits.leases = {"another": "mutex:db"}
        watch = asyncio.create_task(run.it.watch())
        await until(lambda: run.lost)
        watch.cancel()
    assert (run.lost, limits.held) == ([0], ["mutex:db"])


@pytest.mark.parametrize(("changed", "words"), [({"limit": 3}, "has 3 slots"), ({"active": False}, "is inactive")])
async def test_a_limit_that_was_changed_by_hand_is_an_error(box, limits, changed, words):
    limits.limits["mutex:db"] = SimpleNamespace(**{"limit": 1, "active": True, **changed})
    run = box()
    with pytest.raises(ServiceError, match=words) as caught:
        await run.it.acquire(run.leaves[0])
    assert caught.value.code == "GEN-MUTEX-LIMIT"
    assert caught.value.hint == "run: prefect global-concurrency-limit update mutex:db --limit 1 --enable"


async def test_a_limit_that_was_deleted_is_made_again(box, limits):
    run = box()
    async with run.it:
        await run.it.acquire(run.leaves[0])
        limits.limits.clear()
        limits.leases.clear()
        run.it.release(0)
        await run.it.acquire(run.leaves[1])
        assert (limits.created, limits.held) == (2, ["mutex:db"])


async def test_a_release_that_the_server_does_not_take_is_left_to_the_lease(box, limits, caplog):
    run = box()
    async with run.it:
        await run.it.acquire(run.leaves[0])
        limits.away = ApiUnavailable(OSError("away"), fault=False)
    assert "its lease expires" in caplog.text


async def test_a_suspended_run_takes_no_mutex_and_keeps_those_of_leaves_that_run(box, limits):
    run = box()
    a, b, c, _ = run.leaves
    async with run.it:
        await run.it.acquire(a)
        await run.it.acquire(c)
        run.it.suspend(True, running={c.index})
        await until(lambda: limits.held == ["mutex:other"])
        waiting = asyncio.create_task(run.it.acquire(b))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert (limits.held, limits.denied) == (["mutex:other"], 0)
        run.it.suspend(False, running={c.index})
        await waiting
        assert limits.held == ["mutex:db", "mutex:other"]


async def test_a_workers_flow_run_renews_the_lease_that_the_ledger_has(box, limits):
    run = box()
    a, b, _, d = run.leaves
    async with run.it:
        await run.it.acquire(a)
        async with keep_lease(run.session, a, connect=limits.connect):
            await until(lambda: len(limits.renewed) > 1)
        count = len(limits.renewed)
        for leaf in (b, d):  # without a lease, and without a mutex
            async with keep_lease(run.session, leaf, connect=limits.connect):
                await asyncio.sleep(0.005)
        assert len(limits.renewed) == count


class Watched(FakeBackend):
    """Leaves that last some turns of the loop; counts those of one mutex that run at once."""

    most = 0

    async def run(self, leaf):
        self.now = getattr(self, "now", 0) + (leaf.mutex == "db")
        self.most = max(self.most, self.now)
        try:
            for _ in range(20):
                await asyncio.sleep(0)
            return await super().run(leaf)
        finally:
            self.now -= leaf.mutex == "db"


async def test_leaves_of_one_mutex_never_overlap_over_two_runs_at_once(make, limits):
    backend = Watched()
    tasks = [a_task(f"t{number}", mutex="db") for number in range(5)]

    async def drive(run_id):
        session = make(program_of(*tasks))
        session = replace(session, ledger=Ledger(session.ledger.store, run_id))
        return (await Driver(session, Control(), backend, {}).run()).state

    async with within():
        assert await asyncio.gather(drive("r1"), drive("r2")) == ["completed", "completed"]
    assert (len(backend.runs), backend.most, limits.held) == (10, 1, [])


async def test_a_leaf_that_waits_for_a_mutex_has_no_slot(make, limits):
    limits.limits["mutex:db"] = SimpleNamespace(limit=1, active=True)
    limits.leases["another"] = "mutex:db"
    backend = FakeBackend()
    program = program_of(a_task("a", mutex="db"), a_task("b"), a_task("c", after=("b",)))
    driver = Driver(make(program, slots=1), Control(), backend, {})
    async with within():
        running = asyncio.create_task(driver.run())
        await until(lambda: len(backend.runs) == 2 and limits.denied)
        limits.leases.clear()
        assert (await running).state == "completed"
    assert [path for path, _ in backend.runs] == ["b", "c", "a"]


async def test_a_leaf_that_lost_its_mutex_is_ended_and_fails(make, limits):
    backend = FakeBackend({"a": ["hangs"]})
    driver = Driver(make(program_of(a_task("a", mutex="db"), a_task("b", after=("a",)))), Control(), backend, {})
    async with within():
        running = asyncio.create_task(driver.run())
        await until(lambda: backend.running)
        limits.leases = {"another": "mutex:db"}
        assert (await running).state == "failed"
    assert {outcome.id: outcome.state for outcome in driver.outcomes.values()} == {"a": "failed", "b": "skipped"}
    assert driver.outcomes[0].error.code == LOST


async def test_a_leaf_whose_mutex_cannot_be_had_fails_and_others_run(make, limits):
    limits.limits["mutex:db"] = SimpleNamespace(limit=2, active=True)
    backend = FakeBackend()
    driver = Driver(make(program_of(a_task("a", mutex="db"), a_task("b"))), Control(), backend, {})
    async with within():
        assert (await driver.run()).state == "failed"
    assert {outcome.id: outcome.state for outcome in driver.outcomes.values()} == {"a": "failed", "b": "completed"}
    assert driver.outcomes[0].error.code == "GEN-MUTEX-LIMIT"


async def test_a_run_that_is_stopped_waits_for_no_mutex_and_releases_its_own(make, limits):
    limits.limits["mutex:other"] = SimpleNamespace(limit=1, active=True)
    limits.leases["another"] = "mutex:other"
    control, backend = Control(), FakeBackend({"a": ["hangs"]})
    driver = Driver(make(program_of(a_task("a", mutex="db"), a_task("b", mutex="other"))), control, backend, {})
    async with within():
        running = asyncio.create_task(driver.run())
        await until(lambda: backend.running and limits.denied)
        control.cancel()
        assert (await running).state == "cancelled"
    assert limits.held == ["mutex:other"]
