"""DOT, read back by another parser."""

import re

import pydot
import pytest

from genesis.graph.formats import GRAPH_FORMATS
from genesis.testing import a_plan, a_program, a_task

pytestmark = pytest.mark.filterwarnings("ignore::pyparsing.warnings.PyparsingDeprecationWarning")  # in pydot

dump_dot = GRAPH_FORMATS["dot"]
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
"""A string as both Graphviz and pydot read it; a line break would end a statement for neither, and is never needed."""


def read(text):
    """Read the nodes with the cluster that they are in, and the edges."""
    (graph,) = pydot.graph_from_dot_data(text)
    nodes, edges, waiting = {}, [], [("", graph)]
    while waiting:
        cluster, part = waiting.pop()
        nodes |= {
            node.get_name().strip('"'): (cluster, node.get_attributes())
            for node in part.get_node_list()
            if node.get_name() not in ("graph", "node", "edge")
        }
        edges += [
            (e.get_source().strip('"'), e.get_destination().strip('"'), e.get_attributes()) for e in part.get_edges()
        ]
        waiting += [(inner.get_name().strip('"'), inner) for inner in part.get_subgraph_list()]
    return nodes, edges


def test_hostile_texts_are_read_back_as_tasks_and_edges_and_nothing_else(hostile):
    graph = hostile.graph()
    nodes, edges = read(dump_dot(graph))
    assert set(nodes) == set(graph)
    assert {(source, target) for source, target, _ in edges} == set(graph.edges)


def test_outside_of_strings_there_is_only_our_own_syntax(hostile):
    bare = _STRING.sub("S", dump_dot(hostile.graph()))
    for line in bare.splitlines()[4:]:
        assert re.fullmatch(r" *(S (-> S )?\[(\w+=\w+(, )?)*\];|subgraph S \{|label=S;|\}|)", line), line


def test_no_control_character_is_written(hostile):
    text = dump_dot(hostile.graph())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    text.encode("utf-8")


def test_composites_are_clusters_inside_each_other_and_edges_end_at_them():
    plan = a_plan(
        a_task("a"), a_task("b", a_task("c", a_task("d")), a_task("e"), after=("a",)), a_task("f", after=("b",))
    )
    nodes, edges = read(dump_dot(plan.graph()))
    assert {path: cluster for path, (cluster, _) in nodes.items()} == {
        "a": "", "b": "cluster_b", "b/c": "cluster_b/c", "b/c/d": "cluster_b/c", "b/e": "cluster_b", "f": "",
    }  # fmt: skip
    drawn = {(source, target): (more.get("ltail"), more.get("lhead")) for source, target, more in edges}
    assert drawn == {("a", "b"): (None, '"cluster_b"'), ("b", "f"): ('"cluster_b"', None)}


def test_a_program_has_the_clusters_of_its_plan():
    nodes, edges = read(dump_dot(a_program(a_task("a"), a_task("b", a_task("c"), after=("a",))).graph()))
    assert {path: cluster for path, (cluster, _) in nodes.items()} == {"a": "", "b/c": "cluster_b"}
    assert [(source, target) for source, target, _ in edges] == [("a", "b/c")]


def test_attributes_go_along_and_an_input_is_dashed():
    plan = a_plan(
        a_task("a", outputs=("x",), type="test", estimate={"seconds": 0.00001, "usd": 0.25}),
        a_task("b", inputs={"p": "{a.x}"}),
    )
    nodes, edges = read(dump_dot(plan.graph()))
    more = nodes["a"][1]
    assert (more["task_type"], more["seconds"], more["usd"]) == ('"test"', '"1e-05"', '"0.25"')
    assert [(e[2]["kind"], e[2]["keys"], e[2]["style"]) for e in edges] == [('"input"', '"x"', "dashed")]


def test_an_entity_in_a_label_is_shown_as_it_is_written():
    text = dump_dot(a_plan(a_task("a", description="&lt;b&gt;")).graph())
    assert 'label="a\\n&amp;lt;b&amp;gt;"' in text
    assert 'description="&lt;b&gt;"' in text


def test_a_plan_of_great_depth_needs_no_recursion():
    task = a_task("t")
    for _ in range(400):
        task = a_task("t", task)
    text = dump_dot(a_plan(task).graph())
    assert text.count("subgraph") == text.count("  }") == 400
