"""How long, how deep and how branched a project's functions are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.files import SourceFile, survey
from genesis.agents.toolkit.finding import Finding, Result, dump, plural
from genesis.agents.toolkit.inputs import whole_number
from genesis.agents.toolkit.python_source import FunctionNode, parsed_files

__all__ = ["FunctionMeasure", "measure_functions", "run"]

_HIGH_BRANCHES, _VERY_HIGH_BRANCHES = 15, 30
_LONG_LINES = 100
_DEEP = 5
_SOME_NAMED = 5
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_NESTING = (ast.If, *_LOOPS, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)


@dataclass(frozen=True)
class FunctionMeasure:
    """One function's measures."""

    name: str
    """Qualified within its file."""
    line: int
    lines: int
    """From `def` to its last line, decorators left out."""
    cyclomatic: int
    """McCabe's number: one more than the decisions; nested functions count for themselves."""
    nesting: int
    """The deepest block within it; `elif` does not deepen."""
    parameters: int


def run(path: object = ".", *, top: object = 20, time_limit_s: object = 90) -> Result:
    """Measure a folder's Python functions; of other languages only the inventory's sizes are known.

    Args:
        path: The folder.
        top: How many functions are listed.
        time_limit_s: When measuring stops.

    Returns:
        `functions` (their number), `files`, `unparsed`, `worst` `[{path, line, name, cyclomatic, lines, nesting,
        parameters, in_tests}]` by cyclomatic number, `longest` (the same shape), `over` `{cyclomatic, lines, nesting}`
        (functions outside of tests above 15, 100 and 5), `median_lines`, `mean_cyclomatic`, `truncated`, `summary`,
        `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    budget = Budget(whole_number(time_limit_s, "time_limit_s", least=1, most=3_600))
    tree = survey(path)
    measured: list[tuple[SourceFile, FunctionMeasure]] = []
    files = unparsed = 0
    for parsed in parsed_files(tree, budget):
        files += 1
        if parsed.tree is None:
            unparsed += 1
        else:
            measured.extend((parsed.file, measure) for measure in measure_functions(parsed.tree))
    own = [(file, measure) for file, measure in measured if not (file.is_test or file.is_example)]
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
            "nesting": sum(measure.nesting > _DEEP for _, measure in own),
        },
        "median_lines": lengths[len(lengths) // 2] if lengths else None,
        "mean_cyclomatic": round(sum(numbers) / len(numbers), 2) if numbers else None,
        "truncated": budget.spent or tree.truncated,
        "summary": _summary(measured, numbers),
        "findings": dump(_findings(own)),
    }


def measure_functions(tree: ast.Module) -> Iterator[FunctionMeasure]:
    """Measure every function of a module, nested ones too, without recursion."""
    pending: list[tuple[ast.AST, str]] = [(tree, "")]
    while pending:
        node, prefix = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
                name = f"{prefix}.{child.name}" if prefix else child.name
                pending.append((child, name))
                if isinstance(child, _FUNCTIONS):
                    yield _measure(child, name)
            else:
                pending.append((child, prefix))


def _measure(function: FunctionNode, name: str) -> FunctionMeasure:
    decisions = deepest = 0
    pending: list[tuple[ast.AST, int]] = [(statement, 0) for statement in function.body]
    while pending:
        node, depth = pending.pop()
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            continue
        decisions += _decisions(node)
        inner = depth + isinstance(node, _NESTING)
        deepest = max(deepest, inner)
        is_elif_of = node.orelse if isinstance(node, ast.If) and _is_elif(node) else []
        pending.extend((child, depth if child in is_elif_of else inner) for child in ast.iter_child_nodes(node))
    arguments = function.args
    parameters = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
    parameters += (arguments.vararg is not None) + (arguments.kwarg is not None)
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    return FunctionMeasure(name[:200], function.lineno, length, decisions + 1, deepest, parameters)


def _is_elif(node: ast.If) -> bool:
    return len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If)


def _decisions(node: ast.AST) -> int:
    """Count a node's own decisions, as radon does but without `assert`: branches, loops, handlers, `and`."""
    if isinstance(node, (ast.If, ast.IfExp)):
        return 1
    if isinstance(node, _LOOPS):
        return 1 + bool(node.orelse)
    if isinstance(node, (ast.Try, ast.TryStar)):
        return len(node.handlers) + bool(node.orelse)
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.Match):
        return sum(not _matches_all(case) for case in node.cases)
    return 0


