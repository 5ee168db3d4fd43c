"""A part of the validation fails by itself: the report says so, and no plan runs whose structure nobody has checked."""

import importlib
import logging
from collections import Counter
from dataclasses import replace

import pytest

from genesis.errors import PlanInvalidError
from genesis.model import Route, RoutedPlan
from genesis.observability.instruments import STEPS_DOWN
from genesis.observability.metrics import metrics_of_process
from genesis.pipeline import Prepared, compile_prepared, refuse_invalid
from genesis.settings import Limits, Settings
from genesis.structure import problems
from genesis.testing.plans import a_plan, a_task, an_agent, route_to
from genesis.validation import CHECKS, CheckFinding, facts, validate

VALIDATE = importlib.import_module("genesis.validation.validate")
"""The module; the name in the package is the function."""
BUG = "TypeError: a bug"
STRUCTURAL = [
    "GEN-PLAN-EMPTY", "GEN-ID-DUPLICATE", "GEN-DEPENDENCY-DANGLING", "GEN-DEPENDENCY-WITHIN", "GEN-CYCLE",
    "GEN-INPUT-MISSING", "GEN-PLAN-DEPTH", "GEN-PLAN-FAN-OUT", "GEN-LEAF-LIMIT", "GEN-UNASSIGNED", "GEN-AGENT-UNKNOWN",
]  # fmt: skip
SMALL = Limits(depth=2, fan_out=3, leaves=4)


def boom(*_, **__):
    raise TypeError("a bug")


def nest(*names):
    task = a_task(names[-1])
    for name in reversed(names[:-1]):
        task = a_task(name, task)
    return task


FAULTY = {
    "GEN-PLAN-EMPTY": (),
    "GEN-ID-DUPLICATE": (a_task("a"), a_task("a")),
    "GEN-DEPENDENCY-DANGLING": (a_task("a", after=("gone",)),),
    "GEN-DEPENDENCY-WITHIN": (a_task("a", a_task("b", after=("a",))),),
    "GEN-CYCLE": (a_task("a", after=("b",)), a_task("b", after=("a",))),
    "GEN-INPUT-MISSING": (a_task("a", inputs={"x": "{a.gone}"}),),
    "GEN-PLAN-DEPTH": (nest("a", "b", "c"),),
    "GEN-PLAN-FAN-OUT": (a_task("a", *[a_task(f"b{n}") for n in range(4)]),),
    "GEN-LEAF-LIMIT": tuple(a_task(f"g{n}", a_task("x"), a_task("y")) for n in range(3)),
    "GEN-UNASSIGNED": (a_task("a"),),
    "GEN-AGENT-UNKNOWN": (a_task("a", agent="stranger"),),
}
"""A plan with each fault of structure."""


def route_tasks(code):
    plan = a_plan(*FAULTY[code], planner="heuristic")
    made, registry = route_to(plan, an_agent())
    if code == "GEN-UNASSIGNED":
        made = RoutedPlan(plan=plan, routes={"a": Route(agent=None, reason="nobody can")})
    return made, registry


def errors(report):
    return [found.code for found in report.errors]


def find_failed(report):
    return [found.evidence["check"] for found in report.warnings if found.code == "GEN-CHECK-FAILED"]


@pytest.fixture
def inject(monkeypatch):
    """Let checks, by their codes, or any other part of the validation raise what nobody expects."""

    def checks(*codes):
        patched = tuple(replace(check, find=boom) if check.code in codes else check for check in CHECKS)
        monkeypatch.setattr(VALIDATE, "CHECKS", patched)

    checks.part = lambda where, name: monkeypatch.setattr(where, name, boom)
    return checks


@pytest.mark.parametrize("code", ["GEN-DEADLINE", "GEN-NEAR-DUPLICATE", "GEN-REQUEST-MISSED", "GEN-WORK-ORDERS"])
def test_a_check_that_raises_is_left_out_and_named(inject, code):
    made, registry = route_to(a_plan(a_task("a"), a_task("b", after=("a",))), an_agent())
    usual = {found.code for found in validate(made, registry).diagnostics} - {code}
    inject(code)
    report = validate(made, registry)
    assert report.ok
    assert {found.code for found in report.diagnostics} == usual | {"GEN-CHECK-FAILED"}
    (told,) = [found for found in report.diagnostics if found.code == "GEN-CHECK-FAILED"]
    assert (told.severity, told.evidence) == ("warning", {"check": code, "raised": BUG})
    assert f"the check {code} (" in told.message
    assert report.score > 0


def test_whichever_check_raises_validation_does_not(inject):
    made, registry = route_to(a_plan(a_task("a"), a_task("b", after=("a",))), an_agent())
    for check in CHECKS:
        inject(check.code)
        report = validate(made, registry)
        assert (report.ok, find_failed(report)) == (True, [check.code])


@pytest.mark.parametrize("code", STRUCTURAL)
def test_a_structural_check_that_raises_is_made_up_for(inject, code):
    inject(code)
    report = validate(*route_tasks(code), limits=SMALL)
    assert not report.ok
    assert find_failed(report) == [code]
    expected = "GEN-CYCLE" if code == "GEN-DEPENDENCY-WITHIN" else code
    (told,) = [found for found in report.errors if found.code == expected]
    assert told.hint == "correct it; found by a simpler check, since the usual one failed with an internal error"


@pytest.mark.parametrize("code", STRUCTURAL)
def test_without_any_facts_the_structure_is_still_checked(inject, code):
    inject.part(VALIDATE, "gather")
    report = validate(*route_tasks(code), limits=SMALL)
    assert not report.ok
    assert ("GEN-CYCLE" if code == "GEN-DEPENDENCY-WITHIN" else code) in errors(report)
    assert find_failed(report) == ["all"]
    assert report.score == 0


