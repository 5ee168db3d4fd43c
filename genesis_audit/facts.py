"""What is known about one file after it was read once: small records that go from a scan's worker to the tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from genesis_audit.secret_rules import FoundSecret

__all__ = ["DocumentProblem", "FileFacts", "FileOrigin", "FunctionMeasure", "PythonFacts", "TestCount", "Todo"]

FileOrigin: TypeAlias = Literal["own", "vendored", "generated", "minified"]
"""Who wrote a file: its project, another project, a program, or a program that shortened it."""


@dataclass(frozen=True)
class FunctionMeasure:
    """One function's measures."""

    name: str
    """Qualified within its file, if the language's parser supports that."""
    line: int
    lines: int
    """From its first line to its last; decorators and, in Python, the docstring are left out."""
    cyclomatic: int
    """McCabe's number: one more than the decisions; in Python nested functions count for themselves."""
    nesting: int | None
    """The deepest block within it; 0 in languages other than Python, where it is not measured."""
    parameters: int


@dataclass(frozen=True)
class Todo:
    """An open marker in a comment."""

    line: int
    marker: str
    text: str
    source: str
    """The whole line, to recognise it in the last commit."""


@dataclass(frozen=True)
class TestCount:
    """The tests that a file defines."""

    __test__ = False

    functions: int
    """A parametrized one counts once."""
    skipped: int = 0
    """Those that are skipped always."""
    frameworks: tuple[str, ...] = ()


@dataclass(frozen=True)
class DocumentProblem:
    """A file that its own format refuses."""

    format: str
    line: int
    """0 where it is unknown."""
    message: str


@dataclass(frozen=True)
class PythonFacts:
    """What only a Python file has."""

    problem: DocumentProblem | None = None
    """Why it has no syntax tree."""
    objects: int = 0
    """Public modules, classes and functions."""
    documented: int = 0
    """Those that have a docstring."""


@dataclass(frozen=True)
class FileFacts:
    """One file, read once."""

    state: Literal["text", "binary", "unread"]
    """`unread`: larger than two megabytes, not readable, or its parser failed or took too long."""
    language: str | None = None
    """Its name, or `None` where it is unknown."""
    is_source: bool = False
    """Whether the language is a programming language, rather than markup, style or data."""
    origin: FileOrigin = "own"
    lines: int = 0
    code: int = 0
    comment: int = 0
    blank: int = 0
    main_line: int = 0
    """Where a Python program has its guard `if __name__ == "__main__"`; 0 where there is none."""
    functions: tuple[FunctionMeasure, ...] = ()
    python: PythonFacts | None = None
    tests: TestCount | None = None
    """`None` where the file is no test file."""
    todos: tuple[Todo, ...] = ()
    secrets: tuple[FoundSecret, ...] = ()
    document: Literal["", "valid", "broken", "template"] = ""
    """What JSON, YAML or TOML it is; empty for other files. A template is not judged."""
    problem: DocumentProblem | None = None
    """Why a JSON, YAML or TOML file is broken."""
