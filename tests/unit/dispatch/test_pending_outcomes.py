import asyncio
from datetime import UTC, datetime

import pytest

from genesis.errors import ResourceError, RunError
from genesis.model import Attempt, ErrorInfo, Outcome


def outcome(leaf, state="completed", **more):
    return Outcome(id=leaf.path, agent=leaf.agent, state=state, **more)


async def test_what_is_delivered_is_in_the_ledger_and_the_observer_saw_it_run(make):
    run = make()
    leaf = run.program.leaves[0]
    waiting = run.pending.wait_for(leaf)
    await run.pending.deliver(leaf, outcome(leaf, result=7))
    assert (await waiting).result == 7
    assert (await run.session.ledger.outcome(leaf)).result == 7
    assert run.session.observer.seen == [("a", "running")]


async def test_what_comes_before_it_is_asked_for_waits_and_is_not_adopted(make):
    run = make()
    leaf = run.program.leaves[0]
    await run.pending.deliver(leaf, outcome(leaf))
    assert run.pending.has(leaf.index)
    assert await run.session.ledger.outcome(leaf) is None
    waiting = run.pending.wait_for(leaf)
    await run.pending.take_early(leaf)
    assert (await waiting).state == "completed"
    assert not run.pending.has(leaf.index)


async def test_a_second_outcome_changes_nothing(make):
    run = make()
    leaf = run.program.leaves[0]
    waiting = run.pending.wait_for(leaf)
    await run.pending.deliver(leaf, outcome(leaf))
    await run.pending.conclude(leaf, "cancelled")
    assert (await waiting).state == "completed"
    assert (await run.session.ledger.outcome(leaf)).state == "completed"


async def test_a_leaf_is_waited_for_once_at_a_time(make):
    run = make()
    leaf = run.program.leaves[0]
    run.pending.wait_for(leaf)
    assert run.pending.leaves == [leaf]
    with pytest.raises(RunError, match="'a'"):
        run.pending.wait_for(leaf)
    run.pending.leave(leaf)
    assert not run.pending.waits(leaf)


async def test_a_ledger_that_cannot_be_written_is_told_to_who_waits(make, monkeypatch):
    run = make()
    leaf = run.program.leaves[0]

    async def full(*_):
        raise ResourceError("no space")

    monkeypatch.setattr(run.session.ledger, "adopt", full)
    waiting = run.pending.wait_for(leaf)
    await run.pending.deliver(leaf, outcome(leaf))
    with pytest.raises(ResourceError):
        await waiting


async def test_an_adoption_that_ends_too_late_is_left(make, monkeypatch):
    run = make()
    leaf = run.program.leaves[0]
    waiting = run.pending.wait_for(leaf)

    async def slow(_leaf, given):
        waiting.cancel()
        await asyncio.sleep(0)
        return given

    monkeypatch.setattr(run.session.ledger, "adopt", slow)
    await run.pending.deliver(leaf, outcome(leaf))
    assert waiting.cancelled()

    async def failing(_leaf, _given):
        again.cancel()
        raise ResourceError("no space")

    run.pending.leave(leaf)
    again = run.pending.wait_for(leaf)
    monkeypatch.setattr(run.session.ledger, "adopt", failing)
    await run.pending.deliver(leaf, outcome(leaf))
    assert again.cancelled()


def make_attempt(number, agent="qa_agent"):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Attempt(number=number, agent=agent, ended_at=now, code="GEN-TASK", message="it broke")


async def test_what_several_children_tried_is_put_together(make):
    run = make()
    leaf = run.program.leaves[0]
    waiting = run.pending.wait_for(leaf)
    await run.pending.deliver(leaf, outcome(leaf, "failed", attempts=1, history=(make_attempt(1),)))
    assert (await waiting).history == (make_attempt(1),)
    run.pending.leave(leaf)
    run.pending.note(leaf, 2, ErrorInfo(code="GEN-DISPATCH-CRASHED", message="killed"))
    waiting = run.pending.wait_for(leaf)
    await run.pending.deliver(leaf, outcome(leaf, attempts=3, history=(make_attempt(1), make_attempt(3, "other"))))
    done = await waiting
    assert [(each.number, each.agent) for each in done.history] == [(1, "qa_agent"), (2, "qa_agent"), (3, "other")]
    assert (await run.session.ledger.outcome(leaf)).history == done.history


async def test_an_end_without_a_record_counts_the_attempts_that_were_noted(make):
    run = make()
    leaf = run.program.leaves[0]
    waiting = run.pending.wait_for(leaf)
    run.pending.note(leaf, 2, ErrorInfo(code="GEN-DISPATCH-CRASHED", message="x" * 5000))
    await run.pending.conclude(leaf, "failed", ErrorInfo(code="GEN-DISPATCH-CRASHED", message="killed"))
    done = await waiting
    assert (done.attempts, len(done.history), len(done.history[0].message)) == (2, 1, 300)
