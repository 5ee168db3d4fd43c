"""A plan and a program as graphs of tasks, for networkx and for drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from genesis.graph import find_longest_chains, new_digraph, topological_order
from genesis.model import Leaf, Plan, Program, Route
from genesis.structure.dataflow import dataflow
from genesis.structure.outline import Node, Outline, outline
from genesis.structure.references import split

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["build_plan_graph", "build_program_graph"]


def build_plan_graph(plan: Plan, routes: Mapping[str, Route] | None = None) -> DiGraph[str]:
    """Build the graph of a plan as it is written: composites and leaves, and the edges that it states.

    A plan with faults has the nodes and edges that can be found; of two tasks with one path the first is the node.

    Args:
        plan: The plan.
        routes: Route by path, in place of those in the plan.
    """
    tree = outline(plan)
    flow = dataflow(plan, tree)
    paths = [node.path for node in tree.nodes]
    graph = new_digraph(request=plan.request, planner=plan.planner)
    for path, index in tree.by_path.items():
        graph.add_node(path, **_present(_describe_task(tree, tree.nodes[index], (routes or {}).get(path))))
    for node, sources in enumerate(tree.before):
        graph.add_edges_from(((paths[source], paths[node]) for source in sources), kind="depends_on")
    for node, references in flow.sources.items():
        keys = flow.keys.get(node, {})
        for reference, source in references.items():
            stated = graph.has_edge(paths[source], paths[node])
            _add_input(graph, paths[source], paths[node], _key(reference, keys), is_stated=stated)
    return graph


def build_program_graph(program: Program) -> DiGraph[str]:
    """Build the graph of a program: its leaves, and for each the leaves that it comes directly after.

    Leaves that all come after the same many have an edge from each of these: 1,000 after 1,000 are a million edges.
    """
    leaves = program.leaves
    graph = new_digraph(request=program.request, planner=program.source.plan.planner)
    before = [leaf.after for leaf in leaves]
    order = topological_order(before) or []
    priorities = find_longest_chains(before, [leaf.seconds for leaf in leaves], order)
    for leaf in leaves:
        graph.add_node(leaf.path, **_present(_describe_leaf(leaf)), priority=priorities[leaf.index])
    tree = outline(program.source.plan, as_run=True)
    for leaf in leaves:
        graph.add_edges_from(((leaves[source].path, leaf.path) for source in leaf.after), kind="depends_on")
        for reference, source in leaf.sources.items():
            start = leaves[source].path
            stated = _is_stated(tree, start, leaf.path)
            _add_input(graph, start, leaf.path, _key(reference, leaf.keys), is_stated=stated)
    return graph


def _describe_task(tree: Outline, node: Node, route: Route | None) -> dict[str, Any]:
    task, estimate = node.task, node.task.estimate
    chosen = route or task.route
    return {
        "index": node.index,
        "type": task.type,
        "description": task.description,
        "composite": not node.is_leaf,
        "parent": tree.nodes[node.parent].path if node.parent >= 0 else None,
        "agent": chosen.agent if chosen is not None else task.agent,
        "score": chosen.score if chosen is not None else None,
        "seconds": estimate.seconds if estimate else None,
        "usd": float(estimate.usd) if estimate and estimate.usd is not None else None,
        "tokens": estimate.tokens if estimate else None,
        "requires": task.requires or None,
        "outputs": tuple(task.outputs) or None,
        "side_effects": task.side_effects,
        "approval": task.approval,
    }


def _describe_leaf(leaf: Leaf) -> dict[str, Any]:
    return {
        "index": leaf.index,
        "type": leaf.type,
        "description": leaf.description,
        "composite": False,
        "parent": leaf.path.rpartition("/")[0] or None,
        "agent": leaf.agent,
        "seconds": leaf.seconds if leaf.seconds_known else None,
        "usd": float(leaf.usd) if leaf.usd_known else None,
        "tokens": leaf.tokens or None,
        "outputs": leaf.outputs or None,
        "side_effects": leaf.side_effects,
        "approval": leaf.approval,
        "fingerprint": leaf.fingerprint,
    }


def _present(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _key(reference: str, keys: Mapping[str, str]) -> str:
    """Find the key of a result in a reference such as `{lint.findings}`."""
    if reference in keys:
        return keys[reference]
    parts = split(reference)
    return parts[1] if parts is not None else reference


def _add_input(graph: DiGraph[str], source: str, target: str, key: str, *, is_stated: bool) -> None:
    """Add to the edge between two tasks that a result goes along it."""
    known: dict[str, Any] = graph.get_edge_data(source, target) or {}
    kind = "both" if is_stated and known.get("kind") != "input" else "input"
    graph.add_edge(source, target, kind=kind, keys=tuple(dict.fromkeys((*known.get("keys", ()), key))))


def _is_stated(tree: Outline, source: str, target: str) -> bool:
    """Whether a leaf comes after another by `depends_on`, its own or that of a composite around it."""
    start, end = tree.by_path.get(source), tree.by_path.get(target)
    if start is None or end is None:
        return False
    before = {index for node in _around(tree, end) for index in tree.before[node]}
    return not before.isdisjoint(_around(tree, start))


def _around(tree: Outline, index: int) -> Iterator[int]:
    """List a task and the composites around it."""
    while index >= 0:
        yield index
        index = tree.nodes[index].parent
