"""Changes to a plan: updated and removed tasks, and the record of a repair."""

from __future__ import annotations

from dataclasses import dataclass, field

from genesis.model import Plan, Task
from genesis.structure.outline import Outline

__all__ = ["Changes", "Repair"]


@dataclass(frozen=True, slots=True)
class Repair:
    """One fault and its repair."""

    code: str
    """`GEN-REPAIR-…`."""
    task: str | None
    """Path of the task; none for the plan as a whole."""
    text: str
    """The repair, with the ids."""


@dataclass(slots=True)
class Changes:
    """Changes to single tasks, by node, and nodes to leave out."""

    updates: dict[int, dict[str, object]] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)

    def set(self, node: int, **values: object) -> None:
        """Set other values of a task."""
        self.updates.setdefault(node, {}).update(values)

    def apply(self, plan: Plan, view: Outline) -> Plan:
        """Rebuild the plan from its leaves up; untouched tasks stay the same objects."""
        if not self.updates and not self.dropped:
            return plan
        made: dict[int, Task] = {}
        for node in reversed(view.nodes):
            if node.index in self.dropped:
                continue
            children = tuple(made[child] for child in node.children if child in made)
            update = dict(self.updates.get(node.index, {}))
            if len(children) != len(node.children) or any(
                new is not old for new, old in zip(children, node.task.subtasks, strict=True)
            ):
                update["subtasks"] = children
            made[node.index] = node.task.model_copy(update=update) if update else node.task
        top = tuple(made[node.index] for node in view.nodes if node.parent < 0 and node.index in made)
        return plan.model_copy(update={"tasks": top})
