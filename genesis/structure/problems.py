"""Is a plan sound: tasks, names, order, data flow and limits?

The codes are those of validation's checks for the same faults, so that there is one set to know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from genesis.graph import find_cycle
from genesis.model import Plan
from genesis.settings import Limits
from genesis.structure.copies import count_copies
from genesis.structure.dataflow import DataFlow, dataflow
from genesis.structure.embed import is_unread
from genesis.structure.junctions import Junctions, junctions
from genesis.structure.outline import Outline, outline
from genesis.structure.plan_values import plan_values

__all__ = ["Problem", "Shape", "find_problems"]

_SHOWN = 8
"""Tasks of a cycle that a message names."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing without which put right there is no order to run the plan in."""

    code: str
    """That of validation's check for it."""
    message: str
    path: str | None = None
    """The task that it is about; None for the plan as a whole."""


@dataclass(frozen=True)
class Shape:
    """A plan and what follows from it, worked out when it is first asked for."""

    plan: Plan
    limits: Limits
    planned: bool = True
    """Whether a planner made it: only then it is held to depth and fan-out."""

    @cached_property
    def outline(self) -> Outline:
        """All of its tasks, flat."""
        return outline(self.plan)

    @cached_property
    def flow(self) -> DataFlow:
        """Which tasks use the results of which."""
        return dataflow(self.plan, self.outline)


def find_problems(shape: Shape) -> Iterator[Problem]:
    """Yield what is wrong with a plan's structure: names and dependencies first, then order, then size."""
    for part in (_empty, _names, _uses, _dependencies, _inputs, _order, _limits):
        yield from part(shape)


def _empty(shape: Shape) -> Iterator[Problem]:
    if not shape.plan.tasks:
        yield Problem("GEN-PLAN-EMPTY", "it has no task")


def _names(shape: Shape) -> Iterator[Problem]:
    for index in shape.outline.duplicates:
        path = shape.outline.nodes[index].path
        yield Problem("GEN-ID-DUPLICATE", f"two tasks are called {path!r}", path)


def _uses(shape: Shape) -> Iterator[Problem]:
    for node in shape.outline.leaf_nodes():
        if is_unread(node.task):
            yield Problem("GEN-USE-UNREAD", f"{node.path!r} uses the plan file {node.task.use!r}, not read", node.path)


def _dependencies(shape: Shape) -> Iterator[Problem]:
    for each in shape.outline.unresolved:
        path = shape.outline.nodes[each.node].path
        yield Problem("GEN-DEPENDENCY-DANGLING", f"{path!r} depends on {each.name!r}, which is no task", path)


def _inputs(shape: Shape) -> Iterator[Problem]:
    for each in shape.flow.missing:
        path = shape.outline.nodes[each.node].path
        yield Problem("GEN-INPUT-MISSING", f"{path!r} needs {{{each.reference}}}: {each.reason}", path)
    for each in shape.flow.missing_files:
        path = shape.outline.nodes[each.node].path
        yield Problem("GEN-FILE-UNKNOWN", f"{path!r} needs the file {{{each.reference}}}: {each.reason}", path)


def _order(shape: Shape) -> Iterator[Problem]:
    """Look at `depends_on` first: a cycle of it is the one to show."""
    stated = _cycle(shape.outline, junctions(shape.outline))
    found = stated or _cycle(shape.outline, junctions(shape.outline, shape.flow.edges()))
    if found:
        yield found


def _cycle(shape: Outline, order: Junctions) -> Problem | None:
    cycle = find_cycle(order.before)
    if cycle is None:
        return None
    paths = list(dict.fromkeys(shape.nodes[order.node_of(vertex)].path for vertex in cycle))
    shown = " → ".join(paths[:_SHOWN]) + (" → …" if len(paths) > _SHOWN else "")
    return Problem("GEN-CYCLE", f"its order is a cycle: {shown} → {paths[0]}", paths[0])


def _limits(shape: Shape) -> Iterator[Problem]:
    nodes, limits = shape.outline.nodes, shape.limits
    if not nodes:
        return
    depth = max(node.depth for node in nodes)
    if shape.planned and depth > limits.depth:
        yield Problem("GEN-PLAN-DEPTH", f"it is {depth} levels deep; the limit is {limits.depth}")
    parent, widest = Counter(node.parent for node in nodes).most_common(1)[0]
    if shape.planned and widest > limits.fan_out:
        path = nodes[parent].path if parent >= 0 else None
        place = f"{path!r}" if path else "its top level"
        message = f"{place} has {widest:,} tasks side by side; the limit is {limits.fan_out}"
        yield Problem("GEN-PLAN-FAN-OUT", message, path)
    copies = count_copies(shape.outline, plan_values(shape.plan))
    leaves = sum(map(copies.of, shape.outline.leaves))
    if leaves > limits.leaves:
        yield Problem("GEN-LEAF-LIMIT", f"it has {leaves:,} leaves; the limit is {limits.leaves:,}")
