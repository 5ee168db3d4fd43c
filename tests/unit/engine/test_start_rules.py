"""Leaves that run, or not, by `run_if`, `when` and `allow_failure`, in the loop that runs a program."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import HANGS, FakeBackend, failed, program_of, within

from genesis.engine.driver import Driver
from genesis.errors import ServiceError
from genesis.ledger import find_kept
from genesis.ledger.control import Control
from genesis.model import Budget, Outcome
from genesis.testing import a_task


@pytest.fixture
def drive(make):
    async def driven(program, ends=None, *, kept=None, control=None, backend=None, **more):
        session = make(program, **more)
        backend = backend or FakeBackend(ends)
        driver = Driver(session, control or Control(), backend, kept or {})
        async with within():
            ending = await driver.run()
        return ending, [path for path, _ in backend.runs], driver, session

    return driven


def states(driver):
    return {outcome.id: outcome.state for outcome in driver.outcomes.values()}


GIVES = {"state": "completed", "result": {"n": 3, "word": "yes"}}


async def test_a_leaf_whose_condition_is_false_is_skipped_and_the_run_completes(drive):
    tasks = (
        a_task("a", outputs=("n",)),
        a_task("few", after=("a",), when="{a.n} < 3"),
        a_task("many", after=("a",), when="{a.n} >= 3 and {word} == 'go'"),
        a_task("later", after=("few",)),
        a_task("anyway", after=("few", "later"), run_if="all_done"),
    )
    ending, runs, driver, session = await drive(program_of(*tasks, vars={"word": "go"}), {"a": [GIVES]})
    assert (ending.state, ending.error) == ("completed", None)
    assert sorted(runs) == ["a", "anyway", "many"]
    few, later = driver.outcomes[1], driver.outcomes[3]
    assert (few.state, few.skipped_by, few.error) == ("skipped", "when: {a.n} < 3", None)
    assert later.skipped_by == "run_if: all_succeeded"
    recorded = await session.ledger.read_outcomes(session.program.leaves)
    assert recorded[1].skipped_by == few.skipped_by
    assert session.observer.ended.index(("few", "skipped")) > session.observer.ended.index(("a", "completed"))


async def test_a_condition_without_a_value_fails_its_leaf_with_a_hint(drive):
    tasks = (a_task("a", outputs=("word",)), a_task("b", after=("a",), when="{a.word} > 3"))
    ending, runs, driver, session = await drive(program_of(*tasks), {"a": [GIVES]})
    assert (ending.state, runs) == ("failed", ["a"])
    error = driver.outcomes[1].error
    assert error.code == "GEN-TASK-CONDITION"
    assert error.message.startswith("the `when` of 'b': a text and a number")
    assert "default" in error.hint
    assert (await session.ledger.outcome(session.program.leaves[1])).state == "failed"


async def test_a_composite_whose_condition_has_no_value_does_not_run_and_the_run_fails(drive):
    tasks = (
        a_task("a", outputs=("word",)),
        a_task("c", a_task("x"), a_task("y"), after=("a",), when="{a.word} > 3", allow_failure=True),
    )
    ending, runs, driver, _ = await drive(program_of(*tasks), {"a": [GIVES]})
    assert (ending.state, runs) == ("failed", ["a"])
    assert "a text and a number" in driver.outcomes[1].error.message


async def test_a_composite_runs_by_its_own_rule_as_a_whole(drive):
    tasks = (
        a_task("a"),
        a_task("repair", a_task("x"), a_task("y", after=("x",)), after=("a",), run_if="any_failed"),
        a_task("last", after=("repair",), run_if="all_done"),
    )
    ending, runs, driver, _ = await drive(program_of(*tasks))
    assert (ending.state, runs) == ("completed", ["a", "last"])
    assert driver.outcomes[2].skipped_by == "run_if of 'repair': any_failed"
    ending, runs, _, _ = await drive(program_of(*tasks, agents=("first",)), {"a": [failed()]})
    assert (ending.state, runs) == ("failed", ["a", "repair/x", "repair/y", "last"])
    assert ending.error.code == "GEN-RUN-FAILED"


async def test_an_allowed_failure_fails_neither_the_run_nor_what_comes_after(drive):
    tasks = (a_task("a", allow_failure=True), a_task("b", after=("a",)), a_task("c", after=("a",), run_if="any_failed"))
    ending, runs, driver, _ = await drive(program_of(*tasks, agents=("first",)), {"a": [failed()]}, replans=3)
    assert (ending.state, ending.error) == ("completed", None)
    assert runs == ["a", "b"]
    assert (driver.outcomes[0].state, driver.outcomes[0].failure_allowed) == ("failed", True)
    assert driver.outcomes[2].skipped_by == "run_if: any_failed"


async def test_a_composite_that_may_fail_stops_inside_and_lets_others_run(drive):
    tasks = (
        a_task("c", a_task("x"), a_task("y", after=("x",)), allow_failure=True),
        a_task("d", after=("c",)),
    )
    ending, runs, driver, session = await drive(program_of(*tasks, agents=("first",)), {"c/x": [failed()]})
    assert (ending.state, runs) == ("completed", ["c/x", "d"])
    y = driver.outcomes[1]
    assert (y.state, y.failure_allowed, y.error.code) == ("skipped", True, "GEN-SKIPPED")
    assert (await session.ledger.outcome(session.program.leaves[1])).failure_allowed


async def test_a_leaf_that_may_fail_but_could_not_run_is_no_allowed_failure(drive):
    tasks = (a_task("a"), a_task("b", after=("a",), allow_failure=True), a_task("c", after=("b",)))
    ending, runs, driver, _ = await drive(program_of(*tasks, agents=("first",)), {"a": [failed()]})
    assert (ending.state, runs) == ("failed", ["a"])
    assert states(driver) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert not driver.outcomes[1].is_settled


CLEANS = (a_task("a"), a_task("b", after=("a",)), a_task("clean", after=("b",), run_if="always"))


async def test_what_always_runs_does_so_after_a_failure(drive):
    ending, runs, *_ = await drive(program_of(*CLEANS, agents=("first",)), {"a": [failed()]})
    assert (ending.state, runs) == ("failed", ["a", "clean"])


async def test_what_always_runs_does_so_after_a_cancellation_once_what_ran_has_ended(drive):
    control, backend = Control(), FakeBackend({"a": [HANGS]})
    running = asyncio.create_task(drive(program_of(*CLEANS), control=control, backend=backend))
    while not backend.running:
        await asyncio.sleep(0)
    control.cancel()
    ending, runs, driver, _ = await running
    assert (ending.state, runs) == ("cancelled", ["a", "clean"])
    assert states(driver) == {"a": "cancelled", "b": "cancelled", "clean": "completed"}


async def test_what_always_runs_does_so_after_the_deadline(drive):
    ending, runs, *_ = await drive(program_of(*CLEANS, deadline_s=0.05), {"a": [HANGS]}, left_s=0.05)
    assert (ending.state, ending.error.code, runs) == ("failed", "GEN-DEADLINE", ["a", "clean"])


async def test_what_always_runs_does_so_after_the_budget_is_spent(drive):
    program = program_of(*CLEANS, budget=Budget(tokens=1))
    ending, runs, *_ = await drive(program, {"a": [{"state": "completed", "tokens": 5}]})
    assert (ending.state, runs) == ("budget_exceeded", ["a", "clean"])


async def test_what_always_runs_in_a_composite_runs_only_once_that_has_begun(drive):
    tasks = (
        a_task("a"),
        a_task("c", a_task("x"), a_task("clean", after=("x",), run_if="always"), after=("a",)),
    )
    for ends, expected in (({"a": [HANGS]}, ["a"]), ({"c/x": [HANGS]}, ["a", "c/x", "c/clean"])):
        control, backend = Control(), FakeBackend(ends)
        running = asyncio.create_task(drive(program_of(*tasks), control=control, backend=backend))
        while not backend.runs or backend.runs[-1][0] not in ends:
            await asyncio.sleep(0)
        control.cancel()
        ending, runs, *_ = await running
        assert (ending.state, runs) == ("cancelled", expected)


async def test_a_composite_that_always_runs_is_done_whole_after_a_cancellation(drive):
    tasks = (a_task("a"), a_task("end", a_task("x"), a_task("y", after=("x",)), after=("a",), run_if="always"))
    control, backend = Control(), FakeBackend({"a": [HANGS]})
    running = asyncio.create_task(drive(program_of(*tasks), control=control, backend=backend))
    while not backend.running:
        await asyncio.sleep(0)
    control.cancel()
    assert (await running)[1] == ["a", "end/x", "end/y"]


async def test_a_rehearsal_runs_what_depends_on_results_and_not_what_its_variables_exclude(drive):
    tasks = (
        a_task("a", outputs=("n",)),
        a_task("b", after=("a",), when="{a.n} > 3"),
        a_task("c", after=("a",), when="{target} == 'production'"),
    )
    ending, runs, *_ = await drive(program_of(*tasks, vars={"target": "test"}), rehearse=0.0)
    assert (ending.state, runs) == ("completed", ["a", "b"])


async def test_a_ledger_that_does_not_take_a_skipped_leaf_ends_the_run(drive, make, monkeypatch):
    from genesis.ledger import Ledger

    async def refuse(self, leaf, outcome):
        raise ServiceError("the ledger is gone")

    monkeypatch.setattr(Ledger, "record", refuse)
    tasks = (a_task("a"), a_task("b", after=("a",), when="1 == 2"), a_task("c", after=("a",)))
    ending, *_ = await drive(program_of(*tasks))
    assert (ending.state, ending.error.message) == ("failed", "the ledger is gone")


async def test_a_resume_at_every_record_ends_as_the_run_that_was_not_killed(drive):
    tasks = (
        a_task("a", allow_failure=True),
        a_task("b", outputs=("n",)),
        a_task("c", after=("b",), when="{b.n} > 5"),
        a_task("d", after=("c", "a"), run_if="all_done"),
        a_task("e", after=("c",)),
        a_task("end", after=("d", "e"), run_if="always"),
    )
    program = program_of(*tasks, agents=("first",))
    ends = {"a": [failed()], "b": [GIVES]}
    whole, _, driver, session = await drive(program, ends)
    assert whole.state == "completed"
    wanted = {index: (each.state, each.skipped_by) for index, each in driver.outcomes.items()}
    order = [path for path, _ in session.observer.ended]
    for done in range(len(order) + 1):
        known = {leaf.index: driver.outcomes[leaf.index] for leaf in program.leaves if leaf.path in order[:done]}
        kept = find_kept(program.leaves, known)
        assert kept == known
        ending, again, second, _ = await drive(program, ends, kept=dict(kept))
        assert ending.state == "completed"
        assert {index: (each.state, each.skipped_by) for index, each in second.outcomes.items()} == wanted
        assert not {program.leaves[index].path for index in known} & set(again)


async def test_what_cleaned_up_after_a_failure_does_so_again_when_that_is_done_again(drive):
    program = program_of(*CLEANS, agents=("first",))
    _, _, driver, _ = await drive(program, {"a": [failed()]})
    kept = find_kept(program.leaves, driver.outcomes)
    assert kept == {}
    ending, runs, *_ = await drive(program, kept=kept)
    assert (ending.state, runs) == ("completed", ["a", "b", "clean"])


async def test_a_leaf_that_is_replaced_by_subtasks_keeps_its_rules(drive):
    from genesis.testing import an_agent

    asks = {"state": "completed", "result": {"subtasks": [{"id": "more", "description": "do the rest"}]}}
    tasks = (
        a_task("a", allow_failure=True),
        a_task("b", after=("a",), run_if="all_done", when="{a.result} == null"),
        a_task("c", after=("b",)),
    )
    agent = an_agent("first", task_types=["generic"], executor={"kind": "rehearsal", "scale": 0}, expands=True)
    ending, runs, *_ = await drive(program_of(*tasks, agents=(agent,)), {"a": [failed()], "b": [asks]})
    assert ending.state == "completed"
    assert runs == ["a", "b", "more-1/more", "c"]


async def test_a_leaf_that_ran_before_a_kill_and_asks_for_subtasks_does_not_run_again(drive):
    from genesis.testing import an_agent

    asks = {"state": "completed", "result": {"subtasks": [{"id": "more", "description": "do the rest"}]}}
    agent = an_agent("expands", task_types=["generic"], executor={"kind": "rehearsal", "scale": 0}, expands=True)
    tasks = (a_task("a"), a_task("b", after=("a",), when="1 == 1", agent="expands"), a_task("c", after=("b",)))
    kept = {
        0: Outcome(id="a", agent="first", state="completed"),
        1: Outcome(id="b", agent="expands", state=asks["state"], result=asks["result"]),
    }
    ending, runs, *_ = await drive(program_of(*tasks, agents=("first", agent)), kept=kept)
    assert (ending.state, runs) == ("completed", ["more-1/more", "c"])


def test_an_outcome_of_an_old_ledger_reads_as_before():
    old = {"id": "a", "agent": "x", "state": "completed"}
    outcome = Outcome.model_validate(old)
    assert (outcome.is_settled, outcome.skipped_by) == (True, "")
    assert {"skipped_by", "failure_allowed"}.isdisjoint(outcome.model_dump(mode="json"))
