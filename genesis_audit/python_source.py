"""Read Python files that may be broken or hostile: one parse and one walk a file, and nothing is run."""

from __future__ import annotations

import ast
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from genesis_audit.facts import DocumentProblem, FunctionMeasure, PythonFacts, TestCount

__all__ = ["PythonReading", "calls_to", "parse", "read_python"]

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_WARNINGS_LOCK = threading.Lock()
"""`warnings.catch_warnings` changes the whole process, and parsing holds the interpreter anyway."""

_MAX_PARSED_BYTES = 1_000_000
_DECIDES = re.compile(r"\b(?:and|or|if|for)\b")
_MOCK = re.compile(r"unittest\.mock\b")
_FRAMEWORKS = {
    "pytest": "pytest",
    "unittest": "unittest",
    "hypothesis": "Hypothesis",
    "nose": "nose",
    "behave": "behave",
    "robot": "Robot Framework",
    "playwright": "Playwright",
    "selenium": "Selenium",
    "locust": "Locust",
}


@dataclass
class _Function:
    """A function while it is measured."""

    name: str
    node: FunctionNode
    decisions: int = 0
    nesting: int = 0

    def measure(self) -> FunctionMeasure:
        node, arguments = self.node, self.node.args
        parameters = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
        parameters += (arguments.vararg is not None) + (arguments.kwarg is not None)
        length = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
        return FunctionMeasure(self.name[:200], node.lineno, length, self.decisions + 1, self.nesting, parameters)


@dataclass
class PythonReading:
    """What one walk over a module finds."""

    functions: list[_Function] = field(default_factory=list)
    objects: int = 0
    documented: int = 0
    imports: set[str] = field(default_factory=set)
    main_line: int = 0
    test_functions: int = 0
    skipped_tests: int = 0
    problem: DocumentProblem | None = None

    @property
    def facts(self) -> PythonFacts:
        """The part that only Python has."""
        return PythonFacts(self.problem, self.objects, self.documented)

    @property
    def measures(self) -> tuple[FunctionMeasure, ...]:
        """The functions in order of their lines."""
        return tuple(sorted((function.measure() for function in self.functions), key=lambda each: each.line))

    @property
    def tests(self) -> TestCount:
        """The tests, if this is a test file."""
        frameworks = sorted({_FRAMEWORKS[name] for name in self.imports if name in _FRAMEWORKS})
        return TestCount(self.test_functions, self.skipped_tests, tuple(frameworks))


def read_python(content: bytes, text: str) -> PythonReading:
    r"""Parse a module once and walk it once.

    Args:
        content: The file.
        text: The same decoded, with `\n` line ends.
    """
    reading = PythonReading()
    if len(content) > _MAX_PARSED_BYTES:
        reading.problem = DocumentProblem("Python", 0, "too large to parse")
        return reading
    try:
        tree = parse(content)
    except SyntaxError as error:
        reading.problem = DocumentProblem("Python", error.lineno or 0, error.msg or "not Python")
        return reading
    _Walk(reading, text).module(tree)
    return reading


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


@dataclass(frozen=True)
class _Scope:
    """Where a block of statements stands."""

    prefix: str = ""
    function: _Function | None = None
    depth: int = 0
    is_public: bool = False
    """Whether classes and functions in it are part of what a module offers."""
    collects: bool = False
    """Whether pytest collects functions in it."""

    def deeper(self) -> _Scope:
        return _Scope(self.prefix, self.function, self.depth + 1, collects=self.collects)


