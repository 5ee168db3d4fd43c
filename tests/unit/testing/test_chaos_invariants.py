"""Each invariant holds where all is well, and finds what it is there for."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from genesis.agents.contract import Result, Work
from genesis.ledger import FolderStore, Ledger
from genesis.model import Outcome, Route, Run
from genesis.resilience import BreakerEvent
from genesis.testing import Effects, ScriptedAgent, Witness, a_plan, a_program, a_task, an_agent, route_to
from genesis.testing.chaos import WitnessedEvent
from genesis.testing.chaos.invariants import (
    breakers_are_legal,
    effects_happen_once,
    ends_in_time,
    finished_is_not_repeated,
    ledger_agrees,
    limits_hold,
    no_leaf_is_lost,
    one_probe_at_a_time,
    order_is_kept,
    plan_is_valid,
)

PROGRAM = a_program(a_task("a"), a_task("b", after=("a",)), agents=(an_agent("worker", max_concurrency=2),))


def began(path="a", call=1, agent="worker", upstream=()):
    return WitnessedEvent("began", 0.0, path, agent, call=call, upstream=upstream)


def make_outcome(path="a", call=1, agent="worker"):
    return WitnessedEvent("ended", 0.0, path, agent, call=call)


def leaf(path, state="completed"):
    return WitnessedEvent("leaf", 0.0, path, "worker", state)


def breaker(before, after, agent="worker"):
    return WitnessedEvent("breaker", 0.0, agent=agent, before=before, state=after)


def a_run(*states, **more):
    tasks = tuple(Outcome(id=path, agent="worker", state=state) for path, state in states)
    fields = {"run_id": "r", "correlation_id": "c", "state": "completed", "planner": "file", "cost_usd": Decimal(0)}
    return Run(**{**fields, "tasks": tasks, **more})


DONE = (("a", "completed"), ("b", "completed"))


def test_order():
    assert order_is_kept([began(), make_outcome(), leaf("a"), began("b", upstream=("a",))], PROGRAM) == []
    assert order_is_kept([began(), began("b")], PROGRAM) == ["'b' began before 'a' was done"]
    assert order_is_kept([began(), leaf("a", "failed"), began("b")], PROGRAM) != []


def test_order_in_a_plan_with_rules_is_that_of_ends():
    program = a_program(a_task("a"), a_task("b", after=("a",), run_if="all_done"))
    assert order_is_kept([began(), leaf("a", "failed"), began("b")], program) == []
    assert order_is_kept([began(), began("b")], program) != []


def test_order_of_a_leaf_that_was_added_later():
    assert order_is_kept([began("new")], PROGRAM) == []
    assert order_is_kept([began("new", upstream=("a",))], PROGRAM) == ["'new' began before 'a' was done"]


def test_lost_leaves():
    assert no_leaf_is_lost(a_run(*DONE, ("added", "failed")), PROGRAM) == []
    assert no_leaf_is_lost(a_run(("a", "completed")), PROGRAM) == ["'b' is not in the run"]
    assert no_leaf_is_lost(a_run(("a", "completed"), ("b", "running")), PROGRAM) == ["'b' is running"]
    assert no_leaf_is_lost(a_run(*DONE, ("a", "completed")), PROGRAM) == ["'a' is in the run 2 times"]


async def test_a_run_and_its_ledger(tmp_path):
    ledger = Ledger(FolderStore(tmp_path), "r")
    run = a_run(("a", "completed"), ("b", "failed"))
    assert await ledger_agrees(run, ledger, PROGRAM) == ["'a' is completed, and the ledger has nothing"]
    await ledger.record(PROGRAM.leaves[0], run.tasks[0])
    assert await ledger_agrees(run, ledger, PROGRAM) == []
    await ledger.record(PROGRAM.leaves[0], run.tasks[0].model_copy(update={"result": 1}))
    assert await ledger_agrees(run, ledger, PROGRAM) != []
    await ledger.record(PROGRAM.leaves[0], run.tasks[0])
    await ledger.record(PROGRAM.leaves[1], Outcome(id="b", agent="worker", state="completed"))
    assert await ledger_agrees(run, ledger, PROGRAM) == ["'b' is completed in the ledger alone"]
    assert await ledger_agrees(run, ledger, PROGRAM, lost_answers=True) == []


def test_effects():
    program = a_program(
        a_task("once", side_effects=True), a_task("again", side_effects=True, retries=1), a_task("none")
    )
    assert effects_happen_once({"once": 1, "again": 2, "none": 3}, program) == []
    assert effects_happen_once({"once": 2}, program) == ["'once' happened 2 times"]


def test_what_is_done_is_not_called_again():
    assert finished_is_not_repeated({"a"}, [leaf("a"), began("b")]) == []
    assert finished_is_not_repeated({"a"}, [began("a"), began("a")]) == ["'a' was done, and was called again"]


def test_limits():
    three = [began("a", 1), began("b", 2), began("c", 3)]
    assert limits_hold([*three[:2], make_outcome("a", 1), three[2]], PROGRAM, 2) == []
    assert limits_hold(three, PROGRAM, 2) == [
        "3 calls at once in 2 slots",
        "3 calls of 'worker' at once, which takes 2",
    ]


def test_breakers():
    legal = [breaker("closed", "open"), breaker("open", "half_open"), breaker("half_open", "closed")]
    assert breakers_are_legal(legal) == []
    assert breakers_are_legal([breaker("closed", "half_open")]) != []
    assert breakers_are_legal(legal[1:]) != []
    assert breakers_are_legal(legal[1:], shared=True) == []
    assert breakers_are_legal([*legal[:1], breaker("closed", "open", "another")]) == []


def test_probes():
    half = [breaker("closed", "open"), breaker("open", "half_open")]
    assert one_probe_at_a_time([began(call=1), *half, began(call=2), make_outcome(call=2), began(call=3)]) == []
    assert one_probe_at_a_time([*half, began(call=2), began(call=3)]) == ["2 probes of 'worker' at once"]
    assert one_probe_at_a_time([*half[:1], began()]) == ["'worker' was called while its breaker was open"]
    assert one_probe_at_a_time([began(call=1), began(call=2)]) == []


def test_ends():
    assert ends_in_time(a_run(*DONE, duration_s=12.0), 5.0) == []
    assert ends_in_time(a_run(*DONE, duration_s=16.0), 5.0) == ["the run took 16.0 s, and had 5 s"]
    assert ends_in_time(a_run(*DONE, duration_s=1e9)) == []
    assert ends_in_time(a_run(state="running")) == ["the run is running"]


def test_plans():
    routed, registry = route_to(a_plan(a_task("a"), a_task("b", after=("a",))))
    assert plan_is_valid(routed, registry) == []
    lost = routed.model_copy(update={"routes": {**routed.routes, "b": Route(agent="nobody", score=1.0, reason="")}})
    assert any("nobody" in each for each in plan_is_valid(lost, registry))


async def test_a_witness_sees_calls_leaves_and_breakers_in_order():
    witness = Witness()
    executor = witness.around(ScriptedAgent({"a": [ValueError("no"), {"n": 1}]}))
    works = [Work("r", "c", "", "a", "g", "", {}, (), an_agent(), attempt=n, upstream={"u": 1}) for n in (1, 2)]
    with pytest.raises(ValueError, match="no"):
        await executor.execute(works[0])
    witness.record_change(BreakerEvent("agent worker", "closed", "open", "because"))
    witness.record_change(BreakerEvent("agent worker", "open", "open", "its store is back", degraded=True))
    assert await executor.execute(works[1]) == Result({"n": 1})
    done = Outcome(id="a", agent="worker", state="completed", ended_at=datetime.now(UTC))
    witness.run_started(PROGRAM, a_run(), {0: done})
    witness.run_ended(a_run())
    assert [each.what for each in witness.seen] == ["began", "ended", "breaker", "began", "ended", "leaf"]
    assert [each.call for each in witness.calls("worker")] == [1, 2]
    assert [each.call for each in witness.calls(after=witness.seen[2].at)] == [2]
    assert witness.calls("other") == []
    assert witness.seen[0].upstream == ("u",)
    assert witness.run == a_run()


def test_effects_are_counted_by_run_and_leaf(tmp_path):
    effects = Effects(tmp_path / "effects")
    assert effects.of("r") == {}
    for run, path in (("r", "a"), ("r", "a"), ("r", "b/c"), ("s", "a")):
        effects.leave(run, path)
    assert effects.of("r") == {"a": 2, "b/c": 1}
