"""Find what the conditions of a plan mean: the task that produces each result in a `when`."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from genesis.model import Plan
from genesis.structure.conditions import ConditionError, WhenExpression, parse_condition
from genesis.structure.dataflow import find_meaning, find_scope
from genesis.structure.for_each import is_item_name
from genesis.structure.outline import Node, Outline
from genesis.structure.plan_values import value_names

__all__ = ["Conditions", "ResolvedCondition", "WhenFault", "find_conditions"]


@dataclass(frozen=True, slots=True)
class ResolvedCondition:
    """The `when` of a task, with the meaning of its references."""

    condition: WhenExpression
    sources: dict[str, int]
    """For each reference to a result, the leaf that produces it."""
    keys: dict[str, str]
    """For each of these, the key."""
    items: dict[str, JsonValue]
    """In a copy of a `for_each` task: the value of each `{item}`, `{item.key}` and `{index}`."""


@dataclass(frozen=True, slots=True)
class WhenFault:
    """A `when` that has no meaning."""

    node: int
    reason: str
    hint: str
    reference: str = ""
    """The reference that is at fault, if one is."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a plan."""

    by_node: dict[int, ResolvedCondition]
    """By the outline's node; only those without a fault."""
    faults: tuple[WhenFault, ...]


def find_conditions(plan: Plan, outline: Outline) -> Conditions:
    """Read the `when` of every task, composites included, and resolve its references."""
    found: dict[int, ResolvedCondition] = {}
    faults: list[WhenFault] = []
    known = value_names(plan)
    for node in outline.nodes:
        if node.task.when is None:
            continue
        try:
            condition = parse_condition(node.task.when)
        except ConditionError as error:
            faults.append(WhenFault(node.index, error.message, error.hint))
            continue
        resolved = ResolvedCondition(condition, {}, {}, {})
        wrong = [
            fault
            for name in condition.references
            if name not in known and (fault := _resolve(outline, node, name, resolved)) is not None
        ]
        faults += wrong
        if not wrong:
            found[node.index] = resolved
    return Conditions(found, tuple(faults))


def _resolve(outline: Outline, node: Node, name: str, resolved: ResolvedCondition) -> WhenFault | None:
    """Add what a reference in a condition means, or return why it means nothing."""
    if is_item_name(name) and node.parent in outline.scopes:
        return _resolve_item(outline, node, name, resolved)
    meaning = find_meaning(outline, node, name)
    if meaning is None:
        reason = f"{{{name}}} is no variable, parameter or result"
        hint = "name a variable or parameter of the plan, or a task before it and a result: `{task.key}`"
        if is_item_name(name) and node.task.for_each is not None:
            reason = f"{{{name}}} has no value in it, since it is about all copies at once"
            hint = "give the task subtasks: the `when` of a subtask is about its own copy"
        return WhenFault(node.index, reason, hint, name)
    if meaning.producer is None:
        hint = f"name the result in the `outputs` of {meaning.task!r}"
        return WhenFault(node.index, f"it uses {{{name}}}, but {meaning.reason}", hint, name)
    resolved.sources[name] = meaning.producer
    resolved.keys[name] = meaning.key
    return None


def _resolve_item(outline: Outline, node: Node, name: str, resolved: ResolvedCondition) -> WhenFault | None:
    """Add the value of a copy that a name stands for; in a plan as it is written it has none yet."""
    scope = find_scope(outline, node.parent)
    if scope is not None:
        try:
            resolved.items[name] = scope.lookup(name)
        except ValueError as error:
            hint = "correct the key, or give it to every value of the list"
            return WhenFault(node.index, f"it uses {{{name}}}, but {error}", hint, name)
    return None
