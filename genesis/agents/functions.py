"""Find the function that a `python` executor calls, with or without running any code to do so."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from genesis.document import close_matches
from genesis.errors import TaskError

__all__ = ["Functions", "current_module", "find_function", "find_module", "function_problem", "is_module_here"]

_MOVED = {"genesis.agents.toolkit": "genesis_audit"}
"""Packages that have been renamed: ledgers of earlier runs and agents files of teams name functions in the old ones."""

Functions = Mapping[str, Callable[..., Any]]
"""Functions of this process by `module:name`; looked up before anything is imported."""


def current_module(module_name: str) -> str:
    """Return the name that a module has now; the same where it has not been renamed."""
    for old, new in _MOVED.items():
        if module_name == old or module_name.startswith(f"{old}."):
            return new + module_name.removeprefix(old)
    return module_name


def find_function(call: str, functions: Functions) -> Callable[..., Any]:
    """Return the function `module:name`, importing its module if needed.

    Raises:
        TaskError: The module cannot be imported, has no such name, or the name cannot be called.
    """
    if call in functions:
        return functions[call]
    module_name, _, qualified = call.partition(":")
    module_name = current_module(module_name)
    found: Any = _import(module_name, call)
    for name in qualified.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            guess = close_matches(name, [known for known in dir(found) if not known.startswith("__")])
            raise TaskError(f"{call!r}: there is no {name!r} in {module_name!r}", hint=guess or _IN_PROCESS) from None
    if not callable(found):
        raise TaskError(f"{call!r} is a {type(found).__name__!r}, which cannot be called", hint="name a function")
    return found  # type: ignore[no-any-return]  # callable() narrows an Any to a callable that returns object


_IN_PROCESS = "a function made inside another one, or a lambda, must be passed in with functions_of()"


def _import(module_name: str, call: str) -> object:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name + ".").startswith(error.name + "."):
            raise TaskError(
                f"{call!r}: there is no module {error.name!r} here",
                hint="install its package, or put its folder on PYTHONPATH",
            ) from error
        raise TaskError(f"{call!r}: importing {module_name!r} needs {error.name!r}", hint="install it") from error
    except Exception as error:  # a module's own code runs here and may raise anything
        raise TaskError(
            f"{call!r}: importing {module_name!r} fails with {type(error).__name__}: {error}",
            hint=f"try: python -c 'import {module_name}'",
        ) from error


def function_problem(call: str, functions: Functions) -> str | None:
    """Return why `module:name` cannot be called here, without importing or running anything of it.

    Names are looked up in the module's source text, so one that is created only when the module runs counts as
    existing.
    """
    if call in functions:
        return None
    module_name, _, qualified = call.partition(":")
    module_name = current_module(module_name)
    name = qualified.partition(".")[0]
    if module_name in sys.modules:
        module = sys.modules[module_name]
        return None if hasattr(module, name) else _no_name(name, module_name, vars(module))
    spec = find_module(module_name)
    if spec is None:
        return f"there is no module {module_name!r} here; install its package, or put its folder on PYTHONPATH"
    names = _names_in(spec)
    return None if names is None or name in names else _no_name(name, module_name, names)


def is_module_here(module_name: str) -> bool:
    """Whether a module could be imported, found without importing it or the packages above it."""
    return module_name in sys.modules or find_module(module_name) is not None


def _no_name(name: str, module_name: str, known: Mapping[str, object] | set[str]) -> str:
    guess = close_matches(name, sorted(known))
    return f"there is no {name!r} in {module_name!r}" + (f"; {guess}" if guess else "")


def find_module(module_name: str) -> ModuleSpec | None:
    """Find a module as the import system would, but without running the packages above it."""
    path: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    parts = module_name.split(".")
    for depth in range(1, len(parts) + 1):
        spec = _find(".".join(parts[:depth]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
        if path is None and depth < len(parts):
            return None
    return spec


def _find(full_name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find_spec(full_name, path) if find_spec else None
        if spec is not None:
            return spec
    return None


def _names_in(spec: ModuleSpec) -> set[str] | None:
    """Return the names that a module's source binds at its top level; None when they cannot be known from the text."""
    if not spec.origin or not spec.origin.endswith(".py"):
        return None
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    names = set(_find_bound_names(tree.body))
    return None if names & {"*", "__getattr__"} else names


def _find_bound_names(statements: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.Import | ast.ImportFrom):
                yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"globals", "exec"}:
                yield "*"
