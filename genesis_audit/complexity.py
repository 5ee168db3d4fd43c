"""How long, how deep and how branched a project's functions are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from heapq import nsmallest
from typing import Annotated

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.facts import FileFacts, FunctionMeasure
from genesis_audit.files import SourceFile
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.functions import MEASURED
from genesis_audit.inputs import whole_number
from genesis_audit.scan import scan_of

__all__ = ["run"]

_HIGH_BRANCHES, _VERY_HIGH_BRANCHES = 15, 30
_LONG_LINES = 100
_DEEP = 5
_SOME_NAMED = 5
_BENCHMARK = re.compile(r"(?i)(?:^|/)(?:bench(?:es|marks?)?|[\w-]*[-_.](?:bench(?:marks?)?|perf)|perf|performance)/")
_PYTHON_SUFFIXES = (".py", ".pyi", ".pyw", "")
"""Where nesting is measured."""


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    top: Annotated[object, DATA] = 20,
    time_limit_s: Annotated[object, DATA] = 90,
) -> ToolResult:
    """Measure a folder's functions: those of Python from its syntax tree, those of other languages with lizard.

    Functions in vendored, generated and minified files are left out.

    Args:
        path: The folder.
        top: How many functions are listed.
        time_limit_s: When measuring stops.

    Returns:
        `functions` (their number), `files`, `unparsed`, `worst` `[{path, line, name, cyclomatic, lines, nesting,
        parameters, in_tests}]` by cyclomatic number, tests and examples last (nesting is null but in Python),
        `longest` (the same shape), `over` `{cyclomatic, lines, nesting}` (functions outside of tests above 15, 100
        and 5), `median_lines`, `mean_cyclomatic`, `truncated`, `summary`,
        `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    scan = scan_of(path, time_limit_s=whole_number(time_limit_s, "time_limit_s", least=1, most=3_600))
    by_file = [(file, facts.functions) for file, facts in scan if facts.functions]
    measured = [(file, measure) for file, measures in by_file for measure in measures]
    files = sum(_is_measured(facts) for _, facts in scan)
    unparsed = sum(facts.python is not None and facts.python.problem is not None for _, facts in scan)
    sources = [(file, measures) for file, measures in by_file if not _is_aside(file)]
    own = [(file, measure) for file, measures in sources for measure in measures]
    lengths = sorted(measure.lines for _, measure in measured)
    numbers = [measure.cyclomatic for _, measure in measured]
    return {
        "functions": len(measured),
        "files": files,
        "unparsed": unparsed,
        "worst": _rows(measured, limit, by_lines=False),
        "longest": _rows(measured, limit, by_lines=True),
        "over": {
            "cyclomatic": sum(measure.cyclomatic > _HIGH_BRANCHES for _, measure in own),
            "lines": sum(measure.lines > _LONG_LINES for _, measure in own),
            "nesting": sum((measure.nesting or 0) > _DEEP for _, measure in own),
        },
        "median_lines": lengths[len(lengths) // 2] if lengths else None,
        "mean_cyclomatic": round(sum(numbers) / len(numbers), 2) if numbers else None,
        "truncated": scan.truncated,
        "summary": _summary(measured, numbers),
        "findings": dump(_findings(own)),
    }


def _is_measured(facts: FileFacts) -> bool:
    return facts.origin == "own" and (facts.python is not None or facts.language in MEASURED)


@lru_cache(10_000)
def _is_aside(file: SourceFile) -> bool:
    """Whether a file is a test, a benchmark or an example, whose functions are listed behind the others."""
    return file.is_test or file.is_example or _BENCHMARK.search(file.place) is not None


def _rows(measured: list[tuple[SourceFile, FunctionMeasure]], limit: int, *, by_lines: bool) -> list[ToolResult]:
    def rank(pair: tuple[SourceFile, FunctionMeasure]) -> tuple[bool, int, int, str, int]:
        file, measure = pair
        first, second = (measure.lines, measure.cyclomatic) if by_lines else (measure.cyclomatic, measure.lines)
        return _is_aside(file), -first, -second, file.path, measure.line

    return [
        {
            "path": file.shown,
            "line": measure.line,
            "name": measure.name,
            "cyclomatic": measure.cyclomatic,
            "lines": measure.lines,
            "nesting": measure.nesting if file.suffix in _PYTHON_SUFFIXES else None,
            "parameters": measure.parameters,
            "in_tests": file.is_test,
        }
        for file, measure in nsmallest(limit, measured, key=rank)
    ]


def _summary(measured: list[tuple[SourceFile, FunctionMeasure]], numbers: list[int]) -> str:
    if not measured:
        return "No functions to measure."
    worst = max(measured, key=lambda pair: (not _is_aside(pair[0]), pair[1].cyclomatic))
    mean = sum(numbers) / len(numbers)
    return (
        f"{plural(len(measured), 'function')}, cyclomatic number {mean:.1f} on average and "
        f"{worst[1].cyclomatic} at most, in {worst[1].name} ({worst[0].shown}:{worst[1].line})."
    )


def _findings(own: list[tuple[SourceFile, FunctionMeasure]]) -> Iterator[AuditFinding]:
    branched = sorted(own, key=lambda pair: (-pair[1].cyclomatic, pair[0].path, pair[1].line))
    over = [pair for pair in branched if pair[1].cyclomatic > _HIGH_BRANCHES]
    if over:
        file, worst = over[0]
        names = ", ".join(f"{measure.name} ({measure.cyclomatic})" for _, measure in over[:_SOME_NAMED])
        yield AuditFinding(
            severity="medium" if worst.cyclomatic > _VERY_HIGH_BRANCHES else "low",
            title=f"{plural(len(over), 'function')} with a cyclomatic number above {_HIGH_BRANCHES}",
            detail=names + (f" and {len(over) - _SOME_NAMED} more" if len(over) > _SOME_NAMED else ""),
            where=f"{file.shown}:{worst.line}",
            advice="Cover them with tests first, then take decisions out into functions with names.",
        )
    long = sorted((pair for pair in own if pair[1].lines > _LONG_LINES), key=lambda pair: -pair[1].lines)
    if long:
        file, longest = long[0]
        yield AuditFinding(
            severity="low",
            title=f"{plural(len(long), 'function')} of more than {_LONG_LINES} lines",
            detail=f"The longest is {longest.name} with {longest.lines:,} lines.",
            where=f"{file.shown}:{longest.line}",
            advice="Split them into steps with names.",
        )
    deep = [pair for pair in own if (pair[1].nesting or 0) > _DEEP]
    if deep:
        file, deepest = max(deep, key=lambda pair: pair[1].nesting or 0)
        yield AuditFinding(
            severity="low",
            title=f"{plural(len(deep), 'function')} nested more than {_DEEP} blocks deep",
            detail=f"The deepest is {deepest.name} with {deepest.nesting}.",
            where=f"{file.shown}:{deepest.line}",
            advice="Return early, and take inner blocks out into functions.",
        )
