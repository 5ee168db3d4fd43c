"""Parse Python files that may be broken or hostile, without running them."""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.files import SourceFile, Tree

__all__ = ["FunctionNode", "ParsedFile", "calls_to", "parse", "parsed_files"]

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_MAX_PARSED_BYTES = 1_000_000
_WARNINGS_LOCK = threading.Lock()
"""`warnings.catch_warnings` changes the whole process, and parsing holds the interpreter anyway."""


@dataclass(frozen=True)
class ParsedFile:
    """A Python file and its syntax tree, or why it has none."""

    file: SourceFile
    tree: ast.Module | None
    problem: str = ""
    line: int = 0
    """The problem's line; 0 where it is unknown."""


def parse(content: bytes) -> ast.Module:
    """Parse a module; an encoding declaration is honoured, warnings about it are not ours to show.

    Raises:
        SyntaxError: It is not Python, is too deeply nested, or holds NUL bytes.
    """
    try:
        with _WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(content)
    except (ValueError, LookupError) as error:
        raise SyntaxError(str(error)) from error
    except (RecursionError, MemoryError):
        raise SyntaxError("too deeply nested to parse") from None


def parsed_files(tree: Tree, budget: Budget) -> Iterator[ParsedFile]:
    """Parse a folder's Python files one at a time, until the budget is spent.

    Files that are larger than a megabyte or cannot be read come with a problem and no tree.
    """
    for file in tree.files:
        if file.suffix not in (".py", ".pyw"):
            continue
        if budget.spent:
            return
        content = tree.bytes_of(file, _MAX_PARSED_BYTES)
        if content is None:
            yield ParsedFile(file, None, "too large or unreadable")
            continue
        try:
            yield ParsedFile(file, parse(content))
        except SyntaxError as error:
            yield ParsedFile(file, None, error.msg or "not Python", error.lineno or 0)


def calls_to(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    """Give the calls of a function by its bare or its last attribute name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if (isinstance(called, ast.Name) and called.id == name) or (
                isinstance(called, ast.Attribute) and called.attr == name
            ):
                yield node
