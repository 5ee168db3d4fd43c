from bench.noop import Marks, dag, document, peak_mb, program, registry_document, work
from genesis.model import Registry
from genesis.settings import Settings


def test_dag_is_the_same_every_time_and_in_topological_order():
    nodes = dag(120)
    assert nodes == dag(120)
    assert len({node.path for node in nodes}) == 120
    assert all(source < index for index, node in enumerate(nodes) for source in node.after)
    assert max(len(node.after) for node in nodes) == 3


def test_program_has_the_edges_agents_and_retries_of_the_dag():
    nodes = dag(50)
    compiled = program(50, Settings())
    index = {leaf.path: leaf for leaf in compiled.leaves}
    for node in nodes:
        leaf = index[node.path]
        assert {compiled.leaves[source].path for source in leaf.after} == {nodes[source].path for source in node.after}
        assert (leaf.agent, leaf.retries) == (node.agent, 2)


def test_plan_document_groups_the_layers():
    tasks = document(dag(30))["tasks"]
    assert sum(len(task["subtasks"]) for task in tasks) == 30
    assert len(tasks) > 1


def test_every_agent_calls_the_function_that_does_nothing():
    registry = Registry.model_validate(registry_document())
    assert {agent.executor.call for agent in registry.agents} == {"bench.noop:work"}
    assert work() == {"done": True}


def test_marks_measure_spans():
    marks = Marks(None)
    marks.note("first")
    marks.note("last")
    wall, cpu, server = marks.between("first", "last")
    assert 0 <= wall < 1
    assert 0 <= cpu < 1
    assert server == 0


def test_peak_is_a_plausible_size_of_this_process():
    assert 10 < peak_mb() < 10_000
