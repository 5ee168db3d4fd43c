"""Whatever a planner writes, repair makes a valid plan of it, once and for all."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.graph import find_cycle
from genesis.model import Plan, Task
from genesis.settings import Limits
from genesis.structure import dataflow, junctions, outline
from genesis.structure.feedback_arcs import feedback_edges
from genesis.structure.repair import repair

IDS = st.sampled_from(["a", "b", "c", "d", "a.b", "A", "build-api"])
NAMES = st.sampled_from(["a", "b", "c", "d", "a/b", "b/c", "c/a/b", "a.b", "Build API", "nowhere", "", "d/d"])
TEXTS = st.sampled_from(
    [
        "plain",
        "{a.result}",
        "{b.x}",
        "{{a.b}}",
        "{a{b.x}}",
        "{who}",
        "{a/b.result} and {c.x}",
        "{a.b.result}",
        "{{{c.x}",
    ]
)


def tasks(depth: int):
    below = st.just(()) if depth == 0 else st.lists(st.deferred(lambda: tasks(depth - 1)), max_size=3).map(tuple)
    return st.builds(
        Task,
        id=IDS,
        description=st.just("work"),
        depends_on=st.lists(NAMES, max_size=3).map(tuple),
        subtasks=below,
        inputs=st.dictionaries(st.sampled_from(["p", "q"]), TEXTS | st.lists(TEXTS, max_size=2), max_size=2),
        outputs=st.sampled_from([(), ("x",)]),
    )


PLANS = st.builds(
    Plan, request=st.just("r"), tasks=st.lists(tasks(3), min_size=1, max_size=5).map(tuple), vars=st.just({"who": "me"})
)
LIMITS = st.builds(Limits, depth=st.integers(1, 4), fan_out=st.integers(1, 4), leaves=st.integers(1, 12))


def faults(plan: Plan) -> list[str]:
    view = outline(plan)
    flow = dataflow(plan, view)
    found = [f"duplicate {view.nodes[index].path}" for index in view.duplicates]
    found += [f"unresolved {item.name}" for item in view.unresolved]
    found += [f"missing {item.reference}" for item in flow.missing]
    for node in view.nodes:
        for target in view.before[node.index]:
            path, other = node.path + "/", view.nodes[target].path + "/"
            if path.startswith(other) or other.startswith(path):
                found.append(f"{node.path} waits for {view.nodes[target].path}")
    if find_cycle(junctions(view, flow.edges()).before):
        found.append("cycle")
    return found


@given(PLANS)
@settings(max_examples=100, deadline=None)
def test_result_is_valid(plan):
    assert faults(repair(plan).plan) == []


@given(PLANS, LIMITS)
@settings(max_examples=80, deadline=None)
def test_result_keeps_to_the_limits_and_is_not_empty(plan, limits):
    result = repair(plan, limits).plan
    view = outline(result)
    assert faults(result) == []
    assert max(node.depth for node in view.nodes) <= limits.depth
    assert max(len(node.children) for node in view.nodes) <= limits.fan_out
    assert 1 <= len(view.leaves) <= limits.leaves
    assert len(result.tasks) <= limits.fan_out


@given(PLANS, LIMITS | st.none())
@settings(max_examples=80, deadline=None)
def test_repairing_twice_is_repairing_once(plan, limits):
    once = repair(plan, limits)
    twice = repair(once.plan, limits)
    assert twice.plan == once.plan
    assert twice.repairs == ()


@given(PLANS)
@settings(max_examples=80, deadline=None)
def test_valid_plan_is_left_as_it_is_and_others_are_recorded(plan):
    result = repair(plan)
    if faults(plan):
        assert result.repairs
        assert result.plan != plan
    else:
        assert result.plan is plan
        assert result.repairs == ()


@given(PLANS)
@settings(max_examples=100, deadline=None)
def test_every_task_survives_without_limits(plan):
    before, after = outline(plan), outline(repair(plan).plan)
    assert [node.task.description for node in before.nodes] == [node.task.description for node in after.nodes]
    assert [node.depth for node in before.nodes] == [node.depth for node in after.nodes]


GRAPHS = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=10).map(
        lambda edges: (n, edges)
    )
)


def is_acyclic(size: int, edges) -> bool:
    before = [[] for _ in range(size)]
    for source, target in edges:
        before[target].append(source)
    return find_cycle(before) is None


@given(GRAPHS)
@settings(max_examples=100, deadline=None)
def test_cut_leaves_no_cycle_wastes_no_edge_and_is_near_the_fewest(graph):
    size, edges = graph
    edges = list(dict.fromkeys(edges))
    cut = feedback_edges(size, [], edges, list(range(size)))
    rest = [edge for edge in edges if edge not in cut]
    assert is_acyclic(size, rest)
    assert all(not is_acyclic(size, [*rest, edge]) for edge in cut)
    fewest = next(
        count
        for count in range(len(edges) + 1)
        if any(
            is_acyclic(size, [edge for edge in edges if edge not in chosen])
            for chosen in itertools.combinations(edges, count)
        )
    )
    assert len(cut) <= fewest + 1
