"""Tasks that wait in reports and artifacts: with their time, and without an agent."""

from genesis.compile import compile_program
from genesis.report import facts_of, report_page
from genesis.report.explain import explain
from genesis.report.markdown import plan_markdown, routing_rows
from genesis.report.overview import overview
from genesis.report.picture import Picture
from genesis.testing import a_plan, a_task, route_to

TASKS = (a_task("paid", wait_for={"event": "order.paid"}, timeout_s=60.0), a_task("ship", after=("paid",)))


def test_a_report_has_the_time_of_a_wait_and_no_agent_for_it(evidence_of, an_outcome):
    evidence = evidence_of(TASKS, [an_outcome("paid", 0, 5, agent=""), an_outcome("ship", 5, 6)], end=6)
    facts = facts_of(evidence)
    assert [(each.agent, each.tasks) for each in facts.agents] == [("worker", 1)]
    assert [(each.id, each.duration_s) for each in facts.tasks] == [("paid", 5.0), ("ship", 1.0)]
    assert "paid" in report_page(evidence)


def test_a_wait_that_failed_is_the_cause(evidence_of, an_outcome):
    outcomes = [
        an_outcome("paid", 0, 60, "failed", agent="", error="it has waited 60 s"),
        an_outcome("ship", state="skipped"),
    ]
    own = outcomes[0].error.model_copy(update={"code": "GEN-WAIT-TIMEOUT"})
    outcomes[0] = outcomes[0].model_copy(update={"error": own})
    evidence = evidence_of(TASKS, outcomes, state="failed", end=60)
    found = explain(evidence.run, evidence.program.leaves)
    assert [(root.task, root.code, root.mend) for root in found.roots] == [
        ("paid", "GEN-WAIT-TIMEOUT", "fix what the message says")
    ]
    assert found.skipped[0].tasks == ("ship",)


def test_artifacts_show_what_waits():
    routed, registry = route_to(a_plan(*TASKS))
    program = compile_program(routed, registry)
    assert [(row["agent"], row["reason"]) for row in routing_rows(program)] == [
        ("", "it waits, without an agent"),
        ("worker", "the test says so"),
    ]
    assert "paid" in plan_markdown(program, Picture(program), rehearse=None)
    assert [box.note for box in overview(program).boxes] == ["waits", "worker"]
