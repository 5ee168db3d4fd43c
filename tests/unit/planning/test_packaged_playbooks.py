"""The packaged playbooks against the packaged registry and the audit's tools."""

import importlib
import inspect
from importlib import resources

import pytest

from genesis.document import parse
from genesis.graph import find_ancestors
from genesis.model import Plan
from genesis.planning.network import refine_tasks
from genesis.planning.playbook import load_playbooks
from genesis.structure import WHOLE_RESULT, dataflow, junctions, outline, references, split

PLAYBOOKS = {playbook.name: playbook for playbook in load_playbooks()}
AGENTS = parse((resources.files("genesis_audit") / "agents.yaml").read_text("utf-8"))["agents"]


def leaves(name):
    playbook = PLAYBOOKS[name]
    variables = dict.fromkeys((parameter.name for parameter in playbook.parameters), "-")
    plan = Plan(request="-", tasks=refine_tasks(playbook.tasks, playbook.refine), vars=variables)
    return plan, outline(plan)


def capable(task):
    return [
        agent["name"]
        for agent in AGENTS
        if task.type in agent["task_types"] and set(task.requires) <= set(agent.get("skills", ()))
    ]


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_each_leaf_has_a_capable_agent_an_estimate_and_no_approval(name):
    _, shape = leaves(name)
    for leaf in shape.leaf_nodes():
        assert capable(leaf.task), leaf.path
        assert leaf.task.estimate, leaf.path
        assert leaf.task.outputs, leaf.path
        assert not leaf.task.approval


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_playbooks_are_hierarchical_and_run_in_parallel(name):
    plan, shape = leaves(name)
    assert any(task.subtasks for task in plan.tasks)
    assert len(shape.leaves) >= 8
    assert len({capable(leaf.task)[0] for leaf in shape.leaf_nodes()}) >= 5


@pytest.mark.parametrize("name", ["software_feature", "product_launch"])
def test_nothing_deploys_before_build_and_test(name):
    plan, shape = leaves(name)
    order = junctions(shape, dataflow(plan, shape).edges())
    for leaf in shape.leaf_nodes():
        if leaf.task.type != "deploy":
            continue
        before = {shape.nodes[order.node_of(vertex)].path for vertex in find_ancestors(order.before, [2 * leaf.index])}
        assert any(path.startswith("build/") for path in before)
        assert "verify/tests" in before
        assert leaf.task.side_effects


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_only_what_changes_the_outside_world_has_side_effects(name):
    _, shape = leaves(name)
    found = {leaf.task.type for leaf in shape.leaf_nodes() if leaf.task.side_effects}
    assert found <= {"deploy", "promotion", "outreach"}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_inputs_come_from_tasks_that_are_ordered_before(name):
    plan, shape = leaves(name)
    order = junctions(shape)
    for index, sources in dataflow(plan, shape).edges().items():
        before = {order.node_of(vertex) for vertex in find_ancestors(order.before, [2 * index])}
        assert set(sources) <= before, shape.nodes[index].path


def audit_tools():
    _, shape = leaves("repository_audit")
    for leaf in shape.leaf_nodes():
        calls = {
            agent["executors"][leaf.task.type]["call"]
            for agent in AGENTS
            if leaf.task.type in agent.get("executors", {})
        }
        yield pytest.param(leaf.task, calls, id=leaf.path)


@pytest.mark.parametrize(("task", "calls"), list(audit_tools()))
def test_each_audit_leaf_has_one_tool_that_takes_its_inputs(task, calls):
    assert len(calls) == 1
    module, _, name = calls.pop().partition(":")
    tool = getattr(importlib.import_module(module), name)
    inspect.signature(tool).bind(**task.inputs)


def test_audit_report_takes_every_other_leaf():
    plan, shape = leaves("repository_audit")
    report = shape.nodes[shape.by_path["report"]]
    sources = set(dataflow(plan, shape).edges()[report.index])
    assert sources == set(shape.leaves) - {report.index}
    keys = {
        key
        for value in report.task.inputs.values()
        for ref in references(value)
        if (found := split(ref))
        for key in found[1:]
    }
    assert keys == {WHOLE_RESULT}
    topics = importlib.import_module("genesis_audit.report").TOPICS
    assert set(report.task.inputs) == {"path", "output", *topics}


def test_audit_tools_promise_what_they_give(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    _, shape = leaves("repository_audit")
    for leaf in shape.leaf_nodes():
        if leaf.path == "report":
            continue
        [call] = {a["executors"][leaf.task.type]["call"] for a in AGENTS if leaf.task.type in a.get("executors", {})}
        module, _, name = call.partition(":")
        result = getattr(importlib.import_module(module), name)(path=str(tmp_path))
        assert set(leaf.task.outputs) <= set(result), leaf.path


def test_audit_executes_nothing_unless_asked():
    audit = PLAYBOOKS["repository_audit"]
    [run_tests] = [parameter for parameter in audit.parameters if parameter.name == "run_tests"]
    assert run_tests.default == "no"
    assert run_tests.patterns == ()
