"""An agent that cannot: its tasks go to the next one, or wait for it without a slot."""

import asyncio
import time

import pytest

from genesis.agents.contract import Result
from genesis.compile import compile_program
from genesis.engine.observer import NullObserver
from genesis.errors import SecurityError
from genesis.ledger import Ledger
from genesis.model import Alternative, CommandSpec, Route
from genesis.resilience import BreakerRules
from genesis.resilience.breakers import Breakers
from genesis.settings import Settings
from genesis.testing.plans import a_plan, a_task, an_agent, route_to
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_api")]


class Fleet:
    """Agents of which some are down, each for as long after the first call as the test says."""

    def __init__(self, **down_until):
        self.down_until, self.calls, self.began = down_until, [], None
        self.error = ConnectionError("nobody answers")

    def calls_of(self, agent):
        return [path for name, path in self.calls if name == agent]

    async def execute(self, work):
        self.calls.append((work.agent.name, work.path))
        self.began = self.began or time.monotonic()
        await asyncio.sleep(0.01)
        if time.monotonic() - self.began < self.down_until.get(work.agent.name, 0):
            raise self.error
        return Result(value=dict.fromkeys(work.outputs, work.agent.name))


class Shown(NullObserver):
    """Counts what was started."""

    started = 0

    def leaf_changed(self, outcome):
        self.started += outcome.state == "running"


def program(*tasks, others=("second",), at_once=4):
    """Route everything to `first`, with others as runners-up."""
    agents = [an_agent(name, max_concurrency=at_once) for name in ("first", *others)]
    routed, registry = route_to(a_plan(*tasks), *agents)
    alternatives = tuple(Alternative(agent=name, score=0.5) for name in others)
    routes = {
        path: Route(agent=route.agent, score=1.0, reason="x", alternatives=alternatives)
        for path, route in routed.routes.items()
    }
    return compile_program(routed.model_copy(update={"routes": routes}), registry)


def breakers(**rules):
    return Breakers(BreakerRules(**{"failures": 3, "cooling_s": 1.0, "successes": 1} | rules))


@pytest.fixture
def bench(tmp_path):
    def make(wait_s=90.0):
        settings = Settings(home=tmp_path / "home")
        resilience = settings.resilience.model_copy(update={"wait_s": wait_s})
        return Workbench(tmp_path / "ledger", settings.model_copy(update={"resilience": resilience}))

    return make


async def test_a_task_whose_agent_fails_is_done_by_the_next(bench):
    fleet = Fleet(first=1e9)
    run = await bench().run(program(a_task("x", outputs=["by"]), a_task("y", after=("x",))), fleet)
    assert run.state == "completed"
    x, _ = run.tasks
    assert (x.agent, x.attempts, x.result) == ("second", 2, {"by": "second"})
    assert x.note == "first failed: GEN-TASK: ConnectionError: nobody answers; second took it over"


async def test_all_agents_are_tried_once_and_then_it_fails(bench):
    fleet = Fleet(first=1e9, second=1e9, third=1e9)
    run = await bench().run(program(a_task("x"), others=("second", "third")), fleet)
    assert run.state == "failed"
    assert [name for name, _ in fleet.calls] == ["first", "second", "third"]
    assert run.tasks[0].attempts == 3


@pytest.mark.parametrize("more", [{"agent": "first"}, {"side_effects": True}])
async def test_a_pin_and_a_side_effect_keep_a_task_with_its_agent(bench, more):
    fleet = Fleet(first=1e9)
    run = await bench().run(program(a_task("x", **more)), fleet)
    assert run.state == "failed"
    assert [name for name, _ in fleet.calls] == ["first"]


async def test_what_another_agent_cannot_mend_is_not_given_to_one(bench):
    fleet = Fleet(first=1e9)
    fleet.error = SecurityError("refused")
    run = await bench().run(program(a_task("x", retries=2)), fleet)
    assert (run.state, run.tasks[0].attempts) == ("failed", 1)


async def test_a_work_order_is_no_way_around_work_that_failed(bench):
    fleet = Fleet(first=1e9)
    made = program(a_task("x"))
    first = made.profile("first").model_copy(update={"executor": CommandSpec(kind="command", argv=("true",))})
    made = made.model_copy(update={"agents": made.agents | {"first": first}})
    run = await bench().run(made, fleet)
    assert (run.state, [name for name, _ in fleet.calls]) == ("failed", ["first"])


async def test_once_its_breaker_is_open_an_agent_gets_no_more_tasks(bench):
    fleet = Fleet(first=1e9)
    tasks = [a_task(f"t{n}") for n in range(30)]
    run = await bench().run(program(*tasks), fleet, breakers=breakers(cooling_s=60.0))
    assert run.state == "completed"
    assert len(fleet.calls_of("first")) <= 6  # three, and those that were under way
    assert {task.agent for task in run.tasks} == {"second"}


