"""Where the values of inputs come from: a person, or somebody whose words may neither execute nor write anything."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from genesis.model import ExpandedTask, Plan, RoutedPlan
from genesis.model.scalars import canonical
from genesis.structure.for_each import is_item_name
from genesis.structure.references import references

__all__ = ["Source", "find_sources"]

Source = Literal["person", "request", "model", "result", "service"]
"""`person`: a plan file, a playbook, the command line. `request`: words of the request. `model`: a language model wrote
the task. `result`: an earlier task. `service`: the task was added while the plan ran."""


def find_sources(
    routed: RoutedPlan, path: str, inputs: Mapping[str, JsonValue], literal: Container[str], produced: Container[str]
) -> dict[str, Source]:
    """Find the source of each input of a leaf.

    Args:
        routed: The plan.
        path: The leaf.
        inputs: As they are written.
        literal: Names of those without references.
        produced: The references in them that are results.

    Returns:
        Source by input; those of a person are left out.
    """
    steps = path.split("/")
    is_grown = any("/".join(steps[:count]) in routed.added for count in range(1, len(steps) + 1))
    is_foreign = is_grown and _is_in_added_group(routed, steps)
    found: dict[str, Source] = {}
    for name, value in inputs.items():
        names = [] if name in literal else references(value)
        if any(each in produced or (is_grown and is_item_name(each)) for each in names):
            found[name] = "result"
        elif is_foreign:
            found[name] = "service"
        elif routed.plan.planner != "file" and (source := _find_planned(routed.plan, name, value, names)) != "person":
            found[name] = source
    return found


def _is_in_added_group(routed: RoutedPlan, steps: Sequence[str]) -> bool:
    """Whether a leaf is in a group of new tasks, and not only in copies that a `for_each` task got."""
    tasks, path = routed.plan.tasks, ""
    for step in steps:
        path = f"{path}/{step}" if path else step
        task = next(each for each in tasks if each.id == step)
        if path in routed.added and task.for_each is None and not isinstance(task, ExpandedTask):
            return True
        tasks = task.subtasks
    return False


def _find_planned(plan: Plan, name: str, value: JsonValue, names: list[str]) -> Source:
    """Find the source of an input in a plan that a planner made: playbooks are a person's, variables may not be."""
    variables = [each for each in names if each in plan.vars]
    if any(each not in plan.trusted_vars for each in variables):
        return "request"
    if plan.planner != "llm":
        return "person"
    own = variables[:1] and (variables[0] == name or variables[0].startswith(f"{name}_"))
    return "person" if own and isinstance(value, str) and canonical(value) == f"{{{variables[0]}}}" else "model"
