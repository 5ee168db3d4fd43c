import subprocess
import sys

import pytest

from genesis.errors import ModelError, PlanInvalidError, UsageError
from genesis.model import Registry
from genesis.model.plan_parameter import PlanParameter
from genesis.pipeline import compile_prepared, find_skipped, make_plan, prepare, program_of, refuse_invalid, simulate
from genesis.planning import plan_document
from genesis.routing import load_registry
from genesis.settings import LlmSettings, Settings
from genesis.testing import ScriptedPlanner, a_plan, a_program, a_task, an_agent

_SETTINGS = Settings()


def test_a_plan_that_is_too_large_is_refused_before_anything_is_done(monkeypatch):
    monkeypatch.setattr("genesis.pipeline.route", None)
    monkeypatch.setattr("genesis.pipeline.validate", None)
    settings = _SETTINGS.model_copy(update={"limits": _SETTINGS.limits.model_copy(update={"leaves": 3})})
    inner = (a_task("x"), a_task("y"))
    plan = a_plan(a_task("a"), a_task("b"), a_task("c", *inner))
    prepared = prepare(plan, load_registry(), settings=settings)
    [found] = prepared.report.diagnostics
    assert (found.code, found.severity) == ("GEN-LEAF-LIMIT", "error")
    assert found.message == "the plan has 4 leaves; the limit is 3"
    with pytest.raises(PlanInvalidError):
        refuse_invalid(prepared.report)


def test_a_request_is_planned_by_a_playbook_where_no_model_is_configured():
    plan = make_plan("Audit the repository at ./api", settings=_SETTINGS)
    assert plan.planner == "heuristic"
    assert plan.vars["path"] == "./api"


def test_a_planner_of_ones_own_is_asked_first():
    own = a_plan(a_task("a"), request="whatever it is")
    plan = make_plan("whatever it is", planner=ScriptedPlanner(own), settings=_SETTINGS)
    assert (plan.planner, plan.tasks) == ("llm", own.tasks)


def test_a_planner_that_fails_is_passed_over_and_the_plan_says_so():
    plan = make_plan("Repaint the bike shed", planner=ScriptedPlanner(ModelError("no answer")), settings=_SETTINGS)
    assert plan.planner == "minimal"
    assert "no answer" in plan.planner_note


def test_a_level_can_be_chosen():
    plan = make_plan("Audit the repository at .", planner="minimal", settings=_SETTINGS)
    assert plan.planner == "minimal"


def test_an_unreachable_model_leaves_the_plan_to_the_next_level():
    llm = LlmSettings(model="openai:none", base_url="http://127.0.0.1:9", timeout_s=2)
    settings = _SETTINGS.model_copy(update={"llm": llm})
    plan = make_plan("Audit the repository at .", settings=settings)
    assert plan.planner == "heuristic"
    assert plan.planner_note.startswith("llm: ")


def test_a_request_without_words_is_refused():
    with pytest.raises(UsageError):
        make_plan("   ", settings=_SETTINGS)


def test_an_invalid_plan_is_refused_with_its_report():
    prepared = prepare(a_plan(a_task("a", after=("a",))), load_registry(), settings=_SETTINGS)
    with pytest.raises(PlanInvalidError) as caught:
        compile_prepared(prepared, _SETTINGS)
    assert caught.value.data["report"]["ok"] is False
    assert caught.value.hint


def test_a_valid_report_is_let_through():
    refuse_invalid(prepare(a_plan(a_task("a", type="test")), load_registry(), settings=_SETTINGS).report)


def test_a_document_compiles_to_the_same_program():
    prepared = prepare(make_plan("Audit the repository at .", settings=_SETTINGS), load_registry(), settings=_SETTINGS)
    program = compile_prepared(prepared, _SETTINGS)
    again = program_of(plan_document(program.source), prepared.registry, _SETTINGS)
    assert again.leaves == program.leaves


def test_a_simulation_leaves_out_what_does_not_run_if_nothing_fails():
    seconds = {"estimate": {"seconds": 2, "usd": 1}}
    program = a_program(
        a_task("a", outputs=("n",), **seconds),
        a_task("repair", a_task("x", **seconds), after=("a",), run_if="any_failed"),
        a_task("here", after=("a",), when="{target} == 'here'", **seconds),
        a_task("there", after=("a",), when="{target} == 'there'", **seconds),
        a_task("maybe", after=("a",), when="{a.n} > 3", **seconds),
        a_task("many", after=("a",), when="{rows} > 3", **seconds),
        a_task("end", after=("repair", "there"), run_if="always", **seconds),
        vars={"target": "here"},
        params={"rows": PlanParameter(type="integer", default=3)},
    )
    simulation = simulate(program)
    assert [row.task for row in simulation.timeline if row.skipped] == ["repair/x", "there", "many"]
    assert (simulation.makespan_s, simulation.total_work_s, simulation.critical_path_s) == (4, 8, 4)
    assert simulation.cost_usd == 4
    assert "skipped" not in simulation.model_dump(mode="json")["timeline"][0]


def test_a_simulation_holds_agents_limits_and_adds_up():
    program = a_program(
        *[a_task(f"t{i}", estimate={"seconds": 2, "usd": 0.5}) for i in range(4)], agents=(an_agent(max_concurrency=2),)
    )
    predicted = simulate(program, slots=8)
    assert predicted.makespan_s == 4
    assert predicted.critical_path_s == 2
    assert predicted.total_work_s == 8
    assert float(predicted.cost_usd) == 2.0
    assert [row.task for row in predicted.timeline] == ["t0", "t1", "t2", "t3"]
    assert predicted.model_dump(mode="json")["cost_usd"] == 2.0


def test_nothing_to_run_takes_no_time():
    empty = a_program()
    assert simulate(empty).makespan_s == 0
    assert prepare(a_plan(), Registry(agents=()), settings=_SETTINGS).report.ok is False


def test_the_pure_stages_load_no_store_of_breakers():
    unused = "genesis.resilience.breaker", "sqlite3"
    code = f"import sys, genesis.pipeline; sys.exit(any(name in sys.modules for name in {unused}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_simulation_runs_no_more_copies_at_once_than_the_task_allows():
    program = a_program(a_task("t", for_each=[1, 2, 3, 4, 5], max_parallel=2, estimate={"seconds": 2}))
    assert simulate(program).makespan_s == 6


def test_what_is_left_out_is_what_a_simulation_skips():
    program = a_program(a_task("a"), a_task("b", when="1 == 2"), a_task("c", after=("b",)))
    assert find_skipped(program) == {1, 2}
    assert find_skipped(a_program(a_task("a"))) == set()
