"""Failed attempts are kept, with who made them, over repeats, other agents, resumes and interruptions."""

import asyncio

import pytest

from genesis.agents.contract import Result
from genesis.compile import compile_program
from genesis.ledger import Ledger
from genesis.model import Alternative, ErrorInfo, Outcome, Route
from genesis.report.explain import explain
from genesis.report.history import explain_run
from genesis.resilience import BreakerRules
from genesis.resilience.breakers import Breakers
from genesis.settings import Settings
from genesis.testing.plans import a_plan, a_task, an_agent, route_to
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_api")]


class Scripted:
    """Fails as it is told for each agent, then works."""

    def __init__(self, **errors):
        self.errors = {agent: list(each) for agent, each in errors.items()}

    async def execute(self, work):
        left = self.errors.get(work.agent.name, [])
        if left:
            raise left.pop(0)
        return Result(value=dict.fromkeys(work.outputs, work.agent.name))


def program(*tasks, others=()):
    routed, registry = route_to(a_plan(*tasks), *(an_agent(name) for name in ("first", *others)))
    alternatives = tuple(Alternative(agent=name, score=0.5) for name in others)
    routes = {
        path: Route(agent=route.agent, score=1.0, reason="x", alternatives=alternatives)
        for path, route in routed.routes.items()
    }
    return compile_program(routed.model_copy(update={"routes": routes}), registry)


@pytest.fixture
def bench(tmp_path):
    settings = Settings(home=tmp_path / "home", run={"retry_delay_s": 0.01})
    return Workbench(tmp_path / "ledger", settings)


def told(outcome):
    return [(tried.number, tried.agent, tried.message) for tried in outcome.history]


async def test_a_task_that_succeeds_at_once_has_no_history(bench):
    (outcome,) = (await bench.run(program(a_task("x")), Scripted())).tasks
    assert outcome.history == ()
    assert "history" not in outcome.model_dump(mode="json")


async def test_repeats_are_kept_also_when_the_last_one_succeeds(bench):
    errors = [ConnectionError("one"), ConnectionError("two")]
    (outcome,) = (await bench.run(program(a_task("x", retries=2)), Scripted(first=errors))).tasks
    assert (outcome.state, outcome.attempts, outcome.error) == ("completed", 3, None)
    assert told(outcome) == [(1, "first", "ConnectionError: one"), (2, "first", "ConnectionError: two")]
    assert all(tried.started_at <= tried.ended_at for tried in outcome.history)


async def test_attempts_of_several_agents_are_kept_in_their_order(bench):
    errors = Scripted(first=[ConnectionError("a")], second=[ConnectionError("b")], third=[ConnectionError("c")])
    run = await bench.run(program(a_task("x"), a_task("y", after=("x",)), others=("second", "third")), errors)
    x, y = run.tasks
    assert [(number, agent) for number, agent, _ in told(x)] == [(1, "first"), (2, "second"), (3, "third")]
    assert (x.state, y.state) == ("failed", "skipped")


async def test_a_timeout_is_an_attempt_that_ended_so(bench):
    class Hanging:
        async def execute(self, work):
            await asyncio.sleep(60)

    (outcome,) = (await bench.run(program(a_task("x", timeout_s=0.2, retries=1)), Hanging())).tasks
    assert [(tried.code, tried.message) for tried in outcome.history] == [
        ("GEN-TASK-TIMEOUT", "'x' ran longer than its limit of 0.2 s")
    ] * 2
    assert outcome.error.code == "GEN-TASK-TIMEOUT"


async def test_a_resume_goes_on_with_the_history(bench):
    scripted = Scripted(first=[ConnectionError("one"), ConnectionError("two")])
    work = program(a_task("x"))
    first = await bench.run(work, scripted)
    second = await bench.run(work, scripted, run_id=first.run_id)
    third = await bench.run(work, scripted, run_id=first.run_id)
    assert [told(run.tasks[0])[-1][2] for run in (first, second)] == ["ConnectionError: one", "ConnectionError: two"]
    assert (third.state, third.tasks[0].attempts, len(third.tasks[0].history)) == ("completed", 3, 2)


async def test_who_was_waited_for_in_vain_keeps_what_was_tried_before(tmp_path):
    settings = Settings(home=tmp_path / "home", resilience={"wait_s": 0.5}, run={"retry_delay_s": 0.01})
    breakers = Breakers(BreakerRules(failures=1, cooling_s=60))
    bench = Workbench(tmp_path / "ledger", settings)
    errors = Scripted(first=[ConnectionError("one")] * 9)
    run = await bench.run(program(a_task("x", retries=1)), errors, breakers=breakers)
    (x,) = run.tasks
    assert (x.state, x.error.code, x.attempts) == ("failed", "GEN-BREAKER-OPEN", 1)
    assert told(x) == [(1, "first", "ConnectionError: one")]
    assert explain(run, ()).roots[0].tried == ("first was waited for: its circuit breaker is open",)


async def test_a_failed_run_is_explained_from_its_ledger(bench, monkeypatch):
    async def store():
        return bench.store

    monkeypatch.setattr("genesis.ledger.history.open_store", store)
    work = program(a_task("x", retries=1), a_task("y", after=("x",)), a_task("z"))
    errors = [ConnectionError("no answer"), ConnectionError("no answer")]
    errors[1].__cause__ = OSError("no route")
    run = await bench.run(work, Scripted(first=errors), slots=1)
    shown, said = await explain_run(run.run_id, bench.settings)
    assert shown.tasks == run.tasks
    assert said == explain(run, work.leaves, ledger=bench.store.url(f"genesis/{run.run_id}"))
    (root,) = said.roots
    assert (root.task, root.attempts, root.category) == ("x", 2, "network")
    assert [(cause.type, cause.message) for cause in root.causes] == [("builtins.OSError", "no route")]
    assert said.skipped[0].tasks == ("y",)


async def test_the_record_of_an_earlier_execution_does_not_stand_for_a_later_end(bench, monkeypatch):
    async def store():
        return bench.store

    monkeypatch.setattr("genesis.ledger.history.open_store", store)
    work = program(a_task("x"))
    run = await bench.run(work, Scripted(first=[ConnectionError("old")]))
    ledger_run = run.model_copy(
        update={"tasks": (Outcome(id="x", agent="first", state="cancelled"),), "state": "cancelled", "error": None}
    )
    await Ledger(bench.store, run.run_id).save(ledger_run)
    shown, said = await explain_run(run.run_id, bench.settings)
    assert shown.tasks[0].state == "cancelled"
    assert (said.reason, said.failed) == ("cancelled", 0)


async def test_what_the_check_before_the_start_found_is_in_the_run(bench):
    limits = bench.settings.limits.model_copy(update={"leaves": 1})
    bench.settings = bench.settings.model_copy(update={"limits": limits})
    work = program(a_task("x"), a_task("y"))
    run = await bench.run(work, Scripted())
    assert (run.state, run.error.code) == ("failed", "GEN-PLAN-INVALID")
    assert run.findings
    assert explain(run, work.leaves).findings == run.findings
    assert ErrorInfo.model_validate(run.error.model_dump()) == run.error