def _matches_all(case: ast.match_case) -> bool:
    return isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None


def _rows(measured: list[tuple[SourceFile, FunctionMeasure]], limit: int, *, by_lines: bool) -> list[Result]:
    def rank(pair: tuple[SourceFile, FunctionMeasure]) -> tuple[int, int, str, int]:
        file, measure = pair
        first, second = (measure.lines, measure.cyclomatic) if by_lines else (measure.cyclomatic, measure.lines)
        return -first, -second, file.path, measure.line

    return [
        {
            "path": file.shown,
            "line": measure.line,
            "name": measure.name,
            "cyclomatic": measure.cyclomatic,
            "lines": measure.lines,
            "nesting": measure.nesting,
            "parameters": measure.parameters,
            "in_tests": file.is_test,
        }
        for file, measure in sorted(measured, key=rank)[:limit]
    ]


def _summary(measured: list[tuple[SourceFile, FunctionMeasure]], numbers: list[int]) -> str:
    if not measured:
        return "No Python functions to measure."
    worst = max(measured, key=lambda pair: pair[1].cyclomatic)
    mean = sum(numbers) / len(numbers)
    return (
        f"{plural(len(measured), 'Python function')}, cyclomatic number {mean:.1f} on average and "
        f"{worst[1].cyclomatic} at most, in {worst[1].name} ({worst[0].shown}:{worst[1].line})."
    )


def _findings(own: list[tuple[SourceFile, FunctionMeasure]]) -> Iterator[Finding]:
    branched = sorted(own, key=lambda pair: (-pair[1].cyclomatic, pair[0].path, pair[1].line))
    over = [pair for pair in branched if pair[1].cyclomatic > _HIGH_BRANCHES]
    if over:
        file, worst = over[0]
        names = ", ".join(f"{measure.name} ({measure.cyclomatic})" for _, measure in over[:_SOME_NAMED])
        yield Finding(
            severity="medium" if worst.cyclomatic > _VERY_HIGH_BRANCHES else "low",
            title=f"{plural(len(over), 'function')} with a cyclomatic number above {_HIGH_BRANCHES}",
            detail=names + (f" and {len(over) - _SOME_NAMED} more" if len(over) > _SOME_NAMED else ""),
            where=f"{file.shown}:{worst.line}",
            advice="Cover them with tests first, then take decisions out into functions with names.",
        )
    long = sorted((pair for pair in own if pair[1].lines > _LONG_LINES), key=lambda pair: -pair[1].lines)
    if long:
        file, longest = long[0]
        yield Finding(
            severity="low",
            title=f"{plural(len(long), 'function')} of more than {_LONG_LINES} lines",
            detail=f"The longest is {longest.name} with {longest.lines:,} lines.",
            where=f"{file.shown}:{longest.line}",
            advice="Split them into steps with names.",
        )
    deep = sorted((pair for pair in own if pair[1].nesting > _DEEP), key=lambda pair: -pair[1].nesting)
    if deep:
        file, deepest = deep[0]
        yield Finding(
            severity="low",
            title=f"{plural(len(deep), 'function')} nested more than {_DEEP} blocks deep",
            detail=f"The deepest is {deepest.name} with {deepest.nesting}.",
            where=f"{file.shown}:{deepest.line}",
            advice="Return early, and take inner blocks out into functions.",
        )
