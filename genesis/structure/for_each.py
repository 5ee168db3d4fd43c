"""What `for_each` stands for: its values, the ids of the copies, and `{item}` and `{index}` inside of the task."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from genesis.model import ExpandedTask, Task
from genesis.model.scalars import canonical
from genesis.structure.references import WHOLE_RESULT, as_json_text, as_text, fill

__all__ = [
    "INDEX",
    "ITEM",
    "Scope",
    "combine_lists",
    "copy_id",
    "fill_description",
    "find_lists",
    "is_item_name",
    "list_for_each_names",
    "parse_variable",
    "promises",
    "promises_file",
    "put_in_items",
    "written_lists",
]

ITEM = "item"
INDEX = "index"
_LONGEST_NAME = 40
_NO_NAME = re.compile(r"[^\w.\-]+")

Lists = dict[str, list[JsonValue]]
"""The lists of a `for_each`; one that is no map has its list under an empty name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The value of one copy, which `{item}` and `{index}` stand for inside of it."""

    item: JsonValue
    index: int

    def lookup(self, name: str) -> JsonValue:
        """Find the value of `item`, `item.key` or `index`. Keys may hold dots.

        Raises:
            ValueError: The item has no such key.
        """
        if name == INDEX:
            return self.index
        value, rest = self.item, name.partition(".")[2]
        while rest:
            key, rest = _next_key(value, rest)
            if not isinstance(value, dict) or key not in value:
                what = f"has no {key!r}" if isinstance(value, dict) else "is no map"
                raise ValueError(f"value {self.index} of the list {what}")
            value = value[key]
        return value


def _next_key(value: JsonValue, rest: str) -> tuple[str, str]:
    if isinstance(value, dict) and rest in value:
        return rest, ""
    key, _, after = rest.partition(".")
    return key, after


def is_item_name(name: str) -> bool:
    """Whether a name in braces stands for a copy's value or position, inside of a `for_each` task."""
    return name in (ITEM, INDEX) or name.startswith("item.")


def list_for_each_names(task: Task) -> list[str]:
    """List the references in a task's `for_each`: at most one for each of its lists."""
    written = (task.template if isinstance(task, ExpandedTask) else task).for_each
    parts = written.values() if isinstance(written, dict) else [written]
    return [canonical(part[1:-1]) for part in parts if isinstance(part, str)]


def find_lists(for_each: JsonValue, lookup: Callable[[str], JsonValue]) -> Lists:
    """Return the lists of a `for_each`.

    Args:
        for_each: What the task has.
        lookup: Returns the value of a reference.

    Raises:
        ValueError: A reference stands for something that is no list.
    """
    lists: Lists = {}
    for name, part in (for_each if isinstance(for_each, dict) else {"": for_each}).items():
        value = lookup(canonical(part[1:-1])) if isinstance(part, str) else part
        if not isinstance(value, list):
            raise ValueError(f"{part} is {_kind(value)}, not a list")  # noqa: TRY004  # it is the plan's, not the caller's
        lists[name] = value
    return lists


def written_lists(for_each: JsonValue, plan: Mapping[str, JsonValue], scope: Scope | None = None) -> Lists | None:
    """Return the lists of a `for_each` that need no result of a task; None where they do.

    Args:
        for_each: What the task has.
        plan: Values of the plan's variables and parameters; a text is a JSON list, or has commas between its values.
        scope: The copy that the task is a part of.

    Raises:
        ValueError: A variable, a parameter or a part of the item is no list.
    """
    unknown: list[str] = []

    def lookup(name: str) -> JsonValue:
        if scope is not None and is_item_name(name):
            return scope.lookup(name)
        if name in plan:
            return parse_variable(name, plan[name])
        unknown.append(name)
        return []

    lists = find_lists(for_each, lookup)
    return None if unknown else lists


def parse_variable(name: str, text: JsonValue) -> JsonValue:
    """Return the list that a variable's text stands for: JSON where it begins with `[`, else what is between commas.

    The value of a parameter that is no text is returned as it is.

    Raises:
        ValueError: It begins with `[` and is no JSON list.
    """
    if not isinstance(text, str):
        return text
    if not text.lstrip().startswith("["):
        return [part for each in text.split(",") if (part := each.strip())]
    try:
        value: JsonValue = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the variable {name!r} begins with `[` and is no JSON list: {error}") from error
    return value


def combine_lists(lists: Lists) -> list[JsonValue]:
    """Return the values: those of the one list, or each combination of a map's; the last list turns fastest."""
    if "" in lists:
        return lists[""]
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def count_values(lists: Lists) -> int:
    """Count the values without making them."""
    return math.prod(len(each) for each in lists.values())


def copy_id(scope: Scope) -> str:
    """Name a copy by its position and, where the value is a text or a number or a map of these, by that."""
    parts = scope.item.values() if isinstance(scope.item, dict) else [scope.item]
    text = "-".join(as_json_text(part)[:_LONGEST_NAME] for part in parts if isinstance(part, str | int | float))
    name = _NO_NAME.sub("-", canonical(text))[:_LONGEST_NAME].strip("-.")
    return f"{scope.index}-{name}" if name else str(scope.index)


def fill_description(text: str, scope: Scope, plan: Mapping[str, JsonValue]) -> str:
    """Put a copy's value, and those of the plan's variables and parameters, into a description; none is searched.

    Raises:
        ValueError: The item lacks a key that the description names.
    """

    def lookup(name: str) -> JsonValue:
        return scope.lookup(name) if is_item_name(name) else plan[name]

    return as_json_text(fill(text, lambda name: is_item_name(name) or name in plan, lookup)) or text


def put_in_items(task: Task, items: Mapping[str, JsonValue], is_known: Callable[[str], bool]) -> dict[str, Any]:
    """Return the inputs and the environment of a copy with its values in place of their names.

    So they may stand where these names mean nothing.

    Args:
        task: The copy, or a task in it.
        items: The value of each name.
        is_known: Whether a name in braces is a reference where the task comes to stand; a value's text is none.
    """

    def lookup(name: str) -> JsonValue:
        written: JsonValue = as_text(Task(id="-", description="-", inputs={"value": items[name]}), is_known)["inputs"][
            "value"
        ]
        return written

    inputs = {
        name: value if name in task.literal_inputs else fill(value, items.__contains__, lookup)
        for name, value in task.inputs.items()
    }
    env = {name: as_json_text(fill(value, items.__contains__, lookup)) for name, value in task.env.items()}
    return {"inputs": inputs, "env": env}


def promises(task: Task, key: str) -> bool:
    """Whether a `for_each` task has a list for a key: that of whole results, or of what one leaf of it promises."""
    if key == WHOLE_RESULT:
        return True
    return sum(key in leaf.outputs for leaf in _list_written_leaves(task)) == 1


def promises_file(task: Task, name: str) -> bool:
    """Whether a leaf promises a file of this name, or one leaf of a `for_each` task does, once for each copy."""
    return sum(name in leaf.files.get("out", {}) for leaf in _list_written_leaves(task)) == 1


def _list_written_leaves(task: Task) -> Iterator[Task]:
    """List the leaves of a task; those of a `for_each` task as they are written, once for all copies."""
    waiting = [task.template if isinstance(task, ExpandedTask) else task]
    while waiting:
        each = waiting.pop()
        waiting += each.subtasks
        if not each.subtasks:
            yield each


def _kind(value: JsonValue) -> str:
    if isinstance(value, dict):
        return f"a map with {', '.join(map(repr, list(value)[:3]))}" if value else "an empty map"
    return "empty" if value is None else f"the {'text' if isinstance(value, str) else 'value'} {str(value)[:60]!r}"
