"""Lint a folder's Python sources with ruff, and check the syntax of its JSON, YAML and TOML files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.facts import DocumentProblem
from genesis.agents.toolkit.files import SourceFile
from genesis.agents.toolkit.finding import Finding, Result, dump, plural
from genesis.agents.toolkit.inputs import whole_number
from genesis.agents.toolkit.ruff_check import RuffReport, ruff_report
from genesis.agents.toolkit.ruff_settings import RuffSettings, ruff_settings
from genesis.agents.toolkit.scan import Scan, scan_of

__all__ = ["run"]

_MANY = 50
_SHOWN_PROBLEMS = 50

Key = TypeVar("Key", str, tuple[str, str])


def run(path: object = ".", *, max_files: object = 10_000, top: object = 15, time_limit_s: object = 120) -> Result:
    """Lint a folder without executing anything of it.

    The repository's own ruff settings are used as far as they choose rules; see `ruff_settings`.

    Args:
        path: The folder.
        max_files: How many Python files are linted.
        top: How many rules and files are listed.
        time_limit_s: When linting stops.

    Returns:
        `violations` (their number), `fixable`, `by_rule` `[{rule, name, count}]`, `worst_files` `[{path, count}]`,
        `syntax_errors` `[{path, line, format, message}]`, `checked` `{python, documents, templates}`, `tool` `{name,
        available, settings, problem}`, `truncated`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    seconds = whole_number(time_limit_s, "time_limit_s", least=1, most=3_600)
    budget = Budget(seconds)
    scan = scan_of(path, time_limit_s=seconds)
    tree = scan.tree
    sources = [file for file in tree.files if file.suffix in (".py", ".pyi")]
    judged = sources[: whole_number(max_files, "max_files", least=1, most=200_000)]
    settings = ruff_settings(tree)
    report = ruff_report(tree, judged, settings, budget) if judged else RuffReport()
    documents = _Documents(scan)
    violations = sum(report.by_rule.values())
    names = settings.source if settings.source and report.used_own_settings else "default selection"
    return {
        "violations": violations,
        "fixable": report.fixable,
        "by_rule": [
            {"rule": code, "name": name, "count": count} for (code, name), count in _ordered(report.by_rule)[:limit]
        ],
        "rules_not_shown": max(0, len(report.by_rule) - limit),
        "worst_files": [{"path": name, "count": count} for name, count in _ordered(report.by_file)[:limit]],
        "syntax_errors": _syntax_errors(report, documents),
        "checked": {"python": report.files, "documents": documents.checked, "templates": documents.templates},
        "tool": {"name": "ruff", "available": report.available, "settings": names, "problem": report.problem},
        "truncated": len(judged) < len(sources) or bool(report.problem),
        "summary": _summary(report, documents, violations),
        "findings": dump(_findings(report, documents, settings, judged, len(sources))),
    }


class _Documents:
    """What the scan says of JSON, YAML and TOML files."""

    def __init__(self, scan: Scan) -> None:
        verdicts = Counter(facts.document for _, facts in scan)
        self.checked = verdicts.total() - verdicts[""]
        self.templates = verdicts["template"]
        self.problems = [(file, facts.problem) for file, facts in scan if facts.problem is not None]


def _ordered(counts: Counter[Key]) -> list[tuple[Key, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _syntax_errors(report: RuffReport, documents: _Documents) -> list[Result]:
    found: list[Result] = [
        {"path": each.path, "line": each.line, "format": "Python", "message": each.message} for each in report.broken
    ]
    found += [
        {"path": file.shown, "line": each.line, "format": each.format, "message": each.message}
        for file, each in documents.problems
    ]
    return found[:_SHOWN_PROBLEMS]


def _summary(report: RuffReport, documents: _Documents, violations: int) -> str:
    broken = len({each.path for each in report.broken}) + len(documents.problems)
    text = f"{plural(violations, 'lint violation')} in {plural(report.files, 'Python file')}"
    if not report.available:
        text = "Python was not linted, because ruff is missing"
    return f"{text}; {plural(broken, 'file')} of {report.files + documents.checked:,} with a syntax error."


def _findings(
    report: RuffReport, documents: _Documents, settings: RuffSettings, judged: list[SourceFile], sources: int
) -> Iterator[Finding]:
    if not report.available:
        yield Finding(
            severity="low",
            title="Python sources were not linted",
            detail=f"{report.problem}.",
            advice="Install ruff in the environment of Genesis and run the audit again.",
        )
    elif report.problem or len(judged) < sources:
        yield Finding(
            severity="low",
            title=f"Linting is incomplete: {report.files:,} of {plural(sources, 'Python file')} were given to ruff",
            detail=report.problem,
            advice="Raise max_files or time_limit_s, or lint in CI.",
        )
    yield from _settings_findings(report, settings, bool(judged))
    tests = {file.shown for file in judged if file.is_test}
    broken = {each.path: each for each in report.broken}
    yield from (_broken_python(path, each.line, each.message, path in tests) for path, each in broken.items())
    yield from (_broken_document(file, each) for file, each in documents.problems[:_SHOWN_PROBLEMS])
    violations = sum(report.by_rule.values())
    if violations:
        (code, name), count = _ordered(report.by_rule)[0]
        worst = _ordered(report.by_file)[0]
        yield Finding(
            severity="medium" if violations >= _MANY else "low",
            title=f"{plural(violations, 'lint violation')} of {plural(len(report.by_rule), 'rule')}",
            detail=f"Most often {code} {name} ({count:,} times); {report.fixable:,} can be fixed by ruff itself.",
            where=worst[0],
            advice="Run `ruff check --fix`, then mend the rest beginning with the worst files.",
        )


def _settings_findings(report: RuffReport, settings: RuffSettings, has_python: bool) -> Iterator[Finding]:
    if has_python and not settings.source and report.available:
        yield Finding(
            severity="low",
            title="No ruff configuration",
            detail="The sources were judged by the rules E4, E7, E9, F and B.",
            advice="Write the rules that the project wants into pyproject.toml, so that everybody lints alike.",
        )
    for refused in settings.refused:
        yield Finding(
            severity="low",
            title="A part of the ruff configuration was not used",
            detail=f"{refused} leaves the audited folder or cannot be read.",
            where=settings.source,
            advice="Keep the configuration inside the repository.",
        )
    if settings.source and not report.used_own_settings:
        yield Finding(
            severity="low",
            title="Ruff refuses the repository's ruff configuration",
            detail="The sources were judged by the rules E4, E7, E9, F and B instead.",
            where=settings.source,
            advice="Check it with a current ruff; rules may have been renamed or removed.",
        )


def _broken_python(path: str, line: int, message: str, in_tests: bool) -> Finding:
    return Finding(
        severity="low" if in_tests else "high",
        title="A Python file has a syntax error",
        detail=message,
        where=f"{path}:{line}" if line else path,
        advice="Mend it or, if it is meant to be broken, exclude it in the ruff configuration.",
    )


def _broken_document(file: SourceFile, problem: DocumentProblem) -> Finding:
    lenient = file.is_test or file.is_example
    return Finding(
        severity="low" if lenient else "medium",
        title=f"A {problem.format} file has a syntax error",
        detail=problem.message,
        where=f"{file.shown}:{problem.line}" if problem.line else file.shown,
        advice="Mend it; a tool that reads it fails or takes its defaults.",
    )
