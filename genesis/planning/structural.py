"""Is a plan that a planner made sound: names, order, data flow and limits?"""

from __future__ import annotations

from collections import Counter

from genesis.graph import find_cycle
from genesis.model import Plan
from genesis.settings import Limits
from genesis.structure import Junctions, Outline, dataflow, junctions, outline

__all__ = ["structural_problems"]

_SHOWN = 8


def structural_problems(plan: Plan, limits: Limits) -> list[str]:
    """Say what is wrong with a plan's structure; an empty list means that it can be routed and run.

    Only plans of planners and playbooks are held to depth and fan-out; a person's plan file may be wide.

    Args:
        plan: The plan.
        limits: Bounds on depth, fan-out and leaves.
    """
    if not plan.tasks:
        return ["it has no task"]
    shape = outline(plan)
    flow = dataflow(plan, shape)
    found = [f"two tasks are called {shape.nodes[index].path!r}" for index in shape.duplicates]
    found += [
        f"{shape.nodes[each.node].path!r} depends on {each.name!r}, which is no task" for each in shape.unresolved
    ]
    found += [f"{shape.nodes[each.node].path!r} needs {{{each.reference}}}: {each.reason}" for each in flow.missing]
    found += _cycle(shape, junctions(shape, flow.edges()))
    return (found + _beyond_limits(shape, limits))[:_SHOWN]


def _cycle(shape: Outline, order: Junctions) -> list[str]:
    cycle = find_cycle(order.before)
    if cycle is None:
        return []
    paths = list(dict.fromkeys(shape.nodes[order.node_of(vertex)].path for vertex in cycle))
    shown = " → ".join(paths[:_SHOWN]) + (" → …" if len(paths) > _SHOWN else "")
    return [f"its order is a cycle: {shown} → {paths[0]}"]


def _beyond_limits(shape: Outline, limits: Limits) -> list[str]:
    found: list[str] = []
    depth = max(node.depth for node in shape.nodes)
    if depth > limits.depth:
        found.append(f"it is {depth} levels deep; the limit is {limits.depth}")
    counts = Counter(node.parent for node in shape.nodes)
    parent, widest = counts.most_common(1)[0]
    if widest > limits.fan_out:
        place = f"{shape.nodes[parent].path!r}" if parent >= 0 else "its top level"
        found.append(f"{place} has {widest:,} tasks side by side; the limit is {limits.fan_out}")
    if len(shape.leaves) > limits.leaves:
        found.append(f"it has {len(shape.leaves):,} leaves; the limit is {limits.leaves:,}")
    return found
