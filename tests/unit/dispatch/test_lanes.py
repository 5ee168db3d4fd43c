from types import SimpleNamespace

import pytest
from prefect.client.schemas.objects import StateType

from genesis.dispatch.lanes import Lanes
from genesis.dispatch.retry_decision import ChildEnd
from genesis.ledger import LaneOrder, LaneState
from genesis.model import Outcome
from genesis.model.run import utc_now
from genesis.testing.plans import a_task


def make_done(leaf):
    now = utc_now()
    return Outcome(id=leaf.path, agent=leaf.agent, state="completed", started_at=now, ended_at=now)


@pytest.fixture
def run(make, clock):
    """A run of four leaves, of which one child that runs has the first."""
    made = make(*(a_task(name) for name in "abcd"))
    made.wanted, made.moves = True, []
    made.lanes = Lanes(
        made.session,
        made.children,
        wanted=lambda _child: made.wanted,
        moved=lambda: made.moves.append(1),
        clock=clock,
    )
    made.one = made.child("a", dispatched_at=clock.now, known=4, lane=True)
    made.children.add(made.one)
    made.one.record_event(clock.now, StateType.RUNNING)

    async def ends(*indices, orders=None, is_open=True):
        for index in indices:
            leaf = made.program.leaves[index]
            await made.session.ledger.record_attempt(leaf, make_done(leaf), str(made.one.id))
        if orders is not None:
            await made.session.ledger.answer(str(made.one.id), LaneState(orders=orders, open=is_open))
        await made.lanes._look(made.one)

    async def write_order(*indices):
        leaves = [made.program.leaves[index] for index in indices]
        made.children.add_leaves(made.one, leaves)
        await made.lanes.write_order(made.one, leaves, None)

    made.ends, made.write_order = ends, write_order
    return made


async def test_a_record_is_found_in_the_ledger_without_any_event(run):
    waiting = run.pending.wait_for(run.program.leaves[0])
    await run.ends(0)
    assert (await waiting).state == "completed"
    assert run.lanes.idle("qa_agent") is None  # it has not said that it waits


async def test_a_child_that_says_so_waits_for_an_order_and_gets_it_once(run, clock):
    await run.ends(0, orders=0)
    assert run.moves
    assert run.lanes.idle("qa_agent") is run.one
    assert run.lanes.idle("other") is None
    await run.write_order(1, 2)
    assert run.lanes.idle("qa_agent") is None
    order = await run.session.ledger.read_order(str(run.one.id), 1)
    assert order.tasks == ("b", "c")
    assert run.one.current is run.program.leaves[1]
    await run.lanes._look(run.one)  # its old answer counts no more
    assert run.lanes.idle("qa_agent") is None
    await run.ends(1, 2, orders=1)
    assert run.lanes.idle("qa_agent") is run.one
    clock.now += 5.0  # it is kept no longer than that while a dispatch takes a second
    assert run.lanes.idle("qa_agent") is None
    await run.lanes._look(run.one)
    assert (await run.session.ledger.read_order(str(run.one.id), 2)).tasks == ()


async def test_a_child_that_has_done_its_leaves_waits_soon_until_it_says_so(run):
    await run.ends(0)
    assert run.lanes.soon("qa_agent") == [0.0]
    await run.ends(orders=0)
    assert run.lanes.soon("qa_agent") == []
    assert run.lanes.idle("qa_agent") is run.one


async def test_where_dispatches_take_long_a_child_is_kept_for_longer(run, clock):
    run.lanes._dispatches.extend([4.0] * 8)
    await run.ends(0, orders=0)
    clock.now += 7.0
    await run.lanes._look(run.one)
    assert run.lanes.idle("qa_agent") is run.one
    clock.now += 1.5
    assert run.lanes.idle("qa_agent") is None


@pytest.mark.parametrize("why", ["nothing is left", "it is old", "it has enough"])
async def test_a_child_that_is_to_do_no_more_is_told_to_end(run, clock, why):
    run.wanted = why != "nothing is left"
    clock.now += 61.0 if why == "it is old" else 0.0
    if why == "it has enough":
        run.one.leaves *= 100
    await run.ends(0, orders=0)
    assert run.lanes.idle("qa_agent") is None
    assert await run.session.ledger.read_order(str(run.one.id), 1) == LaneOrder()


