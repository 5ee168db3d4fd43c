"""Find what the conditions of a plan mean: the task that produces each result in a `when`."""

from __future__ import annotations

from dataclasses import dataclass

from genesis.model import Plan
from genesis.structure.conditions import Condition, ConditionError, parse_condition
from genesis.structure.dataflow import find_meaning
from genesis.structure.outline import Outline

__all__ = ["Conditions", "ResolvedCondition", "WhenFault", "find_conditions"]


@dataclass(frozen=True, slots=True)
class ResolvedCondition:
    """The `when` of a task, with the meaning of its references."""

    condition: Condition
    sources: dict[str, int]
    """For each reference to a result, the leaf that produces it."""
    keys: dict[str, str]
    """For each of these, the key."""


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
    for node in outline.nodes:
        if node.task.when is None:
            continue
        try:
            condition = parse_condition(node.task.when)
        except ConditionError as error:
            faults.append(WhenFault(node.index, error.message, error.hint))
            continue
        resolved = ResolvedCondition(condition, {}, {})
        before = len(faults)
        for name in condition.references:
            if name in plan.vars or name in plan.params:
                continue
            meaning = find_meaning(outline, node, name)
            if meaning is None:
                hint = "name a variable or parameter of the plan, or a task before it and a result: `{task.key}`"
                faults.append(WhenFault(node.index, f"{{{name}}} is no variable, parameter or result", hint, name))
            elif meaning.producer is None:
                hint = f"name the result in the `outputs` of {meaning.task!r}"
                faults.append(WhenFault(node.index, f"it uses {{{name}}}, but {meaning.reason}", hint, name))
            else:
                resolved.sources[name] = meaning.producer
                resolved.keys[name] = meaning.key
        if len(faults) == before:
            found[node.index] = resolved
    return Conditions(found, tuple(faults))
