"""Tasks with `for_each` in reports and artifacts: copies by agent, the task itself by none."""

from genesis.compile import compile_program
from genesis.report import facts_of, report_page
from genesis.report.explain import explain
from genesis.report.markdown import plan_markdown, routing_rows
from genesis.report.overview import overview
from genesis.report.picture import Picture
from genesis.testing import a_plan, a_task, route_to

TASKS = (a_task("lint", for_each=["x", "y"]), a_task("end", after=("lint",)))


def test_a_report_counts_copies_by_their_agent_and_the_task_by_none(evidence_of, an_outcome):
    outcomes = [
        an_outcome("lint", 2, 2, agent=""),
        an_outcome("lint/0-x", 0, 1),
        an_outcome("lint/1-y", 0, 2),
        an_outcome("end", 2, 3),
    ]
    evidence = evidence_of(TASKS, outcomes, end=3)
    facts = facts_of(evidence)
    assert [(each.agent, each.tasks) for each in facts.agents] == [("worker", 3)]
    assert [each.task for each in facts.routing] == ["end", "lint/0-x", "lint/1-y"]
    assert "lint/0-x" in report_page(evidence)


def test_a_failed_copy_is_the_cause_and_its_task_is_not(evidence_of, an_outcome):
    outcomes = [
        an_outcome("lint", 2, 2, "failed", agent="", error="1 of 2 copies did not finish: 0-x"),
        an_outcome("lint/0-x", 0, 1, "failed", error="it broke"),
        an_outcome("lint/1-y", 0, 2),
        an_outcome("end", state="skipped"),
    ]
    own = outcomes[0].error.model_copy(update={"code": "GEN-TASK-COPIES"})
    outcomes[0] = outcomes[0].model_copy(update={"error": own})
    evidence = evidence_of(TASKS, outcomes, state="failed", end=3)
    found = explain(evidence.run, evidence.program.leaves)
    assert [root.task for root in found.roots] == ["lint/0-x"]
    assert found.skipped[0].tasks == ("end",)


def test_artifacts_show_copies_and_what_gathers_them():
    routed, registry = route_to(a_plan(*TASKS))
    program = compile_program(routed, registry)
    assert [(row["task"], row["agent"], row["reason"]) for row in routing_rows(program)] == [
        ("lint", "", "it gathers what its copies gave"),
        ("lint/0-x", "worker", "the test says so"),
        ("lint/1-y", "worker", "the test says so"),
        ("end", "worker", "the test says so"),
    ]
    assert "lint/1-y" in plan_markdown(program, Picture(program), rehearse=None)
    assert [box.note for box in overview(program).boxes] == ["gathers", "worker", "worker", "worker"]


def test_many_copies_are_one_box_with_what_gathers_them():
    routed, registry = route_to(a_plan(a_task("lint", for_each=list(range(100))), a_task("end", after=("lint",))))
    shown = overview(compile_program(routed, registry))
    assert [(box.label, box.note) for box in shown.boxes] == [("lint", "101 × worker"), ("end", "worker")]
