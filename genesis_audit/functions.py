"""Measure the functions of languages other than Python with lizard."""

from __future__ import annotations

import re
from typing import Protocol

from genesis_audit.facts import FunctionMeasure
from genesis_audit.files import SourceFile
from genesis_audit.language import Language

__all__ = ["MEASURED", "measure_functions"]

_MEASURED = (
    "C C# C++ CUDA Erlang Fortran Go Java JavaScript Kotlin Lua Objective-C PHP Perl R Ruby Rust Scala Solidity Swift "
    "TypeScript Vue Zig"
)
MEASURED = frozenset({*_MEASURED.split(), "C/C++ header"})
"""The languages that lizard reads, apart from Python."""

_MAX_CHARACTERS = 500_000
_MAX_FUNCTIONS = 2_000
_RUST_TESTS = re.compile(r"^\s*#\[cfg\(test\)\]\s*\n\s*(?:pub(?:\(\w+\))?\s+)?mod\s", re.MULTILINE)
_LARGE_LINES, _LARGE_NUMBER = 60, 12
_STATEMENT = re.compile(
    r"(?!(?:else|elsif|elif|rescue|ensure|when|in|case|default|where|throws?|catch|finally|begin|end|then|do|and|or)\b"
    r"|\w+\s*:(?!:))[A-Za-z_@\[]"
)
"""A line that begins something new, rather than continuing a statement, closing a block or being a label."""

_ANONYMOUS = re.compile(r"anonymous__\d+")
_PHP_VARIABLE = re.compile(r"\$\w+")


class _Measured(Protocol):
    """What is used of lizard's record of a function."""

    start_line: int
    end_line: int
    cyclomatic_complexity: int
    name: str
    parameter_count: int
    full_parameters: list[str]


def measure_functions(file: SourceFile, text: str, language: Language) -> tuple[FunctionMeasure, ...]:
    """Measure a file's functions; none for a language that lizard does not read and for files of half a megabyte."""
    if language.name not in MEASURED or len(text) > _MAX_CHARACTERS:
        return ()
    import lizard  # type: ignore[import-untyped]  # noqa: PLC0415  # costs 0.1 s, which a folder with Python alone does not pay

    try:
        found = lizard.analyze_file.analyze_source_code(file.name, text).function_list
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, StopIteration):
        return ()  # a source that its tokenizer does not follow
    lines = text.split("\n")
    last = _last_line_before_tests(text, language)
    return tuple(
        FunctionMeasure(
            _name(each, language)[:200],
            each.start_line,
            each.end_line - each.start_line + 1,
            each.cyclomatic_complexity,
            None,
            _parameters(each, language),
        )
        for each in found[:_MAX_FUNCTIONS]
        if each.start_line <= last and _is_plausible(each, lines)
    )


def _name(measured: _Measured, language: Language) -> str:
    """Name a function, without the class where classes nest: lizard takes the last one that was declared for it."""
    if _ANONYMOUS.fullmatch(measured.name):
        return "(anonymous)"
    return measured.name.rpartition("::")[2] if language.name in ("Java", "C#") else measured.name


def _parameters(measured: _Measured, language: Language) -> int:
    """Count the parameters; lizard takes all of a PHP function's for one."""
    if language.name != "PHP":
        return measured.parameter_count
    return len(_PHP_VARIABLE.findall(" ".join(measured.full_parameters)))


def _last_line_before_tests(text: str, language: Language) -> int:
    """Find where a Rust file's own tests begin, which stand at its end."""
    match = _RUST_TESTS.search(text) if language.name == "Rust" else None
    return text.count("\n", 0, match.start()) if match is not None else text.count("\n") + 1


def _is_plausible(measured: _Measured, lines: list[str]) -> bool:
    """Whether a large function ends where its first line's indentation says.

    Lizard's tokenizers lose the end of a function at some literals, and then take what follows for a part of it.
    """
    if measured.end_line - measured.start_line < _LARGE_LINES and measured.cyclomatic_complexity < _LARGE_NUMBER:
        return True
    first = lines[measured.start_line - 1]
    indent = len(first) - len(first.lstrip())
    for line in lines[measured.start_line : measured.end_line - 1]:
        body = line.lstrip()
        if body and len(line) - len(body) <= indent and _STATEMENT.match(body):
            return False
    return True