@pytest.mark.parametrize("which", ["not told to wait", "of an earlier execution", "closed"])
async def test_some_children_get_no_orders(run, which):
    run.one.lane = which != "not told to wait"
    run.one.inherited = which == "of an earlier execution"
    await run.ends(0, orders=0, is_open=which != "closed")
    assert run.lanes.idle("qa_agent") is None
    assert not run.moves


async def test_what_an_order_had_is_done_again_when_its_child_had_ended_before(run):
    await run.ends(0, orders=0)
    await run.write_order(1)
    waiting = run.pending.wait_for(run.program.leaves[1])
    await run.session.ledger.answer(str(run.one.id), LaneState(orders=0, open=False))
    await run.children.finish(run.one, ChildEnd(StateType.COMPLETED))
    assert run.again == [run.program.leaves[1]]
    assert not waiting.done()


@pytest.mark.parametrize("answer", [LaneState(orders=0, open=True), LaneState(orders=1, open=False)])
async def test_what_an_order_had_that_was_taken_is_not_done_again_for_a_child_that_completed(run, monkeypatch, answer):
    monkeypatch.setattr("genesis.dispatch.children._LAGS", ())
    await run.ends(0, orders=0)
    await run.write_order(1)
    waiting = run.pending.wait_for(run.program.leaves[1])
    await run.session.ledger.answer(str(run.one.id), answer)
    await run.children.finish(run.one, ChildEnd(StateType.COMPLETED))
    assert (await waiting).error.code == "GEN-DISPATCH-NO-RECORD"
    assert run.again == []


async def test_a_crash_in_an_order_does_again_what_has_no_record_and_nothing_else(run):
    await run.ends(0, orders=0)
    await run.write_order(1, 2)
    await run.ends(1)
    waiting = [run.pending.wait_for(leaf) for leaf in run.program.leaves[1:3]]
    await run.pending.take_early(run.program.leaves[1])
    await run.children.finish(run.one, ChildEnd(StateType.CRASHED, "killed"))
    assert run.again == [run.program.leaves[2]]
    assert (await waiting[0]).state == "completed"


async def test_a_child_is_expected_to_be_free_when_its_leaves_are_done(run, clock):
    run.children.pace.expected_s = lambda _leaf: 5.0
    clock.now += 2.0
    assert run.lanes.soon("qa_agent") == [3.0]
    clock.now += 9.0
    assert run.lanes.soon("qa_agent") == [0.0]
    assert run.lanes.soon("other") == []


@pytest.mark.parametrize("of", ["another run", "this run", "no run"])
async def test_children_that_have_run_for_a_while_end_when_others_wait(run, line, api, clock, of):
    tags = {"another run": ["genesis", "run:r2"], "this run": ["genesis", "run:r1"], "no run": ["genesis"]}[of]
    clock.now += 4.0
    api.answers("read_flow_runs", lambda **_: [SimpleNamespace(tags=tags)])
    await run.lanes.take_turn(line)
    assert run.one.closing is (of == "another run")
    assert len(api.asked) == 1


async def test_what_waits_of_the_run_itself_is_not_asked_for(run, line, api, clock):
    waits = run.child("b", dispatched_at=clock.now, lane=True)
    run.children.add(waits)
    clock.now += 4.0
    asked = []
    api.answers("read_flow_runs", lambda **how: asked.append(how) or [])
    await run.lanes.take_turn(line)
    assert asked[0]["flow_run_filter"].id.not_any_ == [waits.id]
    assert asked[0]["flow_filter"].name.any_ == ["agent_task"]


async def test_nobody_asks_whether_others_wait_while_all_children_are_new(run, line, api):
    await run.lanes.take_turn(line)
    assert api.asked == []


@pytest.mark.parametrize("late_s", [1.0, 9.0])
async def test_a_child_without_work_ends_when_another_of_its_run_waits_for_a_worker(run, line, api, clock, late_s):
    await run.ends(0, orders=0)
    other = run.child("b", dispatched_at=clock.now, lane=True)
    run.children.add(other)
    clock.now += late_s
    api.answers("read_flow_runs", lambda **_: [])
    await run.lanes.take_turn(line)
    assert run.one.closing is (late_s == 9.0)
    assert not other.closing