def test_a_sound_plan_can_run_although_only_its_structure_was_checked(inject):
    inject.part(VALIDATE, "gather")
    tasks = a_task("a", outputs=["y"]), a_task("b", after=("a",), inputs={"x": "{a.y}"})
    made, registry = route_to(a_plan(*tasks), an_agent())
    report = validate(made, registry)
    assert (report.ok, report.score) == (True, 0.0)
    (told,) = report.diagnostics
    assert told.message.startswith("only the plan's structure was checked")
    assert BUG in told.message


def test_a_persons_wide_plan_is_not_held_to_a_planners_limits_without_facts(inject):
    inject.part(VALIDATE, "gather")
    plan = a_plan(*[a_task(f"t{n}") for n in range(30)], planner="file")
    assert validate(*route_to(plan, an_agent())).ok


@pytest.mark.parametrize("name", ["outline", "dataflow", "junctions", "find_cycle"])
def test_a_structure_that_cannot_be_checked_in_any_way_is_an_error(inject, name):
    inject.part(VALIDATE, "gather")
    inject.part(problems, name)
    made, registry = route_to(a_plan(a_task("a"), a_task("b", after=("a",))), an_agent())
    report = validate(made, registry)
    assert not report.ok
    (told,) = report.errors
    assert told.code == "GEN-UNCHECKED"
    assert told.evidence == {"check": "structure", "raised": BUG}
    assert f"could not be checked in any way ({BUG})" in told.message
    with pytest.raises(PlanInvalidError, match="could not be checked in any way"):
        refuse_invalid(report)


def test_a_check_and_the_structure_failing_is_an_error_although_the_other_checks_find_nothing(inject):
    inject("GEN-CYCLE")
    inject.part(problems, "junctions")
    report = validate(*route_to(a_plan(a_task("a")), an_agent()))
    assert errors(report) == ["GEN-UNCHECKED"]


def test_faults_that_the_other_checks_have_found_are_listed_once(inject):
    inject("GEN-CYCLE")
    report = validate(*route_tasks("GEN-DEPENDENCY-DANGLING"))
    assert errors(report) == ["GEN-DEPENDENCY-DANGLING"]


@pytest.mark.parametrize("part", ["schedule", "order", "words", "leaves", "given", "executors", "widths", "usd"])
def test_a_fact_that_cannot_be_worked_out_costs_the_checks_that_need_it_and_no_others(monkeypatch, part):
    monkeypatch.setattr(facts.PlanFacts, part, property(boom))
    made, registry = route_tasks("GEN-DEPENDENCY-DANGLING")
    report = validate(made, registry)
    assert "GEN-DEPENDENCY-DANGLING" in errors(report)
    assert 0 < len(find_failed(report)) < len(CHECKS)
    assert not any(BUG in found.message for found in report.errors)


def test_a_plan_that_cannot_be_scored_is_checked_all_the_same(inject):
    inject.part(VALIDATE, "score")
    made, registry = route_to(a_plan(a_task("a")), an_agent())
    report = validate(made, registry)
    assert (report.ok, report.score, report.parts.success) == (True, 0.0, 0.0)
    assert find_failed(report) == ["score"]
    assert not validate(*route_tasks("GEN-CYCLE")).ok


def test_a_probe_that_raises_costs_what_it_was_asked_for():
    class Broken:
        def __getattr__(self, name):
            return boom

    agent = an_agent(secrets=("KEY",), executor={"kind": "command", "argv": ["true"]})
    report = validate(*route_to(a_plan(a_task("a")), agent), probe=Broken())
    assert report.ok
    assert set(find_failed(report)) == {"GEN-EXECUTOR-UNUSABLE", "GEN-SANDBOX-MISSING", "GEN-SECRET-MISSING"}


def test_findings_that_cannot_be_put_into_a_report_cost_their_check(monkeypatch):
    odd = tuple(
        replace(check, find=lambda _: [CheckFinding(None, "odd", evidence={"x": object()})])
        if check.code == "GEN-TYPE-GENERIC"
        else check
        for check in CHECKS
    )
    monkeypatch.setattr(VALIDATE, "CHECKS", odd)
    report = validate(*route_to(a_plan(a_task("a")), an_agent()))
    assert report.ok
    assert find_failed(report) == ["GEN-TYPE-GENERIC"]


def test_all_checks_failing_leaves_a_verdict_on_the_structure(inject):
    inject(*[check.code for check in CHECKS])
    made, registry = route_tasks("GEN-CYCLE")
    report = validate(made, registry)
    assert errors(report) == ["GEN-CYCLE"]
    assert len(find_failed(report)) == len(CHECKS)
    assert validate(*route_to(a_plan(a_task("a")), an_agent())).ok


def test_steps_down_are_counted_and_told_in_the_log(inject, caplog):
    inject("GEN-CYCLE", "GEN-TYPE-GENERIC")
    before = metrics_of_process().values(STEPS_DOWN)
    with caplog.at_level(logging.WARNING, "genesis"):
        validate(*route_to(a_plan(a_task("a")), an_agent()))
    assert Counter(metrics_of_process().values(STEPS_DOWN)) - Counter(before) == {
        ("validation", "all checks", "fewer checks"): 2,
    }
    assert [record.reason for record in caplog.records] == [BUG, BUG]


def test_what_validation_let_through_by_mistake_is_refused_by_compiling():
    made, registry = route_to(a_plan(a_task("a")), an_agent())
    let_through = Prepared(route_tasks("GEN-CYCLE")[0], validate(made, registry), registry)
    with pytest.raises(PlanInvalidError, match="the plan has a cycle"):
        compile_prepared(let_through, Settings())
