"""What becomes of leaves that end, in the loop that runs a program; the backend is a fake one."""

import asyncio
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import HANGS, FakeBackend, FakeBreaker, FakeBreakers, failed, program_of, within

from genesis.engine.driver import Driver
from genesis.errors import ServiceError
from genesis.ledger.control import Control
from genesis.model import Attempt, Outcome
from genesis.model.run import utc_now
from genesis.testing import a_task


@pytest.fixture
def drive(make):
    """Run a program to its end, and keep what was seen."""

    async def driven(program, ends=None, *, kept=None, control=None, backend=None, **more):
        session = make(program, **more)
        backend = backend or FakeBackend(ends)
        driver = Driver(session, control or Control(), backend, kept or {})
        async with within():
            ending = await driver.run()
        return ending, backend, driver, session

    return driven


def states(driver):
    return {outcome.id: outcome.state for outcome in driver.outcomes.values()}


CHAIN = (a_task("a"), a_task("b", after=("a",)), a_task("c", after=("b",)))


async def test_a_leaf_starts_once_what_it_comes_after_is_done(drive):
    ending, backend, _driver, session = await drive(program_of(*CHAIN))
    assert (ending.state, ending.error) == ("completed", None)
    assert [path for path, _ in backend.runs] == ["a", "b", "c"]
    assert session.observer.ended == [("a", "completed"), ("b", "completed"), ("c", "completed")]


@pytest.mark.parametrize(("slots", "at_once"), [(2, 8), (8, 2)])
async def test_no_more_leaves_run_than_there_are_slots_or_the_agent_takes(drive, slots, at_once):
    leaves = [a_task(f"t{number}") for number in range(6)]
    ending, backend, *_ = await drive(program_of(*leaves, at_once=at_once), slots=slots)
    assert ending.state == "completed"
    assert backend.most_at_once == 2


async def test_a_leaf_that_fails_skips_its_dependants_and_no_others(drive):
    program = program_of(*CHAIN, a_task("other"), agents=("first",))
    ending, _backend, driver, _ = await drive(program, {"b": [failed("GEN-TASK-EXIT")]})
    assert (ending.state, ending.error.code) == ("failed", "GEN-RUN-FAILED")
    assert states(driver) == {"a": "completed", "b": "failed", "c": "skipped", "other": "completed"}
    assert driver.outcomes[2].error.code == "GEN-SKIPPED"
    assert "'b'" in driver.outcomes[2].error.message


async def test_a_leaf_whose_agent_failed_is_done_by_the_next_and_its_dependants_run(drive):
    ending, backend, _driver, session = await drive(program_of(*CHAIN), {"b": [failed(), "completed"]})
    assert ending.state == "completed"
    assert backend.runs == [("a", "first"), ("b", "first"), ("b", "second"), ("c", "first")]
    assert [(path, agent, kind) for path, agent, kind, _ in session.observer.diverted] == [("b", "second", "other")]


async def test_a_leaf_that_all_its_agents_failed_has_failed(drive):
    ending, backend, driver, _ = await drive(program_of(a_task("a")), {"a": [failed()]})
    assert ending.state == "failed"
    assert backend.runs == [("a", "first"), ("a", "second")]
    assert driver.outcomes[0].agent == "second"


@pytest.mark.parametrize("code", ["GEN-TASK-EXIT", "GEN-TASK-INPUT", "GEN-DISPATCH-MAYBE-DONE"])
async def test_an_error_that_no_other_agent_would_avoid_ends_its_leaf(drive, code):
    ending, backend, *_ = await drive(program_of(a_task("a")), {"a": [failed(code)]})
    assert ending.state == "failed"
    assert backend.runs == [("a", "first")]


async def test_a_leaf_that_a_rate_limit_kept_back_runs_again_with_its_own_agent(drive):
    busy = failed("GEN-QUOTA", "too many calls", retry_after_s=0.002)
    ending, backend, _, session = await drive(program_of(*CHAIN), {"a": [busy, busy, "completed"]})
    assert ending.state == "completed"
    assert [agent for path, agent in backend.runs if path == "a"] == ["first"] * 3
    assert session.observer.diverted == [("a", "first", "later", "too many calls")] * 2


async def test_a_rate_limit_that_lasts_longer_than_the_run_fails_its_leaf(drive):
    busy = failed("GEN-QUOTA", retry_after_s=3600.0)
    ending, backend, driver, _ = await drive(program_of(a_task("a")), {"a": [busy]}, left_s=60.0)
    assert ending.state == "failed"
    assert driver.outcomes[0].error.code == "GEN-QUOTA"
    assert backend.runs == [("a", "first")]