async def test_without_another_agent_tasks_wait_until_it_is_well_again(bench):
    fleet = Fleet(first=1.5)
    tasks = [a_task(f"t{n}") for n in range(8)]
    shown = Shown()
    run = await bench().run(
        program(*tasks, others=(), at_once=3), fleet, breakers=breakers(cooling_s=0.5), observer=shown
    )
    assert shown.started <= len(fleet.calls) + 2  # nothing is started only to be refused
    failed = [task for task in run.tasks if task.state == "failed"]
    assert len(failed) <= 5  # those that were tried before it opened, and probes
    assert len([task for task in run.tasks if task.state == "completed"]) == 8 - len(failed)
    assert run.duration_s > 1.4


async def test_a_task_that_waits_holds_no_slot(bench):
    fleet = Fleet(first=1e9)
    tasks = [a_task(f"t{n}") for n in range(6)]
    others = [a_task(f"o{n}", agent="other") for n in range(4)]
    routed = program(*tasks, *others, others=("other",))
    leaves = [leaf.model_copy(update={"fallbacks": ()}) for leaf in routed.leaves]
    routed = routed.model_copy(update={"leaves": tuple(leaves)})
    began = time.monotonic()
    shared = breakers(failures=1, cooling_s=60.0)
    run = await bench(wait_s=2.0).run(routed, fleet, slots=1, breakers=shared)
    assert len(fleet.calls_of("other")) == 4
    assert time.monotonic() - began < 20
    late = [task for task in run.tasks if task.error and task.error.code == "GEN-BREAKER-OPEN"]
    assert len(late) == 5
    assert "waited for in vain" in late[0].error.message
    assert all(task.attempts == 0 for task in late)


async def test_repeats_end_when_the_runs_budget_for_them_is_spent(bench):
    fleet = Fleet(first=1e9)
    settings = {"retry_delay_s": 0.0}
    made = bench()
    run_settings = made.settings.run.model_copy(update=settings)
    made.settings = made.settings.model_copy(update={"run": run_settings})
    tasks = [a_task(f"t{n}", retries=3) for n in range(20)]
    run = await made.run(program(*tasks, others=(), at_once=20), fleet)
    assert run.state == "failed"
    assert len(fleet.calls) == 20 + 10 * 3 + 4  # ten tasks as often as they may, and a fifth more


async def test_a_resume_keeps_what_another_agent_did(bench):
    fleet = Fleet(first=1e9)
    made = bench()
    run = await made.run(program(a_task("x"), a_task("y", after=("x",), agent="first")), fleet)
    assert run.state == "failed"
    fleet.down_until.clear()
    before = len(fleet.calls)
    again = await made.run(program(a_task("x"), a_task("y", after=("x",), agent="first")), fleet, run_id=run.run_id)
    assert again.state == "completed"
    assert fleet.calls[before:] == [("first", "y")]
    assert again.tasks[0].agent == "second"


async def test_breakers_and_detours_are_moments_of_the_run_and_a_resume_goes_on_with_them(bench):
    fleet, work = Fleet(first=1e9), bench()
    tasks = program(*(a_task(name) for name in "abcd"))
    run = await work.run(tasks, fleet, breakers=breakers(), run_id="r-1")
    assert run.state == "completed"
    ledger = Ledger(work.store, "r-1")
    noted = (await ledger.moments()).moments
    assert [noted[0].kind, noted[-1].kind] == ["started", "ended"]
    assert ("breaker_opened", "agent first") in [(each.kind, each.subject) for each in noted]
    given = [each for each in noted if each.kind == "other_agent"]
    assert {each.subject for each in given} == set("abcd")
    assert all("second took it over" in each.text for each in given)
    await work.run(tasks, fleet, run_id="r-1")
    again = (await ledger.moments()).moments
    assert again[: len(noted)] == noted
    assert [each.kind for each in again[len(noted) :]] == ["resumed", "ended"]


async def test_a_task_that_waits_for_its_agent_is_a_moment_once(bench):
    work, known = bench(), breakers(failures=1, cooling_s=6.0)
    with pytest.raises(ConnectionError), known.of("agent", "first").guard():
        raise ConnectionError("nobody answers")
    run = await work.run(program(a_task("x"), others=()), Fleet(), breakers=known, run_id="r-2")
    assert run.state == "completed"
    noted = [(each.kind, each.subject) for each in (await Ledger(work.store, "r-2").moments()).moments]
    assert noted[:3] == [("started", "r-2"), ("breaker_opened", "agent first"), ("waits", "x")]
    assert noted[3:] == [("breaker_half_open", "agent first"), ("breaker_closed", "agent first"), ("ended", "r-2")]
