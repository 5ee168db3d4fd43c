"""The dependencies of each task, for people: `depends_on`, and references in inputs."""

from __future__ import annotations

from genesis.model import Plan
from genesis.structure.dataflow import DataFlow, dataflow
from genesis.structure.outline import Node, Outline, outline
from genesis.structure.references import WHOLE_RESULT

__all__ = ["list_edges"]


def list_edges(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the dependencies of each task, by its path, as written in the plan.

    An entry of `depends_on` is unchanged. A task that only a reference in the inputs names follows with the keys
    that are used: `lint (findings)`. A plan with faults has the edges that can be found.
    """
    tree = outline(plan)
    flow = dataflow(plan, tree)
    found: dict[str, tuple[str, ...]] = {}
    for node in tree.nodes:
        used = _find_used_keys(tree, node, flow)
        referred = [f"{name} ({', '.join(keys)})" if keys else name for name, keys in used.items()]
        if names := [*node.task.depends_on, *referred]:
            found.setdefault(node.path, tuple(dict.fromkeys(names)))
    return found


def _find_used_keys(tree: Outline, node: Node, flow: DataFlow) -> dict[str, list[str]]:
    """Return the tasks that only references name, with the keys that are used of each."""
    before = set(tree.before[node.index])
    used: dict[str, list[str]] = {}
    with_dots = flow.keys.get(node.index, {})
    for reference, source in flow.sources.get(node.index, {}).items():
        key = with_dots.get(reference) or reference.rpartition(".")[2]
        if before & _with_ancestors(tree, source):
            continue
        keys = used.setdefault(reference.removesuffix(f".{key}"), [])
        if key != WHOLE_RESULT:
            keys.append(key)
    return used


def _with_ancestors(tree: Outline, index: int) -> set[int]:
    found: set[int] = set()
    while index >= 0:
        found.add(index)
        index = tree.nodes[index].parent
    return found
