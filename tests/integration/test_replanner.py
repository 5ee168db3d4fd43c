"""Plans that change while they run: planned again after a failure, and expanded by a result."""

import asyncio
import json
from collections import Counter

import pytest

from genesis.agents.contract import Result
from genesis.engine.observer import NullObserver
from genesis.errors import ResourceError, TaskError
from genesis.ledger import Ledger
from genesis.model import PythonSpec
from genesis.settings import LlmSettings, Settings
from genesis.testing.llm_server import FakeLlmServer, answers
from genesis.testing.plans import a_program, a_task, an_agent
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_api")]

STEPS = "First collect the numbers, then add them up"
WORKS = PythonSpec(kind="python", call="json:dumps")


class Agents:
    """What agents do: give the promised outputs, unless the test says otherwise for a path or its last part."""

    def __init__(self, **does):
        self.does, self.calls, self.running, self.most = does, [], 0, 0
        self.fails_below = ""

    async def execute(self, work):
        self.calls.append(work.path)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.01)
        self.running -= 1
        if self.fails_below and work.path.startswith(self.fails_below):
            raise TaskError("no")
        does = self.does.get(work.path.rpartition("/")[2])
        if isinstance(does, Exception):
            raise does
        value = does(work) if callable(does) else does
        return Result(value=value if value is not None else {name: f"{work.path}.{name}" for name in work.outputs})


class Watch(NullObserver):
    def __init__(self):
        self.grew, self.ended = [], []

    def plan_changed(self, program):
        self.grew.append(len(program.leaves))

    def leaf_changed(self, outcome):
        if outcome.state != "running":
            self.ended.append((outcome.id, outcome.state))


def agents(**more):
    common = {"task_types": ["generic", "data", "research", "analysis", "file_write"], "max_concurrency": 4}
    return (
        an_agent("worker", executor=WORKS, **common),
        an_agent("asker", executor=WORKS, task_types=["generic"], expands=True, **more),
    )


def program(*tasks, **more):
    return a_program(*tasks, agents=agents(), **more)


@pytest.fixture
def bench(tmp_path):
    def make(*, llm=None, limits=None, **resilience):
        settings = Settings(home=tmp_path / "home", llm=llm or LlmSettings())
        update = {
            "resilience": settings.resilience.model_copy(update=resilience),
            "limits": settings.limits.model_copy(update=limits or {}),
        }
        return Workbench(tmp_path / "ledger", settings.model_copy(update=update))

    return make


def by_id(run):
    return {task.id: task for task in run.tasks}


TOO_MUCH = TaskError("it was too much at once")


async def test_a_task_that_failed_for_good_is_done_in_the_steps_that_it_spells_out(bench):
    work, watch = Agents(sum=TOO_MUCH), Watch()
    tasks = (
        a_task("given"),
        a_task("sum", description=STEPS, outputs=["total"], after=("given",)),
        a_task("tell", inputs={"it": "{sum.total}"}, after=("sum",)),
    )
    run = await bench().run(program(*tasks), work, observer=watch)
    assert run.state == "completed"
    found = by_id(run)
    assert list(found)[:3] == ["given", "sum", "tell"]
    first, second = list(found)[3:]
    assert work.calls == ["given", "sum", first, second, "tell"]
    assert found["sum"].state == "completed"
    assert found["sum"].result == {"total": f"{second}.total"}
    assert "it was planned again: 2 tasks in 'again-1'" in found["sum"].note
    assert "too much at once" in found["sum"].note
    assert found["sum"].error is None
    assert watch.grew == [5]


async def test_a_model_plans_it_in_another_way(bench):
    plan = {
        "tasks": [{"id": "halve", "description": "Split the data"}, {"id": "join", "description": "Join the halves"}]
    }
    with FakeLlmServer([answers(plan)]) as server:
        run = await bench(llm=server.settings()).run(program(a_task("sum")), Agents(sum=TOO_MUCH))
    assert run.state == "completed"
    assert sorted(by_id(run)) == ["again-1/halve", "again-1/join", "sum"]
    assert set(by_id(run)["sum"].result) == {"again-1/halve", "again-1/join"}


