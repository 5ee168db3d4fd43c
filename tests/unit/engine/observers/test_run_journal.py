"""What is noted of a run besides its leaves' outcomes."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from genesis.engine.observers.run_journal import RunJournal
from genesis.ledger import FolderStore, Ledger, Moments
from genesis.ledger.program_state import ProgramState
from genesis.model import Amendment, ErrorInfo, Moment, Outcome, Run
from genesis.resilience import BreakerRules
from genesis.resilience.breaker import BreakerEvent
from genesis.resilience.breakers import Breakers
from genesis.testing import FakeClock, a_program, a_task, an_agent

START = datetime(2026, 1, 1, tzinfo=UTC)


def a_run(state="running", **more):
    fields = {"started_at": START, "cost_usd": 0} | more
    return Run(run_id="r-1", correlation_id="c", state=state, planner="file", **fields)


def make_done(name, **more):
    return Outcome(id=name, agent="worker", state="completed", ended_at=START, **more)


@pytest.fixture
def program():
    return a_program(a_task("a"), a_task("b"), agents=(an_agent("worker"), an_agent("other")))


@pytest.fixture
def breakers():
    return Breakers(BreakerRules(failures=1, cooling_s=60))


@pytest.fixture
def clock():
    return FakeClock(START)


@pytest.fixture
def journal(program, breakers, clock):
    return RunJournal("r-1", ProgramState(program), breakers=breakers, now=clock)


def seen(journal):
    return [(moment.kind, moment.subject) for moment in journal.collect().moments]


def fail(breaker):
    with pytest.raises(ConnectionError), breaker.guard():
        raise ConnectionError("nobody answers")


def test_a_run_has_a_start_and_an_end(journal, program, clock):
    journal.run_started(program, a_run(), {})
    clock.advance(5)
    error = ErrorInfo(code="GEN-RUN-FAILED", message="1 task failed")
    journal.run_ended(a_run("failed", ended_at=clock(), error=error))
    start, end = journal.collect().moments
    assert start == Moment(at=START, kind="started", subject="r-1")
    assert end == Moment(at=START + timedelta(seconds=5), kind="ended", subject="r-1", text="failed: 1 task failed")


def test_a_run_that_its_check_stopped_has_a_start_too(journal):
    journal.run_ended(a_run("failed", ended_at=START))
    assert [kind for kind, _ in seen(journal)] == ["started", "ended"]


def test_a_resume_goes_on_with_what_was_noted(journal, program):
    earlier = Moment(at=START - timedelta(hours=1), kind="started", subject="r-1")
    journal.resume_from(Moments(moments=(earlier,), left_out=7), a_run("failed"))
    journal.run_started(program, a_run(), {})
    assert seen(journal) == [("started", "r-1"), ("resumed", "r-1")]
    assert journal.collect().left_out == 7
    assert journal.collect().moments[1].text == ""


def test_of_an_execution_that_died_its_start_is_known_from_the_state(journal, program):
    begun = START - timedelta(hours=1)
    journal.resume_from(Moments(), a_run("running", started_at=begun))
    journal.run_started(program, a_run(), {})
    first, second = journal.collect().moments
    assert (first.kind, first.at) == ("started", begun)
    assert (second.kind, second.text) == ("resumed", "its process had ended before the run did")


def test_a_breaker_of_the_run_that_turns_is_noted_once_from_whatever_thread(journal, program, breakers):
    journal.run_started(program, a_run(), {})
    thread = threading.Thread(target=fail, args=(breakers.of("agent", "worker"),))
    thread.start()
    thread.join()
    journal.leaf_changed(make_done("a"))
    (moment,) = [each for each in journal.collect().moments if each.kind.startswith("breaker")]
    assert (moment.kind, moment.subject) == ("breaker_opened", "agent worker")
    assert moment.text.startswith("was closed: ")


def test_breakers_of_hosts_count_and_those_of_strange_agents_and_of_the_store_do_not(journal, program, breakers):
    journal.run_started(program, a_run(), {})
    fail(breakers.of("host", "api.example.com"))
    fail(breakers.of("agent", "stranger"))
    journal.record_breaker(BreakerEvent("agent worker", "closed", "closed", "its store is back", degraded=True))
    assert seen(journal)[1:] == [("breaker_opened", "host api.example.com")]


def test_a_breaker_that_was_open_before_the_run_is_seen(journal, program, breakers):
    fail(breakers.of("agent", "worker"))
    journal.run_started(program, a_run(), {})
    assert seen(journal) == [("started", "r-1"), ("breaker_opened", "agent worker")]


def test_nothing_is_heard_after_the_end(journal, program, breakers):
    journal.run_started(program, a_run(), {})
    journal.run_ended(a_run("completed"))
    fail(breakers.of("agent", "worker"))
    assert [kind for kind, _ in seen(journal)] == ["started", "ended"]


def test_the_same_detour_again_and_again_is_one(journal, program):
    leaf = program.leaves[0]
    journal.run_started(program, a_run(), {})
    for _ in range(5):
        journal.leaf_diverted(leaf, "later", "worker cannot be asked now")
    journal.leaf_diverted(leaf.model_copy(update={"agent": "other"}), "other", "other took it over")
    journal.leaf_diverted(leaf, "later", "worker cannot be asked now")
    assert seen(journal)[1:] == [("waits", "a"), ("other_agent", "a"), ("waits", "a")]


def test_a_change_of_the_plan_is_noted_with_its_reason(program, clock):
    program_state = ProgramState(program)
    journal = RunJournal("r-1", program_state, breakers=None, now=clock)
    journal.run_started(program, a_run(), {})
    group = a_task("again-1", a_task("x"), a_task("y", a_task("z"), a_task("w")))
    why = {"reason": "it broke", "outcome": make_done("a"), "at": clock()}
    amendment = Amendment(number=1, kind="replan", task="a", group=group, **why)
    program_state.amendments = (amendment,)
    journal.plan_changed(program)
    journal.plan_changed(program)
    (moment,) = journal.collect().moments[1:]
    assert (moment.kind, moment.subject, moment.text) == ("planned_again", "a", "it broke: 3 tasks in 'again-1'")


def test_a_spent_budget_has_the_time_at_which_it_was_spent(breakers, clock):
    program = a_program(a_task("a"), a_task("b"), budget={"usd": 1})
    journal = RunJournal("r-1", ProgramState(program), breakers=None, now=clock)
    journal.run_started(program, a_run(), {})
    journal.leaf_changed(make_done("a", usd=Decimal("0.9")))
    clock.advance(3)
    journal.leaf_changed(make_done("b", usd=Decimal("0.9")))
    clock.advance(60)
    error = ErrorInfo(code="GEN-BUDGET", message="the budget is spent")
    journal.run_ended(a_run("budget_exceeded", ended_at=clock(), error=error))
    _, spent, end = journal.collect().moments
    assert (spent.kind, spent.text) == ("budget_exceeded", "the budget is spent")
    assert spent.at == START + timedelta(seconds=3)
    assert end.kind == "ended"


def test_at_most_a_thousand_are_kept_the_end_among_them(journal, program):
    journal.run_started(program, a_run(), {})
    for number in range(2_000):
        journal.leaf_diverted(program.leaves[0], "later", f"reason {number}" + "x" * 5_000)
    for number in range(2_000):
        journal.record_breaker(BreakerEvent(f"host h{number}", "closed", "open", "it broke"))
    journal.run_ended(a_run("failed"))
    written = journal.collect()
    assert len(written.moments) <= 1_000
    assert len(written.moments) + written.left_out == 4_002
    assert sum(moment.kind == "breaker_opened" for moment in written.moments) == 300
    assert written.moments[-1].kind == "ended"
    assert max(len(moment.text) for moment in written.moments) == 500


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"moments": [{"at": 1}]}', b"\xff\x00"])
async def test_a_file_that_is_missing_or_damaged_is_no_error(tmp_path, content):
    ledger = Ledger(FolderStore(tmp_path), "r-1")
    if content is not None:
        ledger.folder.mkdir(parents=True)
        (ledger.folder / "moments.json").write_bytes(content)
    assert await ledger.moments() == Moments()


async def test_what_was_written_is_read_again(tmp_path, journal, program):
    ledger = Ledger(FolderStore(tmp_path), "r-1")
    journal.run_started(program, a_run(), {})
    journal.leaf_diverted(program.leaves[0], "later", "lone \ud800 surrogate")
    await ledger.write_moments(journal.collect())
    kept = await ledger.moments()
    assert [moment.kind for moment in kept.moments] == ["started", "waits"]
