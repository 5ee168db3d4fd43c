"""Remove the tasks of a plan that exceed its limits."""

from __future__ import annotations

from genesis.model import Plan
from genesis.settings import Limits
from genesis.structure.changes import Changes, Repair
from genesis.structure.outline import Outline, outline

__all__ = ["within_limits"]


def within_limits(plan: Plan, limits: Limits, repairs: list[Repair]) -> Plan:
    """Leave out what is too deep, too many siblings, and leaves beyond the total."""
    view = outline(plan)
    changes = Changes()
    room = limits.leaves
    siblings: dict[int, int] = {}
    counts: dict[str, int] = {}
    for node in view.nodes:
        if node.parent in changes.dropped:
            changes.dropped.add(node.index)
            continue
        siblings[node.parent] = siblings.get(node.parent, 0) + 1
        is_leaf = not node.children or node.depth >= limits.depth
        reason = ""
        if node.depth > limits.depth:
            reason = f"deeper than {limits.depth} levels"
        elif siblings[node.parent] > limits.fan_out:
            reason = f"more than {limits.fan_out} in one place"
        elif is_leaf and room <= 0:
            reason = f"more than {limits.leaves} leaves in all"
        elif is_leaf:
            room -= 1
        if reason:
            changes.dropped.add(node.index)
            counts[reason] = counts.get(reason, 0) + 1
    _drop_hollow(view, changes, limits.depth)
    for reason, count in counts.items():
        repairs.append(Repair("GEN-REPAIR-LIMIT", None, f"{count} task(s) were left out: {reason}"))
    return changes.apply(plan, view)


def _drop_hollow(view: Outline, changes: Changes, depth: int) -> None:
    """Leave out composites that lost all their subtasks to the total, so that they do not turn into leaves."""
    for node in reversed(view.nodes):
        hollow = bool(node.children) and all(child in changes.dropped for child in node.children)
        if hollow and node.depth < depth:
            changes.dropped.add(node.index)
