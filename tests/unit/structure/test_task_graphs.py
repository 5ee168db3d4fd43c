"""A plan and a program as graphs of tasks."""

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from genesis.model import Route, RoutedPlan
from genesis.testing import a_plan, a_program, a_task


def test_nodes_are_all_tasks_in_document_order_with_their_composite():
    plan = a_plan(a_task("a"), a_task("b", a_task("c"), a_task("d", a_task("e"))))
    graph = plan.graph()
    assert isinstance(graph, nx.DiGraph)
    assert list(graph) == ["a", "b", "b/c", "b/d", "b/d/e"]
    assert dict(graph.nodes(data="parent")) == {"a": None, "b": None, "b/c": "b", "b/d": "b", "b/d/e": "b/d"}
    assert [path for path, composite in graph.nodes(data="composite") if composite] == ["b", "b/d"]


def test_edges_say_what_they_come_from():
    plan = a_plan(
        a_task("a", outputs=("x", "y")),
        a_task("b", after=("a",)),
        a_task("c", inputs={"p": "{a.x} {a.y} {a.x}"}),
        a_task("d", inputs={"p": "{a.y}", "q": "{a.x}"}, after=("a", "c")),
    )
    assert list(plan.graph().edges(data=True)) == [
        ("a", "b", {"kind": "depends_on"}),
        ("a", "d", {"kind": "both", "keys": ("y", "x")}),
        ("a", "c", {"kind": "input", "keys": ("x", "y")}),
        ("c", "d", {"kind": "depends_on"}),
    ]


def test_a_reference_to_a_composite_comes_from_the_leaf_that_gives_it():
    plan = a_plan(a_task("q", a_task("lint", outputs=("f",))), a_task("r", inputs={"p": "{q.f}"}, after=("q",)))
    assert list(plan.graph().edges(data="kind")) == [("q", "r", "depends_on"), ("q/lint", "r", "input")]


def test_agents_are_those_of_the_routes_and_else_pins():
    plan = a_plan(a_task("a", agent="pinned"), a_task("b"))
    assert dict(plan.graph().nodes(data="agent")) == {"a": "pinned", "b": None}
    routed = RoutedPlan(plan=plan, routes={"a": Route(agent="w", score=0.5), "b": Route(agent=None, reason="none")})
    assert dict(routed.graph().nodes(data="agent")) == {"a": "w", "b": None}
    assert dict(routed.graph().nodes(data="score")) == {"a": 0.5, "b": None}


def test_estimates_are_there_where_they_are_known():
    graph = a_plan(a_task("a", estimate={"seconds": 2, "usd": 0.5, "tokens": 9}), a_task("b")).graph()
    assert {key: graph.nodes["a"][key] for key in ("seconds", "usd", "tokens")} == {
        "seconds": 2,
        "usd": 0.5,
        "tokens": 9,
    }
    assert not {"seconds", "usd", "tokens"} & set(graph.nodes["b"])


def test_a_plan_with_faults_has_what_can_be_found():
    plan = a_plan(
        a_task("a", after=("a", "nothing")), a_task("a", description="second"), a_task("b", inputs={"p": "{no.x}"})
    )
    graph = plan.graph()
    assert graph.nodes["a"]["description"] == "a"
    assert list(graph.edges) == [("a", "a")]


def test_a_program_has_leaves_alone_in_an_order_to_run_them():
    program = a_program(
        a_task("first", outputs=("x",), estimate={"seconds": 2}),
        a_task("group", a_task("one", inputs={"p": "{first.x}"}), a_task("two"), after=("first",)),
        a_task("last", inputs={"p": "{first.x}"}, after=("group",)),
    )
    graph = program.graph()
    assert list(graph.edges(data="kind")) == [
        ("first", "group/one", "both"),
        ("first", "group/two", "depends_on"),
        ("first", "last", "input"),
        ("group/one", "last", "depends_on"),
        ("group/two", "last", "depends_on"),
    ]
    assert list(nx.lexicographical_topological_sort(graph)) == ["first", "group/one", "group/two", "last"]
    assert dict(graph.nodes(data="priority")) == {"first": 4, "group/one": 2, "group/two": 2, "last": 1}
    assert graph.nodes["group/one"]["parent"] == "group"
    assert [seconds for _, seconds in graph.nodes(data="seconds")] == [2, None, None, None]


@given(st.data())
def test_a_program_comes_after_exactly_what_its_leaves_do(data):
    tasks = []
    for number in range(data.draw(st.integers(1, 6))):
        names = [task.id for task in tasks]
        after = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
        inner = [a_task(f"s{k}") for k in range(data.draw(st.integers(0, 2)))]
        tasks.append(a_task(f"t{number}", *inner, after=tuple(after)))
    program = a_program(*tasks)
    graph = program.graph()
    expected = {(program.leaves[source].path, leaf.path) for leaf in program.leaves for source in leaf.after}
    assert set(graph.edges) == expected
    assert nx.is_directed_acyclic_graph(graph)