@pytest.mark.parametrize(
    ("task", "error", "settings"),
    [
        ({"side_effects": True}, TOO_MUCH, {}),
        ({"agent": "worker"}, TOO_MUCH, {}),
        ({}, ResourceError("the disk is full"), {}),
        ({}, TOO_MUCH, {"replans": 0}),
    ],
    ids=["changes something outside", "a person chose the agent", "for a person to fix", "switched off"],
)
async def test_where_it_could_do_harm_or_no_good_it_is_not_planned_again(bench, task, error, settings):
    work = Agents(sum=error)
    run = await bench(**settings).run(program(a_task("sum", description=STEPS, **task)), work)
    assert (run.state, work.calls, len(run.tasks)) == ("failed", ["sum"], 1)


async def test_a_task_without_another_way_fails_and_says_so(bench):
    run = await bench().run(program(a_task("sum", description="Sum it up")), Agents(sum=TOO_MUCH))
    assert run.state == "failed"
    assert "it was not planned again: no planner level" in run.tasks[0].note
    assert run.tasks[0].error.message == "it was too much at once"


async def test_a_bug_in_planning_again_costs_the_change_and_not_the_run(bench, monkeypatch):
    def bug(*_, **__):
        raise TypeError("a bug of ours")

    monkeypatch.setattr("genesis.engine.replanner.plan_within", bug)
    work = Agents(sum=TOO_MUCH)
    run = await bench().run(program(a_task("sum", description=STEPS), a_task("other")), work)
    assert run.state == "failed"
    assert by_id(run)["other"].state == "completed"
    assert "it was not planned again: TypeError: a bug of ours" in by_id(run)["sum"].note


async def test_a_bug_in_growing_the_plan_ends_the_run_with_its_state_saved_and_a_resume_goes_on(bench, monkeypatch):
    def bug(*_, **__):
        raise TypeError("a bug of ours")

    made, work = bench(), Agents(survey=proposal("a"))
    tasks = (a_task("survey", agent="asker"), a_task("tell", after=("survey",)))
    with monkeypatch.context() as broken:
        broken.setattr("genesis.engine.driver.Driver._grow", bug)
        run = await made.run(program(*tasks), work)
    assert (run.state, run.error.code) == ("failed", "GEN-INTERNAL")
    run = await made.run(program(*tasks), work, run_id=run.run_id)
    assert run.state == "completed"
    assert work.calls == ["survey", "more-1/a", "tell"]


async def test_over_its_whole_life_a_plan_is_changed_so_often_and_no_more(bench):
    tasks = [a_task(f"sum{n}", description=STEPS) for n in range(4)]
    run = await bench(replans=2).run(program(*tasks), Agents(**{f"sum{n}": TOO_MUCH for n in range(4)}))
    states = Counter(task.state for task in run.tasks)
    assert states == {"completed": 2 + 4, "failed": 2}


@pytest.mark.parametrize("limit", [{"leaves": 2}, {"depth": 1}])
async def test_the_limits_of_a_plan_hold_over_its_whole_life(bench, limit):
    made = bench(limits=limit)
    run = await made.run(program(a_task("sum", description=STEPS)), Agents(sum=TOO_MUCH))
    assert (run.state, len(run.tasks)) == ("failed", 1)
    assert "not planned again" in run.tasks[0].note


async def test_when_the_new_tasks_fail_too_the_task_fails_with_what_it_failed_of(bench):
    work = Agents(sum=TOO_MUCH)
    work.fails_below = "again-"
    run = await bench().run(program(a_task("sum", description=STEPS), a_task("tell", after=("sum",))), work)
    assert run.state == "failed"
    found = by_id(run)
    assert found["sum"].state == "failed"
    assert found["sum"].error.message == "it was too much at once"
    assert "did not finish" in found["sum"].note
    assert found["tell"].state == "skipped"


async def test_a_task_may_be_left_to_a_person_where_its_plan_says_so(bench, tmp_path):
    tasks = (
        a_task("call", labels={"on_failure": "brief"}, outputs=["answer"], agent="worker"),
        a_task("tell", inputs={"it": "{call.answer}"}, after=("call",)),
    )
    run = await bench().run(program(*tasks), Agents(call=TOO_MUCH))
    assert run.state == "briefed"
    call = by_id(run)["call"]
    assert call.state == "briefed"
    assert "to be delivered by worker" in call.result["answer"]
    assert "too much at once; a work order was written instead" in call.note
    assert (await bench().run(program(*tasks), Agents(), run_id=run.run_id)).state == "briefed"


