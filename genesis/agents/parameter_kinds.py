"""Read which inputs of an executor are labelled: from its function's annotations, and from the agents file."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from genesis.agents.functions import Functions, current_module, find_module
from genesis.model import ExecutorSpec, ParameterKind, PythonSpec
from genesis.security.parameters import DATA, EXECUTES, READ_PATH, WRITE_PATH, ParameterLabel

__all__ = ["labels_of", "parameter_kinds"]

_LABELS = {"DATA": DATA, "READ_PATH": READ_PATH, "WRITE_PATH": WRITE_PATH, "EXECUTES": EXECUTES}


def labels_of(function: Callable[..., Any]) -> dict[str, ParameterKind]:
    """Return the labels of a function's parameters, from its annotations."""
    try:
        parameters = inspect.signature(function).parameters
    except (ValueError, TypeError):  # some builtins have none
        return {}
    found = {name: _label_of(parameter.annotation) for name, parameter in parameters.items()}
    return {name: label.kind for name, label in found.items() if label is not None}


def parameter_kinds(spec: ExecutorSpec, functions: Functions) -> Mapping[str, ParameterKind]:
    """Return the labelled inputs of an executor, without importing or running anything of it."""
    declared: Mapping[str, ParameterKind] = getattr(spec, "parameters", {})
    if not isinstance(spec, PythonSpec):
        return declared
    function = functions.get(spec.call)
    return {**(_read_labels(spec.call) if function is None else labels_of(function)), **declared}


@lru_cache(maxsize=256)
def _read_labels(call: str) -> dict[str, ParameterKind]:
    """Read the labels of a function in its module's source; none where it is made by the module's code."""
    module_name, _, qualified = call.partition(":")
    source = find_module(current_module(module_name))
    if source is None or not source.origin or not source.origin.endswith(".py"):
        return {}
    try:
        scope: list[ast.stmt] = ast.parse(Path(source.origin).read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return {}
    *outer, last = qualified.split(".")
    for name in outer:
        scope = next((each.body for each in scope if isinstance(each, ast.ClassDef) and each.name == name), [])
    for each in scope:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == last:
            return _labels_in(each.args)
    return {}


def _labels_in(arguments: ast.arguments) -> dict[str, ParameterKind]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found = {each.arg: _label_in(each.annotation) for each in every if each is not None}
    return {name: label.kind for name, label in found.items() if label is not None}


def _label_of(annotation: object) -> ParameterLabel | None:
    if isinstance(annotation, str):
        try:
            return _label_in(ast.parse(annotation, mode="eval").body)
        except SyntaxError:
            return None
    metadata = getattr(annotation, "__metadata__", ())
    return next((each for each in metadata if isinstance(each, ParameterLabel)), None)


def _label_in(annotation: ast.expr | None) -> ParameterLabel | None:
    """Find the label in the syntax of `Annotated[type, LABEL]`."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _label_of(annotation.value)
    if not isinstance(annotation, ast.Subscript) or not isinstance(annotation.slice, ast.Tuple):
        return None
    if _last_name(annotation.value) != "Annotated":
        return None
    return next((_LABELS[name] for each in annotation.slice.elts[1:] if (name := _last_name(each)) in _LABELS), None)


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
