"""Whether each `for_each` has a list, and its task what it takes from the values."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from genesis.structure import (
    Node,
    Scope,
    is_item_name,
    list_for_each_names,
    references,
    referring,
    written_lists,
)
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = [
    "count_unknown",
    "dependency_inside",
    "item_missing",
    "list_empty",
    "list_missing",
    "name_taken",
    "settings_unused",
]

_RESERVED = ("item", "index")


def _tasks(facts: PlanFacts) -> list[Node]:
    """Return the tasks with `for_each` as they are written; none of a plan that grew, which has its copies."""
    if facts.outline.as_run:
        return []
    return [facts.outline.nodes[index] for index, scope in facts.outline.scopes.items() if index == scope]


@check(
    "GEN-FOR-EACH-LIST",
    "error",
    finds="a `for_each` that is no list: a name of neither a variable, a parameter nor a result, or another value",
    remedy="give a list, `{task.key}` of a result that is a list, a list parameter, or `{variable}` whose text is "
    "`a, b` or a JSON list",
)
def list_missing(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find lists that are none, before the run where that can be known."""
    for node in _tasks(facts):
        if node.index in facts.copies.faults:
            message = f"for_each of task {node.path!r}: {facts.copies.faults[node.index]}"
            yield CheckFinding(node.index, message)
        missing = {fault.reference for fault in facts.flow.missing if fault.node == node.index}
        known = {*facts.flow.sources.get(node.index, ()), *facts.names, *missing}
        for name in list_for_each_names(node.task):
            if name in known or (is_item_name(name) and node.parent in facts.outline.scopes):
                continue
            outputs = (f"{each.path}.{key}" for each in facts.outline.nodes for key in each.task.outputs)
            message = (
                f"for_each of task {node.path!r} is {{{name}}}, which is neither a variable, a parameter nor a result"
            )
            hint = facts.guess(name, facts.names, outputs)
            yield CheckFinding(node.index, message, hint=hint, evidence={"reference": name})


@check(
    "GEN-FOR-EACH-ITEM",
    "error",
    finds="an `{item.key}` that a value of the list does not have",
    remedy="correct the key, or give it to every value of the list; for plain text double the braces",
)
def item_missing(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find keys that a copy would miss; one finding a task and name."""
    unusable = {*facts.copies.faults, *facts.copies.unknown}
    for index, scope, name in dict.fromkeys(_find_uses(facts)):
        around = facts.outline.nodes[scope]
        if scope not in unusable and (why := _find_fault(facts, around, name)) is not None:
            message = f"task {facts.path(index)!r} uses {{{name}}}, but {why}"
            yield CheckFinding(index, message, evidence={"reference": name, "for_each": around.path})


def _find_uses(facts: PlanFacts) -> Iterator[tuple[int, int, str]]:
    """Yield each `item.key`: the task that uses it, and the `for_each` task whose value it is of."""
    nodes, scopes = facts.outline.nodes, facts.outline.scopes
    for index, scope in scopes.items() if not facts.outline.as_run else ():
        texts: list[JsonValue] = [nodes[index].task.description]
        if not nodes[index].children:
            texts.append(referring(nodes[index].task))
        yield from ((index, scope, name) for name in references(texts) if name.startswith("item."))
    for index, found in facts.conditions.by_node.items() if not facts.outline.as_run else ():
        around = scopes.get(nodes[index].parent)  # the `when` of a `for_each` task is about the copy around it
        if around is not None:
            yield from ((index, around, name) for name in found.condition.references if name.startswith("item."))


def _find_fault(facts: PlanFacts, around: Node, name: str) -> str | None:
    """Return why some copy has no value for a name; None where all have one, or the list depends on an outer value."""
    if any(map(is_item_name, list_for_each_names(around.task))):
        return None
    lists = written_lists(around.task.for_each, facts.values) or {}
    for key, values in lists.items():
        items = values if not key else [{key: value} for value in values]
        if key and not (name == f"item.{key}" or name.startswith(f"item.{key}.")):
            continue
        for position, item in enumerate(items):
            try:
                Scope(item, position).lookup(name)
            except ValueError as error:
                return str(error)
        return None
    return None if "" in lists else f"the map has only {', '.join(map(repr, list(lists)[:5]))}"


@check(
    "GEN-FOR-EACH-NAME",
    "error",
    finds="a variable or parameter `item` or `index`, or a task `item`, in a plan with `for_each`, which has its own",
    remedy="give it another name",
)
def name_taken(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find names that would mean two things."""
    if not _tasks(facts):
        return
    for name in _RESERVED:
        if name in facts.names:
            noun = "parameter" if name in facts.plan.params else "variable"
            yield CheckFinding(None, f"the {noun} {name!r} has the name of a copy's value", evidence={"name": name})
    for node in facts.outline.nodes:
        if node.task.id == _RESERVED[0]:
            yield CheckFinding(node.index, f"task {node.path!r} has the name of a copy's value")


@check(
    "GEN-FOR-EACH-INSIDE",
    "error",
    finds="a `depends_on` that leads into a `for_each` task, of which there are as many as values",
    remedy="depend on the `for_each` task itself",
)
def dependency_inside(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find dependencies on a part of a copy from outside of it."""
    nodes, scopes = facts.outline.nodes, facts.outline.scopes
    if facts.outline.as_run or not scopes:
        return
    for node, targets in enumerate(facts.outline.before):
        own = _around(facts, node)
        for target in targets:
            entered = [each for each in _around(facts, nodes[target].parent) if each not in own]
            closed = [each for each in entered if nodes[each].task.for_each is not None]
            if closed:
                message = f"task {facts.path(node)!r} depends on {facts.path(target)!r}, of which there is one a value"
                yield CheckFinding(node, message, hint=f"depend on {facts.path(closed[-1])!r}")


def _around(facts: PlanFacts, node: int) -> list[int]:
    """List a task and all composites around it, from the inside."""
    found: list[int] = []
    while node >= 0:
        found.append(node)
        node = facts.outline.nodes[node].parent
    return found


@check(
    "GEN-FOR-EACH-SETTINGS",
    "warning",
    finds="`max_parallel` or `on_failure` of a task without `for_each`",
    remedy="remove it, or add `for_each`",
)
def settings_unused(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find settings of copies where there are none."""
    if facts.outline.as_run or facts.given.isdisjoint(("max_parallel", "on_failure")):
        return
    for node in facts.outline.nodes:
        names = [name for name in ("max_parallel", "on_failure") if name in node.task.model_fields_set]
        if names and node.task.for_each is None:
            yield CheckFinding(node.index, f"task {node.path!r} has {' and '.join(names)}, but no for_each")


@check(
    "GEN-FOR-EACH-EMPTY",
    "info",
    finds="a `for_each` without values: the task is done at once, with an empty list",
    remedy="no action is needed if that is meant",
)
def list_empty(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find lists without values."""
    for node in _tasks(facts):
        if facts.copies.times.get(node.index) == 0:
            yield CheckFinding(node.index, f"for_each of task {node.path!r} has no values")


@check(
    "GEN-FOR-EACH-UNKNOWN",
    "info",
    finds="a `for_each` whose list is a task's result: limits, budget and times count one copy",
    remedy="no action is needed; the limits are checked again when the list is known",
)
def count_unknown(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find lists that are known only while the plan runs."""
    for index in facts.copies.unknown:
        yield CheckFinding(index, f"how many copies task {facts.path(index)!r} has is known when its list is")
