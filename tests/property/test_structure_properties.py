"""Graphs, plan files, fingerprints and flattening, against definitions that are slow and plain."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from genesis.compile import compile_program
from genesis.document import dump_json, dump_yaml
from genesis.graph import (
    find_ancestors,
    find_components,
    find_cycle,
    find_cycles,
    find_longest_chains,
    find_successors,
    number_generations,
    reduce_transitively,
    topological_order,
)
from genesis.model import AgentProfile, Plan, Registry, Route, RoutedPlan, Task
from genesis.planning import load_plan, plan_document
from genesis.structure import dataflow, junctions, outline

PROFILE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- graphs ---------------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn, *, cyclic: bool = True) -> list[tuple[int, ...]]:
    """Up to seven vertices, each with the vertices before it; without cycles the numbers are shuffled afterwards."""
    size = draw(st.integers(0, 7))
    names = draw(st.permutations(range(size)))
    before: list[tuple[int, ...]] = [()] * size
    for vertex in range(size):
        sources = st.lists(st.integers(0, size - 1 if cyclic else vertex - 1), unique=True, max_size=4)
        chosen = draw(sources) if cyclic or vertex else []
        before[names[vertex]] = tuple(names[source] for source in chosen)
    return before


def _join(pairs: set[tuple[Any, Any]]) -> set[tuple[Any, Any]]:
    """Return all pairs that one or more of these pairs lead to, one after the other."""
    steps: dict[Any, set[Any]] = {}
    for early, late in pairs:
        steps.setdefault(early, set()).add(late)
    found: set[tuple[Any, Any]] = set()
    for first in steps:
        waiting = [first]
        while waiting:
            new = {late for late in steps.get(waiting.pop(), ()) if (first, late) not in found}
            found |= {(first, late) for late in new}
            waiting += new
    return found


def _reaches(before: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """Return all pairs (early, late) that a path of at least one edge joins."""
    return _join({(source, vertex) for vertex, sources in enumerate(before) for source in sources})


def _respects(order: list[int], before: Sequence[Sequence[int]]) -> bool:
    place = {vertex: position for position, vertex in enumerate(order)}
    return all(place[source] < place[vertex] for vertex, sources in enumerate(before) for source in sources)


@PROFILE
@given(graphs(cyclic=False) | graphs())
def test_order_is_there_exactly_when_there_is_no_cycle(before: list[tuple[int, ...]]):
    cyclic = any(a == b for a, b in _reaches(before))
    order = topological_order(before)
    assert (order is None) == cyclic == (number_generations(before) is None)
    if order is not None:
        assert sorted(order) == list(range(len(before)))
        assert _respects(order, before)
        assert topological_order(before, find_successors(before)) == order


@PROFILE
@given(graphs(cyclic=False) | graphs())
def test_a_cycle_that_is_found_is_one(before: list[tuple[int, ...]]):
    found = find_cycle(before)
    if found is None:
        assert all(a != b for a, b in _reaches(before))
        return
    assert len(set(found)) == len(found)
    assert found[0] == min(found)
    assert all(early in before[late] for early, late in zip(found, [*found[1:], found[0]], strict=True))


@PROFILE
@given(graphs(cyclic=False), st.lists(st.integers(0, 9), min_size=7, max_size=7))
def test_longest_path_is_the_longest_of_all_paths(before: list[tuple[int, ...]], weights: list[int]):
    after = find_successors(before)

    def paths(vertex: int) -> list[int]:
        return [weights[vertex] + rest for target in after[vertex] for rest in paths(target)] or [weights[vertex]]

    order = topological_order(before)
    assert find_longest_chains(before, weights[: len(before)], order) == [
        max(paths(vertex)) for vertex in range(len(before))
    ]


@PROFILE
@given(graphs())
def test_successors_and_ancestors_are_those_that_the_edges_give(before: list[tuple[int, ...]]):
    reaches = _reaches(before)
    for vertex, after in enumerate(find_successors(before)):
        assert after == [late for late, sources in enumerate(before) if vertex in sources]
        assert find_ancestors(before, [vertex]) == {early for early, late in reaches if late == vertex}


@PROFILE
@given(graphs())
def test_cycles_share_no_vertex_and_without_them_there_is_none(before: list[tuple[int, ...]]):
    cycles = list(find_cycles(before))
    on_cycles = [vertex for cycle in cycles for vertex in cycle]
    assert len(set(on_cycles)) == len(on_cycles)
    assert all(early in before[late] for cycle in cycles for early, late in zip(cycle, cycle[1:] + cycle[:1]))  # noqa: B905
    left = {
        (early, late)
        for late, sources in enumerate(before)
        for early in sources
        if not {early, late}.intersection(on_cycles)
    }
    assert all(early != late for early, late in _join(left))


@PROFILE
@given(graphs())
def test_a_component_holds_what_reaches_each_other(before: list[tuple[int, ...]]):
    reaches, part = _reaches(before), find_components(before)
    for one, other in itertools.combinations(range(len(before)), 2):
        assert (part[one] == part[other]) == ({(one, other), (other, one)} <= reaches)


@PROFILE
@given(graphs(cyclic=False))
def test_generations_and_reduction_keep_the_order_and_nothing_else(before: list[tuple[int, ...]]):
    reduced = reduce_transitively(before)
    reaches = _reaches(before)
    assert _reaches(reduced) == reaches
    for vertex, sources in enumerate(reduced):
        assert [source for source in before[vertex] if source in sources] == list(sources)
        assert not any((source, other) in reaches for source in sources for other in sources)
    levels = number_generations(before)
    for vertex, sources in enumerate(before):
        assert levels[vertex] == max((levels[source] + 1 for source in sources), default=0)


# --- plans ----------------------------------------------------------------------------------------------------------

IDS = st.text("abyzAZ019é日_-.", min_size=1, max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
WORDS = TEXTS | st.sampled_from(
    ["yes", "null", "1.0", "0x1f", "2024-01-01", "~", "08", "1e5", "{x}", "- a", "a: b", "#"]
)
SECONDS = st.floats(0, 1e6)
MONEY = st.decimals(0, 1000, places=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
ROUTES = st.builds(
    dict,
    agent=st.just("worker"),
    score=st.floats(0, 1),
    reason=WORDS,
    alternatives=st.lists(st.builds(dict, agent=WORDS, score=st.floats(0, 1), reason=WORDS), max_size=2),
) | st.builds(dict, agent=st.none(), reason=WORDS)


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def task_documents(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    shape = draw(
        _optional(
            type=WORDS,
            depends_on=st.lists(WORDS, max_size=2),
            requires=st.lists(WORDS, max_size=2),
            labels=st.dictionaries(WORDS, WORDS, max_size=2),
            inputs=st.dictionaries(WORDS, VALUES, max_size=3),
            outputs=st.lists(WORDS, max_size=2),
            agent=WORDS,
            estimate=_optional(seconds=SECONDS, usd=MONEY, tokens=st.integers(0, 10**9)),
            timeout_s=st.floats(0.001, 1e6),
            retries=st.integers(0, 100),
            cache=st.sampled_from(["none", "run"]) | st.builds(dict, ttl_s=st.floats(1, 1e6)),
            side_effects=st.booleans(),
            approval=st.booleans(),
        )
    )
    shape |= {"id": draw(IDS), "description": draw(WORDS.filter(bool))}
    if depth and draw(st.booleans()):
        shape["subtasks"] = draw(st.lists(task_documents(depth - 1), min_size=1, max_size=2))
    elif draw(st.booleans()):
        shape["route"] = draw(ROUTES)
    return shape


REPORTS = st.builds(
    dict,
    ok=st.booleans(),
    score=st.floats(0, 1),
    parts=st.fixed_dictionaries({name: st.floats(0, 1) for name in ("success", "quality", "cost", "time")}),
    diagnostics=st.lists(
        st.builds(
            dict,
            code=WORDS,
            severity=st.sampled_from(["error", "warning", "info"]),
            task=st.none() | WORDS,
            message=WORDS,
            hint=WORDS,
            evidence=st.dictionaries(WORDS, VALUES, max_size=2),
        ),
        max_size=2,
    ),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    shape = draw(
        _optional(
            planner=st.sampled_from(["llm", "heuristic", "minimal", "file"]),
            planner_note=WORDS,
            budget=_optional(usd=MONEY, tokens=st.integers(0, 10**9)),
            deadline_s=st.floats(0.001, 1e9),
            vars=st.dictionaries(WORDS, WORDS, max_size=2),
            correlation_id=WORDS,
            report=REPORTS,
        )
    )
    tasks = draw(st.lists(task_documents(), max_size=3))
    return Plan.model_validate({**shape, "request": draw(WORDS.filter(bool)), "tasks": tasks})


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(plan=plans(), terse=st.booleans(), form=st.sampled_from(["yaml", "json"]))
def test_a_plan_is_the_same_after_it_was_written_and_read(tmp_path: Path, plan: Plan, terse: bool, form: str):
    document = plan_document(plan, terse=terse)
    assert load_plan(document) == plan
    file = tmp_path / f"plan.{form}"
    file.write_text(dump_yaml(document) if form == "yaml" else dump_json(document), encoding="utf-8")
    assert load_plan(file) == plan


# --- order of a hierarchy -------------------------------------------------------------------------------------------


@st.composite
def trees(draw: st.DrawFn) -> Plan:
    """A plan of up to three levels whose tasks depend on siblings by id and on any others by path."""

    def paths(prefix: str, depth: int) -> list[str]:
        found: list[str] = []
        for number in range(draw(st.integers(1, 3))):
            found.append(f"{prefix}t{number}")
            if depth and draw(st.booleans()):
                found += paths(f"{prefix}t{number}/", depth - 1)
        return found

    every = paths("", 2)
    loose = draw(st.booleans())  # then a task may depend on itself, on what it is in, on what is in it, on later ones

    def tasks(prefix: str) -> tuple[Task, ...]:
        made: list[Task] = []
        for path in every:
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and "/" not in name:
                earlier = [other for other in every[: every.index(path)] if not path.startswith(f"{other}/")]
                names = every if loose else [*earlier, *(task.id for task in made)]
                needs = draw(st.lists(st.sampled_from(names), max_size=2)) if names else []
                made.append(Task(id=name, description=path, depends_on=tuple(needs), subtasks=tasks(f"{path}/")))
        return tuple(made)

    return Plan(request="r", tasks=tasks(""))


def _derive_order(plan: Plan) -> set[tuple[str, str]]:
    """Return all pairs of leaves in which the first must finish before the second may start, from the definition.

    A task that depends on another has all of its leaves after all of the other's: its entries wait for the other's
    exits, and inside, entries come first and exits last.
    """
    leaves: dict[str, set[str]] = {}
    needs: dict[str, list[tuple[str, ...]]] = {}

    def visit(tasks: tuple[Task, ...], prefix: str) -> set[str]:
        inside: set[str] = set()
        for task in tasks:
            path = f"{prefix}{task.id}"
            needs[path] = [(f"{prefix}{name}", name) for name in task.depends_on]
            leaves[path] = visit(task.subtasks, f"{path}/") or {path}
            inside |= leaves[path]
        return inside

    visit(plan.tasks, "")
    pairs: set[tuple[str, str]] = set()
    for path, names in needs.items():
        for sibling, named in names:
            target = sibling if sibling in leaves else named
            pairs |= set(itertools.product(leaves[target], leaves[path]))
    return _join(pairs)


def _route(plan: Plan, agent: str = "worker") -> RoutedPlan:
    return RoutedPlan(plan=plan, routes={node.path: Route(agent=agent) for node in outline(plan).leaf_nodes()})


def _registry(**more: Any) -> Registry:
    names = ("worker", "other")
    return Registry(agents=tuple(AgentProfile.model_validate({"name": name, **more}) for name in names))


@PROFILE
@given(trees())
def test_compiled_leaves_wait_for_exactly_what_the_hierarchy_implies(plan: Plan):
    implied = _derive_order(plan)
    assume(all(early != late for early, late in implied))
    leaves = compile_program(_route(plan), _registry()).leaves
    reaches = _reaches([leaf.after for leaf in leaves])
    assert {(leaves[early].path, leaves[late].path) for early, late in reaches} == implied


@PROFILE
@given(trees())
def test_a_plan_that_would_wait_for_itself_has_a_cycle_in_its_order(plan: Plan):
    tree = outline(plan)
    implied = _derive_order(plan)
    order = junctions(tree, dataflow(plan, tree).edges())
    assert (find_cycle(order.before) is not None) == any(early == late for early, late in implied)


# --- fingerprints ---------------------------------------------------------------------------------------------------


def _prints(
    *tasks: dict[str, Any], agent: str = "worker", registry: dict[str, Any] | None = None, **head: Any
) -> dict[str, str]:
    documents = [{"description": "work", **task} for task in tasks]
    plan = Plan.model_validate({"request": "r", "tasks": documents, **head})
    return {
        leaf.path: leaf.fingerprint
        for leaf in compile_program(_route(plan, agent), _registry(**(registry or {}))).leaves
    }


WORK = _optional(type=WORDS, description=WORDS.filter(bool), outputs=st.lists(WORDS, max_size=2)).map(
    lambda work: {"id": "a", **work}
)


@PROFILE
@given(WORK, WORK, st.integers(0, 5), st.floats(1, 9))
def test_equal_work_has_equal_fingerprints_whatever_is_around_it(
    work: dict[str, Any], other: dict[str, Any], retries: int, seconds: float
):
    alone = _prints(work)["a"]
    beside = {**other, "id": "b"}
    renamed = {**work, "id": "z", "retries": retries, "estimate": {"seconds": seconds}, "timeout_s": seconds}
    assert _prints(work, beside)["a"] == alone
    assert _prints(beside, work)["a"] == alone
    assert _prints({**renamed, "labels": {"k": "v"}}, request="another")["z"] == alone


@PROFILE
@given(WORK, WORK)
def test_fingerprints_are_equal_exactly_when_the_work_is(first: dict[str, Any], second: dict[str, Any]):
    one, two = (Task.model_validate({"description": "work", **work}) for work in (first, second))
    same = (one.type, one.description, one.outputs) == (two.type, two.description, two.outputs)
    assert (_prints(first) == _prints(second)) == same


_CHANGES: tuple[dict[str, Any], ...] = (
    {"a": {}},
    {"a": {"description": "else"}},
    {"a": {"type": "else"}},
    {"a": {"outputs": ["k"]}},
    {"a": {"inputs": {"x": 1}}},
    {"a": {"inputs": {"x": True}}},
    {"a": {"inputs": {"x": "1"}}},
    {"a": {"inputs": {"y": 1}}},
    {"a": {"inputs": {"x": "{v}"}}, "vars": {"v": "1"}},
    {"a": {"inputs": {"x": "{v}"}}, "vars": {"v": "2"}},
    {"a": {"depends_on": ["b"]}},
    {"a": {"depends_on": ["b"]}, "b": {"type": "else"}},
    {"a": {"depends_on": ["b", "c"]}},
    {"a": {"depends_on": ["b", "c"]}, "c": {"type": "else"}},
    {"a": {}, "agent": "other"},
    {"a": {}, "registry": {"executor": {"kind": "rehearsal"}}},
    {"a": {}, "registry": {"executor": {"kind": "rehearsal", "scale": 2}}},
    {"a": {}, "registry": {"executors": {"generic": {"kind": "llm", "model": "m"}}}},
)


def test_whatever_decides_the_result_changes_the_fingerprint():
    prints = [
        _prints(
            {"id": "b", **change.pop("b", {})},
            {"id": "c", **change.pop("c", {})},
            {"id": "a", **change.pop("a")},
            **change,
        )["a"]
        for change in map(dict, _CHANGES)
    ]
    assert len(set(prints)) == len(prints)
