"""Fill the inputs and the environment of a leaf from variables, parameters and upstream results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import JsonValue

from genesis.errors import TaskError
from genesis.model import Leaf
from genesis.model.program import WhenCondition
from genesis.model.scalars import canonical
from genesis.structure import WHOLE_RESULT, ConditionError, as_json_text, copy_json, fill, parse_condition, split

__all__ = ["condition_holds", "missing_outputs", "resolve_env", "resolve_inputs"]


def resolve_inputs(
    leaf: Leaf, values: Mapping[str, JsonValue], results: Mapping[int, JsonValue]
) -> dict[str, JsonValue]:
    """Return the inputs with every reference replaced, each value once: what it brings in is not looked at again.

    All of it is a copy that the leaf's agent may change.

    Args:
        leaf: The leaf as it was compiled.
        values: The plan's variables and parameters.
        results: Results of the leaves that `leaf.sources` names. What refers to one that is missing is null: it did
            not run, or failed, and the plan goes on without it.

    Raises:
        TaskError: An upstream result lacks a key that was promised.
    """
    known, lookup = _references(leaf, values, results)
    return {
        name: copy_json(value) if name in leaf.literal_inputs else fill(value, known, lookup)
        for name, value in leaf.inputs.items()
    }


def resolve_env(leaf: Leaf, values: Mapping[str, JsonValue], results: Mapping[int, JsonValue]) -> dict[str, str]:
    """Return the environment variables with every reference replaced, as `resolve_inputs` does; all values are text.

    Raises:
        TaskError: An upstream result lacks a key that was promised, or a value has a NUL character.
    """
    known, lookup = _references(leaf, values, results)
    filled = {name: as_json_text(fill(value, known, lookup)) for name, value in leaf.env.items()}
    for name, value in filled.items():
        if "\0" in value:
            raise TaskError(
                f"the environment variable {name!r} of task {leaf.path!r} has a NUL character",
                hint="pass the value as an input; a program reads its inputs on stdin",
                code="GEN-TASK-INPUT",
            )
    return filled


def _references(
    leaf: Leaf, values: Mapping[str, JsonValue], results: Mapping[int, JsonValue]
) -> tuple[Callable[[str], bool], Callable[[str], JsonValue]]:
    """Return whether a name in braces is a reference of a leaf, and the value of one."""

    def is_known(name: str) -> bool:
        return name in values or name in leaf.sources or name in leaf.escaped

    def lookup(reference: str) -> JsonValue:
        if reference in values:
            return values[reference]
        parts, source = split(reference), leaf.sources.get(reference)
        if parts is None or source is None:
            raise TaskError(f"task {leaf.path!r} uses {{{reference}}}, which nothing produces")
        if source not in results:
            return None
        return _part(leaf.path, reference, leaf.keys.get(reference, parts[1]), results[source])

    return is_known, lookup


def condition_holds(
    path: str, when: WhenCondition, values: Mapping[str, JsonValue], results: Mapping[int, JsonValue]
) -> bool:
    """Whether the condition of a task holds.

    Args:
        path: The task.
        when: Its condition.
        values: The plan's variables and parameters.
        results: Results of the leaves that `when.sources` names; what refers to one that is missing is null.

    Raises:
        ConditionError: It has no value for these results.
        TaskError: An upstream result lacks a key that was promised.
    """

    def lookup(reference: str) -> JsonValue:
        if reference in values:
            return values[reference]
        source = when.sources[reference]
        return _part(path, reference, when.keys[reference], results[source]) if source in results else None

    try:
        return bool(parse_condition(when.text).evaluate(lookup))
    except ConditionError as error:
        raise ConditionError(f"the `when` of {path!r}: {error.message}", hint=error.hint) from error


def _part(path: str, reference: str, key: str, result: JsonValue) -> JsonValue:
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


def missing_outputs(leaf: Leaf, value: Any) -> list[str]:
    """Name the promised outputs that a result lacks; a promise of `result` alone is kept by any value."""
    names = set(map(canonical, value)) if isinstance(value, dict) else ()
    return [name for name in leaf.outputs if name not in names and name != WHOLE_RESULT]
