"""GraphML, read back by networkx."""

import io
import re
from xml.etree import ElementTree as ET

import networkx as nx

from genesis.graph.formats import GRAPH_FORMATS
from genesis.testing import a_plan, a_program, a_task

dump_graphml = GRAPH_FORMATS["graphml"]


def read(text):
    return nx.read_graphml(io.BytesIO(text.encode("utf-8")))


def test_hostile_texts_are_read_back_as_tasks_and_edges_and_nothing_else(hostile):
    graph = hostile.graph()
    found = read(dump_graphml(graph))
    assert list(found) == list(graph)
    assert set(found.edges) == set(graph.edges)
    assert found.edges["graph", "holder/subgraph/end"]["keys"] == 'r"]|end'


def test_texts_are_the_same_but_for_what_xml_cannot_hold_and_nobody_sees(hostile):
    graph = hostile.graph()
    found = read(dump_graphml(graph))
    hidden = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
    for path, attributes in graph.nodes.items():
        lines = attributes["description"].replace("\r\n", "\n").replace("\r", "\n")
        assert found.nodes[path]["description"] == hidden.sub("", lines)


def test_it_is_one_xml_document(hostile):
    root = ET.fromstring(dump_graphml(hostile.graph()).encode("utf-8"))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {
        "graphml",
        "key",
        "graph",
        "node",
        "edge",
        "data",
    }


def test_attributes_keep_their_types_and_what_is_not_known_is_left_out():
    plan = a_plan(
        a_task("a", outputs=("x", "y"), estimate={"seconds": 3, "tokens": 7}),
        a_task("b", a_task("c", inputs={"p": "{a.x} {a.y}"}), after=("a",)),
    )
    found = read(dump_graphml(plan.graph()))
    assert found.nodes["a"] == {
        "index": 0, "type": "generic", "description": "a", "composite": False, "seconds": 3.0, "tokens": 7,
        "outputs": "x, y", "side_effects": False, "approval": False,
    }  # fmt: skip
    assert found.nodes["b/c"]["parent"] == "b"
    assert found.edges["a", "b"] == {"kind": "depends_on"}
    assert found.edges["a", "b/c"] == {"kind": "input", "keys": "x, y"}
    assert found.graph["request"] == plan.request


def test_a_program_keeps_agents_and_priorities():
    found = read(dump_graphml(a_program(a_task("a"), a_task("b", after=("a",))).graph()))
    assert [found.nodes[path]["priority"] for path in "ab"] == [2.0, 1.0]
    assert found.nodes["a"]["agent"] == "worker"