def proposal(*ids, **more):
    return {"found": 3, "subtasks": [{"id": name, "description": f"Look at {name}", **more} for name in ids]}


async def test_a_result_that_asks_for_no_subtasks_gives_what_they_would_have_given(bench):
    tasks = (
        a_task("survey", agent="asker", outputs=["found", "subtasks"]),
        a_task("tell", inputs={"given": "{survey.subtasks}"}, after=("survey",)),
    )
    work, made = Agents(survey=proposal()), bench()
    run = await made.run(program(*tasks), work)
    assert run.state == "completed"
    survey = by_id(run)["survey"]
    assert (survey.result["subtasks"], survey.note) == ({}, "")
    again = await made.run(program(*tasks), work, run_id=run.run_id)
    assert by_id(again)["survey"].note == ""


async def test_a_result_adds_subtasks_and_what_follows_waits_for_them(bench):
    tasks = (
        a_task("survey", agent="asker", outputs=["found"]),
        a_task("tell", inputs={"n": "{survey.found}"}, after=("survey",)),
    )
    work, watch = Agents(survey=proposal("a", "b", "c")), Watch()
    made = bench()
    run = await made.run(program(*tasks), work, observer=watch)
    assert run.state == "completed"
    assert work.calls[0] == "survey"
    assert work.calls[-1] == "tell"
    assert sorted(work.calls[1:-1]) == ["more-1/a", "more-1/b", "more-1/c"]
    survey = by_id(run)["survey"]
    assert survey.result["found"] == 3
    assert set(survey.result["subtasks"]) == {"more-1/a", "more-1/b", "more-1/c"}
    assert "it asked for 3 tasks in 'more-1'" in survey.note
    assert watch.grew == [5]
    again = Agents()
    assert (await made.run(program(*tasks), again, run_id=run.run_id)).state == "completed"
    assert again.calls == []


async def test_who_asks_for_no_subtasks_leaves_as_many_results(bench):
    tasks = (
        a_task("survey", agent="asker", outputs=["subtasks"]),
        a_task("tell", inputs={"found": "{survey.subtasks}"}, after=("survey",)),
    )
    seen = []
    work = Agents(survey={"subtasks": []}, tell=lambda work: seen.append(work.inputs["found"]) or {})
    made = bench()
    run = await made.run(program(*tasks), work)
    assert run.state == "completed"
    assert seen == [{}]
    assert by_id(run)["survey"].result == {"subtasks": {}}
    assert by_id(run)["survey"].note == ""
    assert (await made.run(program(*tasks), Agents(), run_id=run.run_id)).state == "completed"


async def test_every_reader_gets_a_result_of_its_own(bench):
    def spoils(work):
        work.inputs["items"].append("spoilt")
        work.inputs["own"]["list"].append("spoilt")
        work.upstream["make"]["items"].clear()
        if work.attempt == 1:
            raise TaskError("again")
        return {"seen": list(work.inputs["items"]), "own": work.inputs["own"]["list"]}

    inputs = {"items": "{make.items}", "own": {"list": [1]}}
    tasks = (
        a_task("make", outputs=["items"]),
        a_task("first", inputs=inputs, after=("make",), retries=1),
        a_task("second", inputs=inputs, after=("make", "first"), retries=1),
    )
    run = await bench().run(program(*tasks), Agents(make={"items": [1, 2, 3]}, first=spoils, second=spoils))
    assert run.state == "completed"
    for name in ("first", "second"):
        assert by_id(run)[name].result == {"seen": [1, 2, 3, "spoilt"], "own": [1, "spoilt"]}
    assert by_id(run)["make"].result == {"items": [1, 2, 3]}


