"""Fill the inputs and the environment of a leaf from variables, parameters and upstream results."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from genesis.errors import TaskError
from genesis.model import Leaf
from genesis.model.program import WhenCondition
from genesis.model.scalars import canonical
from genesis.structure import WHOLE_RESULT, ConditionError, as_json_text, copy_json, fill, parse_condition, split

__all__ = [
    "References",
    "condition_holds",
    "list_upstream",
    "missing_outputs",
    "read_output",
    "resolve_env",
    "resolve_inputs",
]


class References:
    """The values of the references of a leaf: of its copy, of variables and parameters, of upstream results.

    Args:
        leaf: The leaf as it was compiled.
        values: The plan's variables and parameters.
        results: Results of the leaves that `leaf.sources` names. What refers to one that is missing is null: it did
            not run, or failed, and the plan continues without it.
        gathered: Those of them that are `for_each` tasks, whose results are lists with one value a copy.
    """

    def __init__(
        self,
        leaf: Leaf,
        values: Mapping[str, JsonValue],
        results: Mapping[int, JsonValue],
        gathered: Container[int] = (),
    ) -> None:
        self._leaf = leaf
        self._values = values
        self._results = results
        self._gathered = gathered

    def is_known(self, name: str) -> bool:
        """Whether a name in braces is a reference, or stands for itself in doubled ones."""
        leaf = self._leaf
        return name in leaf.items or name in self._values or name in leaf.sources or name in leaf.escaped

    def lookup(self, name: str) -> JsonValue:
        """Return the value of a reference.

        Raises:
            TaskError: An upstream result lacks a key that was promised.
        """
        leaf = self._leaf
        if name in leaf.items:
            return leaf.items[name]
        if name in self._values:
            return self._values[name]
        parts, source = split(name), leaf.sources.get(name)
        if parts is None or source is None:
            raise TaskError(f"task {leaf.path!r} uses {{{name}}}, which nothing produces")
        if source not in self._results:
            return None
        key, result = leaf.keys.get(name, parts[1]), self._results[source]
        return read_output(leaf.path, name, key, result, is_gathered=source in self._gathered)


def resolve_inputs(
    leaf: Leaf, values: Mapping[str, JsonValue], results: Mapping[int, JsonValue], gathered: Container[int] = ()
) -> dict[str, JsonValue]:
    """Return the inputs with every reference replaced, each value once: what it brings in is not looked at again.

    All of it is a copy that the leaf's agent may change.

    Args:
        leaf: The leaf as it was compiled.
        values: The plan's variables and parameters.
        results: Results of the leaves that `leaf.sources` names.
        gathered: Those of them that are `for_each` tasks; see `References`.

    Raises:
        TaskError: An upstream result lacks a key that was promised.
    """
    references = References(leaf, values, results, gathered)
    return {
        name: copy_json(value) if name in leaf.literal_inputs else fill(value, references.is_known, references.lookup)
        for name, value in leaf.inputs.items()
    }


def resolve_env(
    leaf: Leaf, values: Mapping[str, JsonValue], results: Mapping[int, JsonValue], gathered: Container[int] = ()
) -> dict[str, str]:
    """Return the environment variables with every reference replaced, as `resolve_inputs` does; all values are text.

    Raises:
        TaskError: An upstream result lacks a key that was promised, or a value has a NUL character.
    """
    references = References(leaf, values, results, gathered)
    filled = {
        name: as_json_text(fill(value, references.is_known, references.lookup)) for name, value in leaf.env.items()
    }
    for name, value in filled.items():
        if "\0" in value:
            raise TaskError(
                f"the environment variable {name!r} of task {leaf.path!r} has a NUL character",
                hint="pass the value as an input; a program reads its inputs on stdin",
                code="GEN-TASK-INPUT",
            )
    return filled


def condition_holds(
    path: str,
    when: WhenCondition,
    values: Mapping[str, JsonValue],
    results: Mapping[int, JsonValue],
    gathered: Container[int] = (),
) -> bool:
    """Whether the condition of a task holds.

    Args:
        path: The task.
        when: Its condition.
        values: The plan's variables and parameters.
        results: Results of the leaves that `when.sources` names; what refers to one that is missing is null.
        gathered: Those of them that are `for_each` tasks; see `References`.

    Raises:
        ConditionError: It has no value for these results.
        TaskError: An upstream result lacks a key that was promised.
    """

    def lookup(reference: str) -> JsonValue:
        if reference in when.items:
            return when.items[reference]
        if reference in values:
            return values[reference]
        source = when.sources[reference]
        if source not in results:
            return None
        return read_output(path, reference, when.keys[reference], results[source], is_gathered=source in gathered)

    try:
        return bool(parse_condition(when.text).evaluate(lookup))
    except ConditionError as error:
        raise ConditionError(f"the `when` of {path!r}: {error.message}", hint=error.hint) from error


def read_output(path: str, reference: str, key: str, result: JsonValue, *, is_gathered: bool = False) -> JsonValue:
    """Return what a result has under a key; `result` stands for all of it, unless it has that key.

    Args:
        path: The task that uses it, for the error.
        reference: The reference that names it, for the error.
        key: The key.
        result: The result.
        is_gathered: It is that of a `for_each` task: a list with the results of its copies, of which each has the key.

    Raises:
        TaskError: It has no such key.
    """
    if is_gathered and isinstance(result, list):
        return [None if each is None else read_output(path, reference, key, each) for each in result]
    if isinstance(result, dict):
        if key in result:
            return result[key]
        for name, value in result.items():
            if canonical(name) == key:
                return value
    if key == WHOLE_RESULT:
        return result
    raise TaskError(
        f"task {path!r} uses {{{reference}}}, but that result has no {key!r}",
        hint=f"it has {', '.join(result) or 'nothing'}" if isinstance(result, dict) else "it is not a mapping",
    )


def list_upstream(leaf: Leaf, leaves: Sequence[Leaf]) -> list[int]:
    """List the leaves of agents that a leaf comes after: what a leaf without an agent comes after in place of that."""
    found: list[int] = []
    waiting = list(reversed(leaf.after))
    while waiting:
        source = waiting.pop()
        if leaves[source].agent:
            found.append(source)
        else:
            waiting.extend(reversed(leaves[source].after))
    return found


def missing_outputs(leaf: Leaf, value: Any) -> list[str]:
    """Name the promised outputs that a result lacks; a promise of `result` alone is kept by any value."""
    names = set(map(canonical, value)) if isinstance(value, dict) else ()
    return [name for name in leaf.outputs if name not in names and name != WHOLE_RESULT]
