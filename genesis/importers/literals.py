"""Values of Python expressions that are known without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genesis.importers.limits import LONGEST_TEXT

__all__ = ["UNKNOWN", "Duration", "call_name", "evaluate", "keywords_of"]

_DEEPEST = 40
"""Levels of an expression that are evaluated; what people write has fewer."""
_UNITS = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0, "weeks": 604800.0, "milliseconds": 0.001}
_POSITIONS = ("days", "seconds")


class _Unknown:
    """The value of what is known only when the file runs."""


UNKNOWN = _Unknown()


@dataclass(frozen=True, slots=True)
class Duration:
    """What a `timedelta` is."""

    seconds: float


def evaluate(node: ast.expr, names: Mapping[str, Any], depth: int = 0) -> Any:
    """Return the value of an expression of constants; `UNKNOWN` for anything else.

    Args:
        node: The expression.
        names: Values of names.
        depth: How deep it is nested; what is nested deeper than 40 levels is unknown.
    """
    if depth > _DEEPEST:
        return UNKNOWN
    value: Any = UNKNOWN
    match node:
        case ast.Constant(value=str() | int() | float() | bool() | None):
            value = node.value
        case ast.Name():
            value = names.get(node.id, UNKNOWN)
        case ast.List() | ast.Tuple():
            value = [evaluate(item, names, depth + 1) for item in node.elts]
        case ast.Dict():
            value = _evaluate_dict(node, names, depth)
        case ast.JoinedStr():
            value = _evaluate_parts(node, names, depth)
        case ast.BinOp(op=ast.Add() | ast.Mult()):
            value = _evaluate_operation(node, names, depth)
        case ast.UnaryOp(op=ast.USub()):
            inner = evaluate(node.operand, names, depth + 1)
            value = -inner if isinstance(inner, int | float) else UNKNOWN
        case ast.Call() if call_name(node) == "timedelta":
            value = _evaluate_duration(node, names, depth)
    return UNKNOWN if isinstance(value, str) and len(value) > LONGEST_TEXT else value


def call_name(node: ast.expr) -> str:
    """Return the last name of what is called, without its module: `BashOperator`; empty where it has none."""
    target = node.func if isinstance(node, ast.Call) else node
    return target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""


def keywords_of(call: ast.Call) -> dict[str, ast.expr]:
    """Return the keyword arguments of a call by name."""
    return {each.arg: each.value for each in call.keywords if each.arg is not None}


def _evaluate_dict(node: ast.Dict, names: Mapping[str, Any], depth: int) -> Any:
    found: dict[str, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        name = UNKNOWN if key is None else evaluate(key, names, depth + 1)
        if not isinstance(name, str):
            return UNKNOWN
        found[name] = evaluate(item, names, depth + 1)
    return found


def _evaluate_parts(node: ast.JoinedStr, names: Mapping[str, Any], depth: int) -> Any:
    parts = list(_parts(node, names, depth))
    return "".join(map(str, parts)) if all(isinstance(part, str | int) for part in parts) else UNKNOWN


def _parts(node: ast.JoinedStr, names: Mapping[str, Any], depth: int) -> Iterator[Any]:
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            plain = part.format_spec is None and part.conversion == -1
            yield evaluate(part.value, names, depth + 1) if plain else UNKNOWN
        else:
            yield evaluate(part, names, depth + 1)


def _evaluate_operation(node: ast.BinOp, names: Mapping[str, Any], depth: int) -> Any:
    left, right = evaluate(node.left, names, depth + 1), evaluate(node.right, names, depth + 1)
    if isinstance(left, str) and isinstance(right, str) and isinstance(node.op, ast.Add):
        return left + right
    if isinstance(left, int | float) and isinstance(right, int | float) and max(abs(left), abs(right)) < LONGEST_TEXT:
        return left + right if isinstance(node.op, ast.Add) else left * right
    return UNKNOWN


def _evaluate_duration(node: ast.Call, names: Mapping[str, Any], depth: int) -> Any:
    given = dict(zip(_POSITIONS, node.args, strict=False)) | keywords_of(node)
    values = {unit: evaluate(value, names, depth + 1) for unit, value in given.items()}
    if not all(unit in _UNITS and isinstance(value, int | float) for unit, value in values.items()):
        return UNKNOWN
    return Duration(sum(_UNITS[unit] * value for unit, value in values.items()))
