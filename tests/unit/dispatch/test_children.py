import asyncio
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import StateType

from genesis.dispatch.retry_decision import ChildEnd
from genesis.errors import ServiceError
from genesis.model import Outcome
from genesis.prefect_api.claims import format_lost_message
from genesis.testing.plans import a_task, an_agent

CRASHED, COMPLETED, RUNNING = StateType.CRASHED, StateType.COMPLETED, StateType.RUNNING


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    for name, value in {"_LAGS": (0.001,), "_SHORT_LAGS": (), "STORAGE_RETRY_S": 0.001, "_MOST_FAULTS": 3}.items():
        monkeypatch.setattr(f"genesis.dispatch.children.{name}", value)


async def read_recorded(run, leaf, child, state="completed"):
    await run.session.ledger.record_attempt(leaf, Outcome(id=leaf.path, agent=leaf.agent, state=state), str(child.id))


async def settle():
    for _ in range(20):
        await asyncio.sleep(0.001)


async def test_each_end_of_a_leaf_is_handed_over_while_the_child_goes_on(make):
    run = make(a_task("a"), a_task("b", after=("a",)))
    first, second = run.program.leaves
    child = run.child(state=RUNNING)
    waiting = run.pending.wait_for(first)
    run.children.add(child)
    assert run.session.observer.seen == [("a", "running")]
    await read_recorded(run, first, child)
    run.children.leaf_ended(child.id, "a")
    assert (await waiting).state == "completed"
    assert child.current is second
    assert child.id in run.children.living
    run.pending.wait_for(second)
    run.children.show(second)
    assert run.session.observer.seen[-1] == ("b", "running")


async def test_news_that_is_faster_than_the_childs_id_is_kept(make):
    run = make()
    leaf, child = run.program.leaves[0], run.child()
    waiting = run.pending.wait_for(leaf)
    await read_recorded(run, leaf, child)
    run.children.leaf_ended(child.id, "a")
    assert not run.children.child_changed(child.id, COMPLETED, "")
    run.children.add(child)
    assert (await waiting).state == "completed"
    await settle()
    assert run.children.living == {}


async def test_news_of_strangers_is_forgotten_in_time(make):
    run = make()
    for _ in range(600):
        run.children.leaf_ended(uuid4(), "a")
    assert len(run.children._unknown) == 512


async def test_an_event_without_a_record_and_of_another_leaf_does_nothing(make):
    run = make()
    child = run.child()
    waiting = run.pending.wait_for(run.program.leaves[0])
    run.children.add(child)
    run.children.leaf_ended(child.id, "a")
    run.children.leaf_ended(child.id, "elsewhere")
    await settle()
    assert not waiting.done()
    assert child.id in run.children.living


async def test_a_poll_of_a_running_child_takes_in_records_whose_event_was_lost(make):
    run = make(a_task("a"), a_task("b", after=("a",)))
    first = run.program.leaves[0]
    child = run.child(state=RUNNING)
    waiting = run.pending.wait_for(first)
    run.children.add(child)
    await read_recorded(run, first, child)
    assert not run.children.child_changed(child.id, RUNNING, "")
    assert (await waiting).state == "completed"


async def test_a_new_final_state_is_of_weight_and_a_repeated_one_is_not(make):
    run = make()
    child = run.child()
    run.children.add(child)
    assert not run.children.child_changed(child.id, RUNNING, "")
    assert run.children.child_changed(child.id, COMPLETED, "")
    assert not run.children.child_changed(child.id, COMPLETED, "")
    await settle()


async def test_a_crash_dispatches_again_and_a_late_record_is_not_taken(make):
    run = make()
    leaf, child = run.program.leaves[0], run.child(began_at=0.0)
    waiting = run.pending.wait_for(leaf)
    run.children.add(child)
    run.children.child_changed(child.id, CRASHED, "killed")
    await settle()
    assert run.again == [leaf]
    assert leaf.index not in run.children.taken
    await read_recorded(run, leaf, child)
    run.children.leaf_ended(child.id, "a")
    await run.children.collect(child)
    await run.children.finish(child, ChildEnd(COMPLETED))
    assert not waiting.done()


async def test_a_record_that_was_written_before_the_crash_counts(make):
    run = make()
    leaf, child = run.program.leaves[0], run.child()
    waiting = run.pending.wait_for(leaf)
    run.children.add(child)
    await read_recorded(run, leaf, child)
    await run.children.finish(child, ChildEnd(CRASHED, lost=True))
    assert (await waiting).state == "completed"
    assert run.again == []


async def test_a_leaf_that_kills_its_process_again_and_again_fails(make):
    run = make(a_task("a", retries=1), a_task("b"))
    bad, other = run.program.leaves
    waiting = run.pending.wait_for(bad)
    run.pending.wait_for(other)
    for _ in range(3):
        child = run.child(began_at=0.0)
        run.children.add(child)
        await run.children.finish(child, ChildEnd(CRASHED, "killed"))
    outcome = await waiting
    assert outcome.error.code == "GEN-DISPATCH-CRASHED"
    assert run.again == [bad, other, bad, other, other]
    assert [tried.code for tried in outcome.history] == ["GEN-DISPATCH-CRASHED"] * 3
    assert outcome.attempts == 1  # all of these children say that they are the first


async def test_side_effects_of_a_child_that_never_began_are_done_again(make):
    run = make(a_task("a", side_effects=True), ever_ran=False)
    leaf, child = run.program.leaves[0], run.child()
    run.pending.wait_for(leaf)
    run.children.add(child)
    await run.children.finish(child, ChildEnd(CRASHED, "no image"))
    assert run.again == [leaf]


