"""Leaves that never ran, in Prefect's graph: bounded, in document order, behind what they come after."""

from uuid import uuid4

import pytest
from prefect.client.schemas.objects import TaskRunResult

from genesis.engine import task_runs
from genesis.engine.skipped_leaves import show_unrun
from genesis.model import ErrorInfo, Outcome
from genesis.testing import a_program, a_task


@pytest.fixture
def told(monkeypatch):
    found = []
    monkeypatch.setattr(
        task_runs, "emit_task_run_state_change_event", lambda run, initial_state, validated_state: found.append(run)
    )
    return found


def skip(path):
    return Outcome(id=path, agent="worker", state="skipped", error=ErrorInfo(code="GEN-SKIPPED", message="because"))


def test_each_is_final_and_behind_what_it_comes_after(told):
    program = a_program(a_task("a"), a_task("b", after=("a",)), a_task("c", after=("b",)), a_task("d"))
    node = TaskRunResult(id=uuid4())
    outcomes = {
        0: Outcome(id="a", agent="worker", state="failed"),
        1: skip("b"),
        2: skip("c"),
        3: Outcome(id="d", agent="worker", state="cancelled"),
    }
    graph, left_out = show_unrun(program, outcomes, {0: node}, uuid4())
    assert [graph[index].id for index in (1, 2, 3)] == [run.id for run in told]
    assert left_out == 0
    assert [run.name for run in told] == ["worker · b", "worker · c", "worker · d"]
    assert [run.state_name for run in told] == ["Skipped", "Skipped", "Cancelled"]
    assert all(run.state.is_final() for run in told)
    assert told[0].task_inputs["after"] == [node]
    assert [each.id for each in told[1].task_inputs["after"]] == [told[0].id]


def test_a_leaf_that_the_plan_leaves_out_is_skipped_and_no_failure_and_has_the_condition_as_message(told):
    program = a_program(a_task("a"), a_task("b", when="1 == 2"), a_task("c", after=("b",)))
    left_out = Outcome(id="b", agent="worker", state="skipped", skipped_by="when: 1 == 2")
    show_unrun(program, {1: left_out, 2: left_out.model_copy(update={"id": "c"})}, {}, uuid4())
    assert [(run.state_type.value, run.state_name, run.state.message) for run in told] == [
        ("COMPLETED", "Skipped", "when: 1 == 2")
    ] * 2


def test_what_runs_waits_or_is_shown_already_is_left_alone(told):
    program = a_program(a_task("a"), a_task("b"), a_task("c"))
    outcomes = {0: Outcome(id="a", agent="worker", state="completed"), 1: skip("b")}
    nodes = {1: TaskRunResult(id=uuid4())}
    assert show_unrun(program, outcomes, nodes, uuid4()) == (nodes, 0)
    assert told == []


def test_of_very_many_the_first_are_shown_and_edges_are_bounded(told):
    names = [f"t{number}" for number in range(1500)]
    program = a_program(*(a_task(name) for name in names[:-1]), a_task(names[-1], after=tuple(names[:-1])))
    outcomes = {leaf.index: skip(leaf.path) for leaf in program.leaves}
    graph, left_out = show_unrun(program, outcomes, {}, uuid4())
    assert len(graph) == len(told) == 1000
    assert left_out == 500
    told.clear()
    last = program.leaves[-1].index
    nodes = {leaf.index: TaskRunResult(id=uuid4()) for leaf in program.leaves[:-1]}
    assert len(show_unrun(program, {last: outcomes[last]}, nodes, uuid4())[0]) == 1500
    assert len(told[0].task_inputs["after"]) == 50