class _Walk:
    """Go through a module's statements with a stack of its own, as sources may be nested deeply.

    An expression is looked into only where one of its lines has a word that makes a decision: two thirds of the nodes
    are passed over.
    """

    def __init__(self, reading: PythonReading, text: str) -> None:
        self._reading = reading
        self._deciding = _deciding_lines(text)
        self._pending: list[tuple[list[ast.stmt], _Scope]] = []

    def module(self, tree: ast.Module) -> None:
        if tree.body:
            self._object(tree)
        self._reading.main_line = next((node.lineno for node in tree.body if _is_main_guard(node)), 0)
        self._pending.append((tree.body, _Scope(is_public=True, collects=True)))
        while self._pending:
            body, scope = self._pending.pop()
            for node in body:
                self._statement(node, scope)

    def _object(self, node: ast.Module | ast.ClassDef | FunctionNode) -> None:
        self._reading.objects += 1
        first = node.body[0]
        self._reading.documented += (
            isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
        )

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:
        kind = node.__class__
        if kind in _BLOCKS:
            self._block(node, scope)
        elif isinstance(node, _FUNCTIONS):
            self._function(node, scope)
        elif isinstance(node, ast.ClassDef):
            self._class(node, scope)
        elif isinstance(node, ast.Import):
            self._import(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                self._import(f"{node.module}.{alias.name}" for alias in node.names)
        elif scope.function is not None:
            scope.function.decisions += self._decisions(node)

    def _import(self, names: Iterable[str]) -> None:
        """Note the packages that are imported; `unittest.mock` is used with any framework, and is left out."""
        self._reading.imports.update(name.partition(".")[0] for name in names if not _MOCK.match(name))

    def _function(self, node: FunctionNode, scope: _Scope) -> None:
        name = f"{scope.prefix}.{node.name}" if scope.prefix else node.name
        function = _Function(name, node)
        self._reading.functions.append(function)
        if scope.is_public and not node.name.startswith("_") and not any(map(_is_overload, node.decorator_list)):
            self._object(node)
        if scope.collects and node.name.startswith("test"):
            self._reading.test_functions += 1
            self._reading.skipped_tests += any(map(_skips, node.decorator_list))
        self._pending.append((node.body, _Scope(name, function)))

    def _class(self, node: ast.ClassDef, scope: _Scope) -> None:
        is_public = scope.is_public and not node.name.startswith("_")
        if is_public:
            self._object(node)
        name = f"{scope.prefix}.{node.name}" if scope.prefix else node.name
        self._pending.append((node.body, _Scope(name, is_public=is_public, collects=_collects(node))))

    def _block(self, node: ast.stmt, scope: _Scope) -> None:
        """Count a compound statement's own decisions, and put its blocks aside."""
        inner = scope.deeper()
        decisions = _BLOCKS[node.__class__](node)
        for block in _blocks_of(node):
            is_elif = isinstance(node, ast.If) and block is node.orelse and len(block) == 1
            self._pending.append((block, scope if is_elif and isinstance(block[0], ast.If) else inner))
        if scope.function is not None:
            decisions += sum(self._decisions(each) for each in _headers_of(node))
            scope.function.decisions += decisions
            scope.function.nesting = max(scope.function.nesting, inner.depth)

    def _decisions(self, node: ast.stmt | ast.expr) -> int:
        """Count the decisions within an expression or a simple statement: `and`, `or`, `if … else`, comprehensions."""
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if self._deciding.isdisjoint(lines):
            return 0
        return _decisions_in(node)


def _deciding_lines(text: str) -> set[int]:
    """Find the lines with a word that makes a decision; most lines are passed over without a regular expression."""
    return {
        number
        for number, line in enumerate(text.split("\n"), start=1)
        if ("if" in line or "or" in line or "and" in line) and _DECIDES.search(line)
    }


def _decisions_in(node: ast.AST) -> int:
    """Count the decisions within a node; `ast.walk` takes three times as long."""
    found = 0
    pending: list[ast.AST | None] = [node]
    while pending:
        each = pending.pop()
        if each is None:
            continue
        kind = each.__class__
        if kind is ast.BoolOp:
            found += len(each.values) - 1  # type: ignore[attr-defined]  # its class has it
        elif kind is ast.IfExp:
            found += 1
        elif kind is ast.comprehension:
            found += 1 + len(each.ifs)  # type: ignore[attr-defined]  # its class has it
        for name in _CHILDREN[kind]:
            child = getattr(each, name)
            if child.__class__ is list:
                pending += child
            else:
                pending.append(child)
    return found


_WITHOUT_NODES = (
    "arg asname attr conversion ctx id is_async kind level module n name names op ops rest s simple type_comment"
)
_CHILDREN = {
    kind: tuple(name for name in kind._fields if name not in _WITHOUT_NODES.split())
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
} | {ast.Constant: ()}
"""The fields of each kind of node that hold nodes."""


def _of_match(node: ast.Match) -> int:
    return sum(
        not (isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None)
        for case in node.cases
    )


_BLOCKS = {
    ast.If: lambda _node: 1,
    ast.For: lambda node: 1 + bool(node.orelse),
    ast.AsyncFor: lambda node: 1 + bool(node.orelse),
    ast.While: lambda node: 1 + bool(node.orelse),
    ast.Try: lambda node: len(node.handlers) + bool(node.orelse),
    ast.TryStar: lambda node: len(node.handlers) + bool(node.orelse),
    ast.With: lambda _node: 0,
    ast.AsyncWith: lambda _node: 0,
    ast.Match: _of_match,
}
"""A compound statement's own decisions, counted as radon does but without `assert`."""


def _blocks_of(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("finalbody", "orelse", "body"):
        block = getattr(node, name, None)
        if block:
            yield block
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def _headers_of(node: ast.stmt) -> Iterator[ast.expr]:
    for name in ("test", "iter", "subject"):
        header = getattr(node, name, None)
        if header is not None:
            yield header
    for item in getattr(node, "items", ()):
        yield item.context_expr
    for case in getattr(node, "cases", ()):
        if case.guard is not None:
            yield case.guard


def _docstring_lines(node: ast.Module | ast.ClassDef | FunctionNode) -> int:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def _is_overload(decorator: ast.expr) -> bool:
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return name in ("overload", "setter", "deleter", "override")


def _collects(node: ast.ClassDef) -> bool:
    bases = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}
    return node.name.startswith("Test") or any("TestCase" in base for base in bases)


def _skips(decorator: ast.expr) -> bool:
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(node, ast.Attribute) and node.attr == "skip"


def calls_to(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    """Find the calls of a function by its bare or its last attribute name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if (isinstance(called, ast.Name) and called.id == name) or (
                isinstance(called, ast.Attribute) and called.attr == name
            ):
                yield node


def _is_main_guard(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`, perhaps with a further condition."""
    if not isinstance(node, ast.If):
        return False
    parts = list(ast.walk(node.test))
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return "__name__" in names and any(isinstance(part, ast.Constant) and part.value == "__main__" for part in parts)