async def test_a_crash_that_another_worker_saw_from_outside_may_have_been_at_work_at_any_of_its_leaves(make):
    run = make(a_task("a"), a_task("b", side_effects=True))
    child = run.child(began_at=0.0)
    waiting = [run.pending.wait_for(leaf) for leaf in run.program.leaves]
    run.children.add(child)
    run.children.child_changed(child.id, CRASHED, format_lost_message("w1"))
    await settle()
    assert run.again == [run.program.leaves[0]]
    assert (await waiting[1]).error.code == "GEN-DISPATCH-MAYBE-DONE"


async def test_side_effects_of_a_child_that_ran_fail(make):
    run = make(a_task("a", side_effects=True))
    leaf, child = run.program.leaves[0], run.child()
    waiting = run.pending.wait_for(leaf)
    run.children.add(child)
    await run.children.finish(child, ChildEnd(CRASHED, "killed"))
    assert (await waiting).error.code == "GEN-DISPATCH-MAYBE-DONE"


async def test_the_end_of_a_crashed_leaf_nobody_asked_for_yet_is_kept(make):
    run = make(a_task("a", side_effects=True))
    leaf, child = run.program.leaves[0], run.child()
    run.children.add(child)
    await run.children.finish(child, ChildEnd(CRASHED, "killed"))
    assert run.pending.has(leaf.index)


async def test_a_leaf_that_was_left_out_and_not_asked_for_is_free_again(make):
    run = make(a_task("a"), a_task("b", after=("a",)))
    first, second = run.program.leaves
    child = run.child()
    waiting = run.pending.wait_for(first)
    run.children.add(child)
    await read_recorded(run, first, child, "failed")
    await run.children.finish(child, ChildEnd(StateType.FAILED))
    assert (await waiting).state == "failed"
    assert second.index not in run.children.taken
    assert not run.pending.has(second.index)


async def test_an_end_without_a_record_fails(make):
    run = make()
    waiting = run.pending.wait_for(run.program.leaves[0])
    child = run.child()
    run.children.add(child)
    await run.children.finish(child, ChildEnd(COMPLETED, "done"))
    assert (await waiting).error.code == "GEN-DISPATCH-NO-RECORD"


async def test_a_record_that_shows_late_is_waited_for(make, monkeypatch):
    monkeypatch.setattr("genesis.dispatch.children._LAGS", (0.01,) * 50)
    run = make()
    leaf, child = run.program.leaves[0], run.child()
    waiting = run.pending.wait_for(leaf)
    run.children.add(child)
    ending = asyncio.create_task(run.children.finish(child, ChildEnd(COMPLETED)))
    await asyncio.sleep(0.03)
    await read_recorded(run, leaf, child)
    assert (await waiting).state == "completed"
    await ending


async def test_failures_of_an_earlier_execution_do_not_count_and_its_successes_do(make):
    run = make(a_task("a"), a_task("b"))
    good, bad = run.program.leaves
    child = run.child()
    waiting = run.pending.wait_for(good)
    run.pending.wait_for(bad)
    run.children.add(child)
    await read_recorded(run, good, child)
    await read_recorded(run, bad, child, "failed")
    await run.children.finish(child, ChildEnd(StateType.FAILED, stale=True))
    assert (await waiting).state == "completed"
    assert run.again == [bad]


async def test_a_deleted_child_is_a_crash(make):
    run = make()
    run.pending.wait_for(run.program.leaves[0])
    child = run.child(began_at=0.0)
    run.children.add(child)
    run.children.child_missing(child.id)
    await settle()
    assert run.again == [run.program.leaves[0]]


async def test_a_cancelled_child_cancels_its_leaves(make):
    run = make(a_task("a"), a_task("b", after=("a",)))
    first, second = run.program.leaves
    child = run.child()
    waiting = run.pending.wait_for(first)
    run.children.add(child)
    await run.children.finish(child, ChildEnd(StateType.CANCELLED))
    assert (await waiting).state == "cancelled"
    assert run.pending.has(second.index)


async def test_a_storage_that_fails_for_a_while_is_asked_again(make, monkeypatch):
    run = make()
    leaf, child = run.program.leaves[0], run.child()
    waiting = run.pending.wait_for(leaf)
    run.children.add(child)
    await read_recorded(run, leaf, child)
    read, faults = run.session.ledger.attempt, [1, 1]

    async def flaky(*given):
        if faults:
            faults.pop()
            raise ServiceError("the bucket is away")
        return await read(*given)

    monkeypatch.setattr(run.session.ledger, "attempt", flaky)
    await run.children.collect(child)
    assert not waiting.done()
    await run.children.finish(child, ChildEnd(COMPLETED))
    assert (await waiting).state == "completed"


async def test_a_storage_that_stays_broken_fails_the_leaf(make, monkeypatch):
    run = make(a_task("a"), a_task("b", after=("a",)))
    waiting = run.pending.wait_for(run.program.leaves[0])
    child = run.child()
    run.children.add(child)

    async def fail(*_):
        raise ServiceError("the bucket is away")

    monkeypatch.setattr(run.session.ledger, "attempt", fail)
    run.children.child_changed(child.id, COMPLETED, "")
    assert "the bucket is away" in (await waiting).error.message
    assert run.children.living == {}


async def test_links_of_leaves_are_kept_for_the_edges_of_the_ui(make):
    run = make(agents=(an_agent("qa_agent"),))
    child = run.child(link=uuid4())
    run.children.add(child)
    assert run.children.links == {0: child.id}