async def test_leaves_of_an_agent_that_is_not_called_go_to_the_next(drive):
    shut = FakeBreakers(first=FakeBreaker("open", 60.0))
    ending, backend, *_ = await drive(program_of(*CHAIN), breakers=shut)
    assert ending.state == "completed"
    assert {agent for _, agent in backend.runs} == {"second"}


async def test_a_leaf_waits_for_an_agent_that_is_not_called_until_it_is_again(drive):
    shut = FakeBreakers(first=FakeBreaker("open", 60.0))
    program = program_of(a_task("a"), agents=("first",))
    running = asyncio.create_task(drive(program, breakers=shut))
    while shut.by_agent["first"].after_s > 0:
        await asyncio.sleep(0.01)
        shut.by_agent["first"] = FakeBreaker()
    ending, _backend, _, session = await running
    assert ending.state == "completed"
    assert [kind for *_, kind, _ in session.observer.diverted] == ["later"]


async def test_a_leaf_that_waited_for_its_agent_for_as_long_as_it_may_has_failed(drive):
    shut = FakeBreakers(first=FakeBreaker("open", 60.0))
    program = program_of(*CHAIN, agents=("first",))
    ending, backend, driver, _ = await drive(program, breakers=shut, wait_s=0.0)
    assert ending.state == "failed"
    assert backend.runs == []
    assert states(driver) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert driver.outcomes[0].error.code == "GEN-BREAKER-OPEN"
    assert "genesis agents reset first" in driver.outcomes[0].error.hint


async def test_an_agent_on_trial_gets_one_leaf(drive):
    trial = FakeBreakers(first=FakeBreaker("half_open"))
    backend = FakeBackend()
    leaves = [a_task(f"t{number}") for number in range(4)]
    program = program_of(*leaves, agents=("first",))

    async def close_after(leaf, run=backend.run):
        outcome = await run(leaf)
        trial.by_agent["first"] = FakeBreaker()
        return outcome

    seen = []
    backend.run = lambda leaf: seen.append(len(seen)) or close_after(leaf)
    ending, *_ = await drive(program, breakers=trial, backend=backend)
    assert ending.state == "completed"
    assert backend.runs[0] == ("t0", "first")
    assert len(backend.runs) == 4


async def test_cancelling_ends_what_runs_and_starts_nothing_more(drive):
    control, backend = Control(), FakeBackend({"a": [HANGS]})
    running = asyncio.create_task(drive(program_of(*CHAIN), control=control, backend=backend))
    while not backend.runs:
        await asyncio.sleep(0)
    control.cancel()
    ending, _, driver, _ = await running
    assert ending.state == "cancelled"
    assert backend.cancelled == "the run was cancelled"
    assert states(driver) == dict.fromkeys("abc", "cancelled")


async def test_a_leaf_that_does_not_end_when_it_is_cancelled_is_left_behind(drive):
    control, backend = Control(), FakeBackend({"a": [HANGS]})
    backend.cancel = lambda why: None
    running = asyncio.create_task(drive(program_of(*CHAIN), control=control, backend=backend))
    while not backend.runs:
        await asyncio.sleep(0)
    control.cancel()
    ending, _, driver, _ = await running
    assert ending.state == "cancelled"
    assert states(driver) == dict.fromkeys("abc", "cancelled")


async def test_at_its_deadline_a_run_cancels_what_runs_and_says_so(drive):
    program = program_of(*CHAIN, deadline_s=1.0)
    ending, backend, driver, _ = await drive(program, {"a": [HANGS]}, left_s=0.02)
    assert (ending.state, ending.error.code) == ("failed", "GEN-DEADLINE")
    assert "--deadline 2" in ending.error.hint
    assert backend.cancelled == "the deadline of 1 s has passed"
    assert states(driver) == dict.fromkeys("abc", "cancelled")


async def test_a_leaf_that_an_older_deadline_ended_is_done_again_once(drive):
    over = {"state": "cancelled", "error": failed("GEN-DEADLINE", "too late")}
    ending, backend, *_ = await drive(program_of(a_task("a")), {"a": [over, "completed"]}, left_s=60.0)
    assert ending.state == "completed"
    assert backend.runs == [("a", "first")] * 2
    ending, backend, *_ = await drive(program_of(a_task("a")), {"a": [over]}, left_s=60.0)
    assert (ending.state, ending.error.code) == ("failed", "GEN-DEADLINE")
    assert backend.runs == [("a", "first")] * 2


async def test_a_spent_budget_starts_nothing_more_and_lets_the_rest_end(drive):
    dear = {"state": "completed", "usd": Decimal(2)}
    program = program_of(*CHAIN, a_task("other"), budget={"usd": 1})
    ending, backend, driver, _ = await drive(program, {"a": [dear]})
    assert (ending.state, ending.error.code) == ("budget_exceeded", "GEN-BUDGET")
    assert "--budget 4.00" in ending.error.hint
    assert states(driver) == {"a": "completed", "b": "cancelled", "c": "cancelled", "other": "completed"}
    assert backend.cancelled == ""


