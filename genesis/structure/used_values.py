"""The variables and parameters that the tasks of a plan use."""

from __future__ import annotations

from genesis.structure.for_each import list_for_each_names
from genesis.structure.outline import Outline
from genesis.structure.references import references, referring
from genesis.structure.when import Conditions

__all__ = ["list_used_names"]


def list_used_names(outline: Outline, conditions: Conditions) -> set[str]:
    """List the names in braces of all tasks: in inputs, environments, descriptions, conditions, `for_each`, `with`."""
    used: set[str] = set()
    for node in outline.nodes:
        task = node.task
        if task.inputs or task.env or "{" in task.description:
            used.update(references([referring(task), task.description]))
        if task.with_:
            used.update(references(task.with_))
        if task.for_each is not None:
            used.update(list_for_each_names(task))
    for found in conditions.by_node.values():
        used.update(found.condition.references)
    return used