async def test_subtasks_may_ask_for_more_down_to_the_limit_of_depth(bench):
    def dig(work):
        return proposal("dig", type="digging")

    agents = (an_agent("digger", executor=WORKS, task_types=["generic", "digging"], expands=True),)
    work = Agents(dig=dig)
    run = await bench(limits={"depth": 3}).run(a_program(a_task("dig"), agents=agents), work)
    assert run.state == "completed"
    assert work.calls == ["dig", "more-1/dig", "more-2/dig"]
    assert "its subtasks were not taken: the plan has reached its limit: 3 levels" in by_id(run)["more-2/dig"].note


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"subtasks": "all of them"}, "subtasks: Input should be a valid list"),
        (proposal("a", agent="root"), "Extra inputs are not permitted"),
        (proposal("a", type="unheard-of"), "no agent takes the type"),
        (proposal("a", depends_on=["nowhere"]), "depends on 'nowhere'"),
        (proposal("a", depends_on=["a"]), "cycle"),
        (proposal(*(f"t{n}" for n in range(21))), "21 tasks side by side"),
    ],
)
async def test_a_proposal_that_is_not_sound_is_refused_as_a_whole(bench, value, why):
    work = Agents(survey=value)
    run = await bench().run(program(a_task("survey", agent="asker"), a_task("tell", after=("survey",))), work)
    assert run.state == "completed"
    assert work.calls == ["survey", "tell"]
    note = by_id(run)["survey"].note
    assert note.startswith("its subtasks were not taken: ")
    assert why in note


async def test_only_an_agent_that_may_expands_the_plan(bench):
    work = Agents(survey=proposal("a"))
    run = await bench().run(program(a_task("survey")), work)
    assert (run.state, work.calls) == ("completed", ["survey"])
    assert run.tasks[0].result == proposal("a")


async def test_a_subtask_that_fails_fails_what_asked_for_it_and_a_resume_repeats_it_alone(bench):
    made = bench(replans=0)
    tasks = (a_task("survey", agent="asker"), a_task("tell", after=("survey",)))
    work = Agents(survey=proposal("a", "b"), b=TaskError("no"))
    run = await made.run(program(*tasks), work)
    assert run.state == "failed"
    states = {name: task.state for name, task in by_id(run).items()}
    assert states == {"survey": "failed", "tell": "skipped", "more-1/a": "completed", "more-1/b": "failed"}
    assert by_id(run)["survey"].error.code == "GEN-TASK-SUBTASK"
    work.does.pop("b")
    work.calls.clear()
    run = await made.run(program(*tasks), work, run_id=run.run_id)
    assert run.state == "completed"
    assert work.calls == ["more-1/b", "tell"]


async def test_a_run_that_dies_before_the_change_is_written_makes_it_on_resume(bench, monkeypatch):
    made, work = bench(), Agents(survey=proposal("a"))
    tasks = (a_task("survey", agent="asker"), a_task("tell", after=("survey",)))

    async def full(self, amendment):
        raise ResourceError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "amend", full)
        run = await made.run(program(*tasks), work)
    assert run.state == "failed"
    assert run.error.message == "no space left"
    assert work.calls == ["survey"]
    run = await made.run(program(*tasks), work, run_id=run.run_id)
    assert run.state == "completed"
    assert work.calls == ["survey", "more-1/a", "tell"]


async def test_limits_hold_for_what_was_added(bench):
    agents = (
        an_agent("asker", executor=WORKS, expands=True),
        an_agent("worker", executor=WORKS, task_types=["generic"], max_concurrency=2),
    )
    work = Agents(survey=proposal(*(f"t{n}" for n in range(12))))
    run = await bench().run(a_program(a_task("survey", agent="asker"), agents=agents), work, slots=8)
    assert run.state == "completed"
    assert work.most <= 2


async def test_a_budget_counts_what_was_added(bench):
    agents = (
        an_agent("asker", executor=WORKS, expands=True),
        an_agent("worker", executor=WORKS, task_types=["generic"], cost={"usd_per_task": 1}),
    )
    work = Agents(survey=proposal("a", "b", "c"))
    run = await bench().run(a_program(a_task("survey", agent="asker"), agents=agents, budget={"usd": 2}), work)
    assert work.calls == ["survey"]
    assert "its subtasks were not taken" in run.tasks[0].note


async def test_what_was_added_is_in_the_ledger_and_survives_a_round_trip(bench, tmp_path):
    run = await bench().run(program(a_task("survey", agent="asker")), Agents(survey=proposal("a")))
    (written,) = (tmp_path / "ledger").glob(f"genesis/{run.run_id}/amendments/*.json")
    kept = json.loads(written.read_text())
    assert (kept["number"], kept["kind"], kept["task"]) == (1, "expand", "survey")
    assert kept["group"]["subtasks"][0]["route"]["agent"]
