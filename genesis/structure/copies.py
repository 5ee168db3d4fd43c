"""How often the tasks of a plan run: once, or once for each value of the `for_each` tasks that they are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from genesis.structure.for_each import (
    Scope,
    combine_lists,
    count_values,
    is_item_name,
    list_for_each_names,
    written_lists,
)
from genesis.structure.outline import Outline

__all__ = ["Copies", "count_copies"]

_MOST_TRIED = 100_000
"""Values of which each is looked at, where the list of an inner `for_each` is a part of it."""


@dataclass(frozen=True, slots=True)
class Copies:
    """How often the tasks of a plan run, as far as the plan says."""

    times: dict[int, int] = field(default_factory=dict)
    """For each node inside of a `for_each` task, itself included. All others run once."""
    unknown: tuple[int, ...] = ()
    """The `for_each` tasks whose list is a task's result; they count as if they had one value."""
    faults: dict[int, str] = field(default_factory=dict)
    """The `for_each` tasks that have no list, and why; they count as if they had one value."""
    rounds: dict[int, int] = field(default_factory=dict)
    """For each `for_each` task how many of its copies surely run one after the other, by its `max_parallel`."""
    at_once: dict[int, int] = field(default_factory=dict)
    """For each node inside of a `for_each` task, itself included: how often it could surely run at once."""

    def of(self, node: int) -> int:
        """Return how often a task runs."""
        return self.times.get(node, 1)


def count_copies(outline: Outline, plan: Mapping[str, JsonValue]) -> Copies:
    """Count the copies in a plan as it is written, without making them.

    Args:
        outline: The plan's.
        plan: Values of its variables and parameters.
    """
    if not outline.scopes:
        return Copies()
    counter = _Counter(outline, plan)
    for index in counter.inner[-1]:
        counter.visit(index, None, 1)
    at_once: dict[int, int] = {}
    for index, scope in outline.scopes.items():  # what is around a task comes before it
        outer = at_once.get(outline.nodes[index].parent, 1)
        at_once[index] = outer * counter.widths.get(index, 1) if index == scope else at_once[scope]
    return Copies(dict(counter.times), tuple(sorted(counter.unknown)), counter.faults, counter.rounds, at_once)


class _Counter:
    def __init__(self, outline: Outline, plan: Mapping[str, JsonValue]) -> None:
        self._nodes = outline.nodes
        self._plan = plan
        self._members: dict[int, list[int]] = defaultdict(list)
        self.inner: dict[int, list[int]] = defaultdict(list)
        """For each `for_each` task, and -1 for the plan, the nearest ones inside of it."""
        for index, scope in outline.scopes.items():
            self._members[scope].append(index)
            if index == scope:
                self.inner[outline.scopes.get(self._nodes[index].parent, -1)].append(index)
        self.times: dict[int, int] = defaultdict(int)
        self.unknown: set[int] = set()
        self.faults: dict[int, str] = {}
        self.rounds: dict[int, int] = {}
        self.widths: dict[int, int] = {}
        """For each `for_each` task how many of its copies could run at once, in one copy of what is around it."""

    def visit(self, index: int, scope: Scope | None, factor: int) -> None:
        """Add the copies of a `for_each` task and of all in it, for one copy around it or for `factor` equal ones."""
        lists = None
        try:
            lists = written_lists(self._nodes[index].task.for_each, self._plan, scope)
            if lists is None:
                self.unknown.add(index)
        except ValueError as error:
            self.faults.setdefault(index, str(error))
        count = 1 if lists is None else count_values(lists)
        most = self._nodes[index].task.max_parallel or max(1, count)
        self.rounds[index] = min(self.rounds.get(index, count), -(-count // most))
        self.widths[index] = min(self.widths.get(index, count), count, most)
        for member in self._members[index]:
            self.times[member] += factor * count
        for inner in self.inner[index]:
            if lists is None or count > _MOST_TRIED or not self._uses_item(inner):
                self.visit(inner, None, factor * count)
                continue
            for position, item in enumerate(combine_lists(lists)):
                self.visit(inner, Scope(item, position), factor)

    def _uses_item(self, index: int) -> bool:
        return any(map(is_item_name, list_for_each_names(self._nodes[index].task)))
