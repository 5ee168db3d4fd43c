"""The variables and parameters that no task of a plan uses."""

from __future__ import annotations

from collections.abc import Iterable

from genesis.structure.for_each import list_for_each_names
from genesis.structure.outline import Outline
from genesis.structure.references import references, referring
from genesis.structure.when import Conditions

__all__ = ["find_unused_names"]


def find_unused_names(names: Iterable[str], outline: Outline, conditions: Conditions) -> list[str]:
    """Return those of some names that stand in braces nowhere in a plan.

    Looked at are inputs, environments, descriptions, `when`, `for_each` and `with`, until each name was found.
    """
    left = dict.fromkeys(names)
    for node in outline.nodes:
        if not left:
            return []
        task = node.task
        for name in references([referring(task), task.description, dict(task.with_)]):
            left.pop(name, None)
        for name in list_for_each_names(task):
            left.pop(name, None)
    for found in conditions.by_node.values():
        for name in found.condition.references:
            left.pop(name, None)
    return [*left]