async def test_what_earlier_executions_spent_counts(drive):
    spent = {0: Outcome(id="a", agent="first", state="completed", usd=Decimal(2))}
    program = program_of(*CHAIN, budget={"usd": 3})
    ending, backend, *_ = await drive(program, {"b": [{"state": "completed", "usd": Decimal(2)}]}, kept=spent)
    assert ending.state == "budget_exceeded"
    assert backend.runs == [("b", "first")]


async def test_a_resume_of_a_spent_budget_starts_nothing(drive):
    spent = {0: Outcome(id="a", agent="first", state="completed", usd=Decimal(4))}
    ending, backend, *_ = await drive(program_of(*CHAIN, budget={"usd": 3}), kept=spent)
    assert (ending.state, ending.error.code) == ("budget_exceeded", "GEN-BUDGET")
    assert "$4.00 of $3.00" in ending.error.message
    assert backend.runs == []


async def test_attempts_that_failed_in_earlier_executions_count(drive):
    tried = {0: (_attempt(usd=Decimal(2), tokens=5),)}
    program = program_of(*CHAIN, budget={"usd": 3})
    again = {"state": "completed", "usd": Decimal(2), "history": tried[0]}
    ending, backend, driver, _ = await drive(program, {"a": [again]}, tried=tried)
    assert ending.state == "budget_exceeded"
    assert "$4.00 of $3.00" in ending.error.message
    assert backend.runs == [("a", "first")]
    assert (driver.outcomes[0].spent_usd, driver.outcomes[0].spent_tokens) == (4, 5)


def _attempt(number=1, **more):
    return Attempt(number=number, agent="first", ended_at=utc_now(), code="GEN-TASK", message="it broke", **more)


async def test_what_is_done_already_is_not_done_again(drive):
    kept = {0: Outcome(id="a", agent="first", state="completed")}
    ending, backend, driver, _ = await drive(program_of(*CHAIN), kept=kept)
    assert ending.state == "completed"
    assert [path for path, _ in backend.runs] == ["b", "c"]
    assert len(driver.outcomes) == 3


async def test_a_ledger_that_cannot_be_written_ends_the_run(drive):
    ending, backend, driver, _ = await drive(program_of(*CHAIN), {"a": [ServiceError("the ledger is gone")]})
    assert (ending.state, ending.error.message) == ("failed", "the ledger is gone")
    assert [path for path, _ in backend.runs] == ["a"]
    assert states(driver)["c"] in {"cancelled", "skipped"}


async def test_nothing_starts_while_the_run_is_suspended(drive):
    control, backend = Control(), FakeBackend()
    control.suspend(True)
    running = asyncio.create_task(drive(program_of(*CHAIN), control=control, backend=backend))
    await asyncio.sleep(0.02)
    assert backend.runs == []
    control.suspend(False)
    ending, *_ = await running
    assert ending.state == "completed"
    assert backend.suspensions == [False]


async def test_a_work_order_waits_for_a_person_without_holding_the_run_open(drive):
    ending, _backend, driver, _ = await drive(program_of(*CHAIN, a_task("other")), {"a": ["briefed"]})
    assert (ending.state, ending.error) == ("briefed", None)
    assert states(driver) == {"a": "briefed", "other": "completed"}


async def test_what_a_person_delivers_is_taken_up_and_its_dependants_run(drive, make):
    program = program_of(*CHAIN)
    session = make(program)
    handed_in = Outcome(id="a", agent="first", state="completed", result=1, ended_at=datetime.now(UTC))

    class Delivering(FakeBackend):
        async def run(self, leaf):
            outcome = await super().run(leaf)
            if leaf.path == "a":
                await session.ledger.deliver(leaf, handed_in, "by-hand")
            return outcome

    ending, backend, driver, _ = await drive(program, backend=Delivering({"a": ["briefed"]}))
    assert ending.state == "completed"
    assert [path for path, _ in backend.runs] == ["a", "b", "c"]
    assert driver.outcomes[0].result == 1


async def test_a_leaf_that_failed_is_left_to_a_person_where_its_plan_says_so(drive):
    program = program_of(a_task("a", labels={"on_failure": "brief"}), a_task("b", after=("a",)), agents=("first",))
    ending, _, driver, _ = await drive(program, {"a": [failed("GEN-TASK-EXIT", "no luck")]})
    assert ending.state == "briefed"
    assert driver.outcomes[0].state == "briefed"
    assert "no luck" in driver.outcomes[0].note
