"""Tasks that wait, in the loop that runs a program: without a slot, with a limit, and over a restart."""

import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.exceptions import ObjectNotFound

sys.path.insert(0, str(Path(__file__).parent))

from fake_run import FakeBackend, program_of, within

from genesis.engine.driver import Driver
from genesis.engine.waits import Waits
from genesis.ledger import Ledger
from genesis.ledger.control import Control
from genesis.model import Run
from genesis.prefect_api.client import ApiUnavailable
from genesis.testing import a_task

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


class Clock:
    """A wall clock that a test sets."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def pass_s(self, seconds):
        self.now += timedelta(seconds=seconds)


class Api:
    """Answers questions about events and flow runs as a test says."""

    def __init__(self):
        self.events, self.flow_runs, self.asked, self.away, self.refuses = [], {}, [], False, None

    async def call(self, question):
        if self.away:
            raise ApiUnavailable(OSError("no route"), fault=False)
        if self.refuses is not None:
            raise self.refuses
        return await question(self)

    async def read_events(self, asked, limit):
        self.asked.append(asked)
        return SimpleNamespace(events=[event for event in self.events if asked.includes(event)][:limit])

    async def read_flow_run(self, identity):
        if identity not in self.flow_runs:
            raise ObjectNotFound(KeyError(identity))
        return self.flow_runs[identity]


@pytest.fixture
def api(monkeypatch):
    found = Api()

    @asynccontextmanager
    async def connect(report, *, give_up_s):
        yield found

    monkeypatch.setattr("genesis.engine.waits.connect", connect)
    monkeypatch.setattr("genesis.engine.waits.WAIT_POLL_S", 0.001)
    return found


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def drive(make, clock):
    async def driven(program, *, kept=None, backend=None, control=None, **more):
        session = make(program, now=clock, **more)
        backend = backend or FakeBackend()
        driver = Driver(session, control or Control(), backend, kept or {})
        async with within():
            ending = await driver.run()
        by_id = {outcome.id: outcome for outcome in driver.outcomes.values()}
        return SimpleNamespace(ending=ending, backend=backend, outcomes=by_id, session=session)

    return driven


def waits(name="wait", **more):
    limit = {} if "time" in more["wait_for"] else {"timeout_s": 60.0}
    return a_task(name, **{**limit, **more})


def event(name="order.paid", *, at=NOW, **resource):
    from prefect.events import Event

    labels = {"prefect.resource.id": "orders.1", **resource}
    return Event(event=name, occurred=at, resource=labels, payload={"amount": 3}, id=uuid4())


async def test_a_moment_in_the_past_is_over_at_once_and_gives_it(drive):
    program = program_of(waits(wait_for={"time": "2026-12-01T06:00:00+01:00"}), a_task("end", after=("wait",)))
    done = await drive(program)
    assert done.ending.state == "completed"
    assert done.outcomes["wait"].result == {"time": "2026-12-01T05:00:00+00:00"}
    assert done.backend.runs == [("end", "first")]


async def test_seconds_count_from_when_all_before_has_ended(make, clock):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        clock.pass_s(seconds)

    program = program_of(waits(wait_for={"time": 150}))
    outcome = await Waits(make(program, now=clock), sleep=sleep).wait(program.leaves[0], {})
    assert slept == [60.0, 60.0, 30.0]
    assert (outcome.state, outcome.started_at) == ("completed", NOW)


async def test_a_task_that_waits_holds_no_slot(drive, api):
    """With one slot, what the event depends on runs while the task waits for it."""

    class Emits(FakeBackend):
        async def run(self, leaf):
            api.events.append(event())
            return await super().run(leaf)

    tasks = waits("first", wait_for={"event": "order.paid"}), a_task("pay"), a_task("end", after=("first",))
    done = await drive(program_of(*tasks), backend=Emits(), slots=1)
    assert done.ending.state == "completed"
    assert [path for path, _ in done.backend.runs] == ["pay", "end"]
    assert done.outcomes["first"].result["payload"] == {"amount": 3}


async def test_an_event_matches_by_name_and_labels_and_gives_its_payload(drive, api):
    api.events = [event("other"), event(shop="b"), event(shop="a"), event(shop="a", at=NOW - timedelta(hours=1))]
    labels = {"prefect.resource.id": "orders.{number}", "shop": "a"}
    wait = waits(wait_for={"event": "order.{verb}", "resource": labels}, outputs=["payload"])
    done = await drive(program_of(wait, vars={"number": "1", "verb": "paid"}))
    assert done.outcomes["wait"].result["resource"]["shop"] == "a"
    assert done.outcomes["wait"].result["id"] == str(api.events[2].id)


async def test_references_in_a_wait_are_results_and_make_an_order(drive, api):
    run = uuid4()
    api.flow_runs[run] = flow_run("COMPLETED")
    tasks = a_task("start", outputs=["flow_run_id"]), waits(wait_for={"run": "{start.flow_run_id}"})
    program = program_of(*tasks)
    assert program.leaves[1].after == (0,)
    backend = FakeBackend({"start": [{"state": "completed", "result": {"flow_run_id": str(run)}}]})
    done = await drive(program, backend=backend)
    assert done.outcomes["wait"].result == {"id": str(run), "state": "completed"}


def flow_run(kind):
    from prefect.states import State

    return SimpleNamespace(state=State(type=kind))


async def test_a_run_that_ends_otherwise_fails_the_wait_unless_any_end_counts(drive, api):
    run = uuid4()
    api.flow_runs[run] = flow_run("FAILED")
    done = await drive(program_of(waits(wait_for={"run": str(run)})))
    error = done.outcomes["wait"].error
    assert (error.code, done.ending.state) == ("GEN-WAIT-RUN", "failed")
    assert "has ended failed" in error.message
    done = await drive(program_of(waits("other", wait_for={"run": str(run), "ends": "any"})))
    assert done.outcomes["other"].result == {"id": str(run), "state": "failed"}


async def test_a_run_of_genesis_is_waited_for_by_its_ledger_also_while_people_have_its_work_orders(drive, make, api):
    session = make(program_of(a_task("x")))
    other = Ledger(session.ledger.store, "other-run")
    await session.ledger.store.write("genesis/other-run/run.json", b"{}")
    state = {"run_id": "other-run", "correlation_id": "c", "planner": "file", "cost_usd": 0}
    await other.save(Run(state="briefed", **state))

    class Ends(FakeBackend):
        async def run(self, leaf):
            await other.save(Run(state="completed", **state))
            return await super().run(leaf)

    done = await drive(program_of(waits(wait_for={"run": "other-run"}), a_task("x")), backend=Ends())
    assert done.outcomes["wait"].result == {"id": "other-run", "state": "completed"}


@pytest.mark.parametrize("run", ["r1", "unknown", "6f1c9c1e-6f64-4b8e-9a39-0d6a1c1f3a77", "no/run"])
async def test_a_run_that_cannot_be_waited_for_is_an_error_at_once(drive, api, run):
    done = await drive(program_of(waits(wait_for={"run": run})))
    assert done.outcomes["wait"].error.code == "GEN-WAIT-RUN"


async def test_a_wait_that_is_too_long_has_failed_and_is_begun_anew_by_a_resume(drive, api, clock):
    program = program_of(waits(wait_for={"event": "order.paid"}))
    sleep = api.read_events

    async def later(asked, limit):
        clock.pass_s(25)
        return await sleep(asked, limit)

    api.read_events = later
    done = await drive(program)
    error = done.outcomes["wait"].error
    assert (error.code, len(api.asked)) == ("GEN-WAIT-TIMEOUT", 3)
    assert error.message == "task 'wait' has waited 60 s for event 'order.paid'"
    failed = clock.now
    clock.pass_s(3600)
    api.events = [event(at=failed + timedelta(seconds=1))]
    done = await drive(program)
    assert done.outcomes["wait"].error.code == "GEN-WAIT-TIMEOUT"
    assert api.asked[-1].occurred.since == failed + timedelta(hours=1)


async def test_a_killed_run_finds_an_event_that_came_while_nobody_ran_it(drive, make, api, clock):
    program = program_of(waits(wait_for={"event": "order.paid"}))
    await make(program, now=clock).ledger.begin_wait(program.leaves[0], clock.now)
    api.events = [event(at=NOW + timedelta(seconds=5))]
    clock.pass_s(7200)
    done = await drive(program)
    assert done.outcomes["wait"].state == "completed"
    assert done.outcomes["wait"].started_at == NOW


async def test_an_api_that_is_away_is_asked_again_and_named_when_time_is_over(drive, api, clock):
    api.away = True
    program = program_of(waits(wait_for={"event": "order.paid"}))
    ask = api.call

    async def later(question):
        clock.pass_s(40)
        return await ask(question)

    api.call = later
    done = await drive(program)
    assert "the Prefect API does not answer: OSError('no route')" in done.outcomes["wait"].error.message


async def test_an_api_that_refuses_the_question_fails_the_wait(drive, api):
    request = httpx.Request("POST", "http://api/events/filter")
    api.refuses = httpx.HTTPStatusError("no", request=request, response=httpx.Response(403, request=request))
    done = await drive(program_of(waits(wait_for={"event": "order.paid"})))
    assert done.outcomes["wait"].error.code == "GEN-WAIT-API"


async def test_a_time_from_a_result_that_is_none_is_an_error(drive):
    backend = FakeBackend({"ask": [{"state": "completed", "result": {"at": "tomorrow"}}]})
    done = await drive(program_of(a_task("ask", outputs=["at"]), waits(wait_for={"time": "{ask.at}"})), backend=backend)
    error = done.outcomes["wait"].error
    assert error.code == "GEN-WAIT-TIME"
    assert "'tomorrow' is not a number of seconds, or a time with its zone" in error.message


async def test_a_moment_behind_the_limit_is_an_error_at_once(drive):
    done = await drive(program_of(waits(wait_for={"time": "2027-01-01T00:00Z"}, timeout_s=60.0)))
    assert done.outcomes["wait"].error.code == "GEN-WAIT-TIMEOUT"
    done = await drive(program_of(waits("other", wait_for={"time": "2099-01-01T00:00Z"})))
    assert done.outcomes["other"].error.code == "GEN-WAIT-TIMEOUT"


async def test_a_result_is_checked_against_the_schema_that_is_promised(drive, api):
    api.events = [event()]
    schema = {"payload": {"type": "object", "required": ["total"]}}
    done = await drive(program_of(waits(wait_for={"event": "order.paid"}, outputs=schema)))
    assert done.outcomes["wait"].error.code == "GEN-TASK-OUTPUT-SCHEMA"


async def test_a_rehearsal_does_not_wait_and_asks_nobody(drive, api):
    tasks = waits(wait_for={"event": "x"}, outputs=["payload"]), waits("long", wait_for={"time": 86_400})
    done = await drive(program_of(*tasks), rehearse=1.0)
    assert done.ending.state == "completed"
    assert (done.outcomes["wait"].result, api.asked) == ({"payload": "(rehearsed payload of wait)"}, [])


async def test_a_run_that_is_stopped_ends_its_waits(drive, api):
    control = Control()

    class Stops(FakeBackend):
        async def run(self, leaf):
            control.cancel()
            return await super().run(leaf)

    tasks = waits(wait_for={"event": "never"}), a_task("x")
    done = await drive(program_of(*tasks), backend=Stops(), control=control)
    assert done.ending.state == "cancelled"
    assert done.outcomes["wait"].state == "cancelled"


async def test_copies_wait_each_for_its_value(drive, api):
    runs = [uuid4(), uuid4()]
    api.flow_runs = {run: flow_run("COMPLETED") for run in runs}
    wait = waits(wait_for={"run": "{item}"}, for_each=[str(run) for run in runs], outputs=["state"])
    done = await drive(program_of(wait, a_task("end", after=("wait",))))
    assert done.ending.state == "completed"
    assert [each["id"] for each in done.outcomes["wait"].result] == [str(run) for run in runs]


async def test_what_runs_always_may_wait_first(drive):
    tasks = (
        a_task("x"),
        waits(wait_for={"time": 0}, after=("x",), run_if="always"),
        a_task("end", after=("wait",), run_if="always"),
    )
    backend = FakeBackend({"x": ["failed"]})
    done = await drive(program_of(*tasks), backend=backend)
    assert (done.outcomes["wait"].state, done.outcomes["end"].state) == ("completed", "completed")
