"""Lint a folder's Python with ruff and its JavaScript and TypeScript with oxlint; check its JSON, YAML and TOML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeVar

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.budget import TimeBudget
from genesis_audit.facts import DocumentProblem
from genesis_audit.files import SourceFile, Tree
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.inputs import whole_number
from genesis_audit.lint_report import LintReport
from genesis_audit.oxlint_check import oxlint_report
from genesis_audit.ruff_check import ruff_report
from genesis_audit.ruff_settings import ruff_settings
from genesis_audit.scan import Scan, scan_of

__all__ = ["run"]

_MANY = 50
_SHOWN_PROBLEMS = 50
_SCRIPTS = ("JavaScript", "TypeScript", "Vue", "Svelte", "Astro")
_TEST_DATA = re.compile(
    r"(?i)(?:^|/)(?:(?:__)?fixtures?(?:__)?|test[_-]?data|data|assets|resources|snapshots|corpus)/"
    r"|(?:broken|invalid|malformed|syntax[_-]?err(?:or)?)[^/]*$"
)
"""What tests read rather than run: it is broken on purpose."""
_OTHER_LINTERS = frozenset({".flake8", ".pylintrc", "pylintrc", ".pycodestyle", ".prospector.yaml"})
_OTHER_TABLES = (
    "[flake8]",
    "[pycodestyle]",
    "[pylint",
    "[pylama]",
    "[tool.pylint",
    "[tool.flake8",
    "[tool.pycodestyle",
)

Key = TypeVar("Key", str, tuple[str, str])


@dataclass(frozen=True)
class _Linted:
    """What was to be linted, and what came of it."""

    python: LintReport
    scripts: LintReport
    documents: _Documents
    wanted: int
    """How many files there are to lint."""
    given: list[SourceFile]
    others: tuple[str, ...]
    """Programming languages that no linter was there for."""

    @property
    def reports(self) -> tuple[LintReport, LintReport]:
        return self.python, self.scripts


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    max_files: Annotated[object, DATA] = 10_000,
    top: Annotated[object, DATA] = 15,
    time_limit_s: Annotated[object, DATA] = 120,
) -> ToolResult:
    """Lint a folder without executing anything of it.

    Python is linted by ruff with the repository's own configurations, JavaScript and TypeScript by oxlint's rules for
    code that is wrong. Vendored, generated and minified files are left out. Other languages are not linted, and named.

    Args:
        path: The folder.
        max_files: How many files of each linter are linted.
        top: How many rules and files are listed.
        time_limit_s: When linting stops.

    Returns:
        `violations` (their number), `fixable`, `by_rule` `[{rule, name, count}]`, `worst_files` `[{path, count}]`,
        `syntax_errors` `[{path, line, format, message}]`, `checked` `{python, scripts, documents, templates}`, `tool`
        `{name, available, settings, problem}` for ruff, `tools` `[{name, available, settings, problem, files}]`,
        `not_linted` (the programming languages without a linter), `truncated`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    seconds = whole_number(time_limit_s, "time_limit_s", least=1, most=3_600)
    most = whole_number(max_files, "max_files", least=1, most=200_000)
    linted = _lint(scan_of(path, time_limit_s=seconds), most, TimeBudget(seconds))
    by_rule = linted.python.by_rule + linted.scripts.by_rule
    by_file = linted.python.by_file + linted.scripts.by_file
    used = [report for report in linted.reports if report.files or not report.available]
    return {
        "violations": sum(by_rule.values()),
        "fixable": sum(report.fixable for report in linted.reports),
        "by_rule": [
            {"rule": code, "name": name, "count": count} for (code, name), count in _sort_by_count(by_rule)[:limit]
        ],
        "rules_not_shown": max(0, len(by_rule) - limit),
        "worst_files": [{"path": name, "count": count} for name, count in _sort_by_count(by_file)[:limit]],
        "syntax_errors": _syntax_errors(linted),
        "checked": {
            "python": linted.python.files,
            "scripts": linted.scripts.files,
            "documents": linted.documents.checked,
            "templates": linted.documents.templates,
        },
        "tool": _tool(linted.python),
        "tools": [{**_tool(report), "files": report.files} for report in used],
        "not_linted": list(linted.others),
        "truncated": len(linted.given) < linted.wanted or any(report.problem for report in linted.reports),
        "summary": _summary(linted),
        "findings": dump(_findings(linted)),
    }


def _lint(scan: Scan, most: int, budget: TimeBudget) -> _Linted:
    own = [(file, facts) for file, facts in scan if facts.origin == "own" and not _is_test_data(file)]
    python = [file for file, facts in own if facts.language == "Python" and file.suffix in (".py", ".pyi")]
    scripts = [file for file, facts in own if facts.language in _SCRIPTS]
    languages = {facts.language for _, facts in own if facts.language and facts.is_source and facts.code}
    given = [*python[:most], *scripts[:most]]
    report = ruff_report(scan.tree, ruff_settings(scan.tree, python[:most]), budget) if python else LintReport("ruff")
    report.is_minor = scan.is_minor("Python")
    if python and not report.settings:
        report.settings = _other_linter(scan.tree)
    return _Linted(
        report,
        oxlint_report(scan.tree, scripts[:most], budget) if scripts else LintReport("oxlint"),
        _Documents(scan),
        len(python) + len(scripts),
        given,
        tuple(sorted(languages - {"Python", *_SCRIPTS})),
    )


def _is_test_data(file: SourceFile) -> bool:
    return file.is_test and _TEST_DATA.search(file.path) is not None


def _other_linter(tree: Tree) -> str:
    """Name the file with which the project configures another linter for Python; empty where there is none."""
    for file in tree.files:
        if "/" not in file.path:
            text = tree.text_of(file) if file.name in ("setup.cfg", "tox.ini", "pyproject.toml") else None
            if file.name in _OTHER_LINTERS or any(table in (text or "") for table in _OTHER_TABLES):
                return file.shown
    return ""


def _tool(report: LintReport) -> ToolResult:
    names = report.settings or "default selection"
    return {"name": report.name, "available": report.available, "settings": names, "problem": report.problem}


class _Documents:
    """What the scan says of JSON, YAML and TOML files."""

    def __init__(self, scan: Scan) -> None:
        verdicts = Counter(facts.document for _, facts in scan)
        self.checked = verdicts.total() - verdicts[""]
        self.templates = verdicts["template"]
        self.problems = [(file, facts.problem) for file, facts in scan if facts.problem is not None]


def _sort_by_count(counts: Counter[Key]) -> list[tuple[Key, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _syntax_errors(linted: _Linted) -> list[ToolResult]:
    found: list[ToolResult] = [
        {"path": each.path, "line": each.line, "format": report.language, "message": each.message}
        for report in linted.reports
        for each in report.broken
    ]
    found += [
        {"path": file.shown, "line": each.line, "format": each.format, "message": each.message}
        for file, each in linted.documents.problems
    ]
    return found[:_SHOWN_PROBLEMS]


def _summary(linted: _Linted) -> str:
    violations = sum(sum(report.by_rule.values()) for report in linted.reports)
    files = sum(report.files for report in linted.reports)
    broken = sum(len({each.path for each in report.broken}) for report in linted.reports)
    broken += len(linted.documents.problems)
    names = " and ".join(report.language for report in linted.reports if report.files)
    text = (
        f"{plural(violations, 'lint violation')} in {plural(files, f'{names} file')}" if files else "Nothing was linted"
    )
    missing = [report for report in linted.reports if not report.available]
    if missing:
        text = "; ".join(f"{report.language} was not linted, because {report.name} is missing" for report in missing)
    if linted.others:
        text += f"; not linted: {', '.join(linted.others)}"
    return f"{text}; {plural(broken, 'file')} of {files + linted.documents.checked:,} with a syntax error."


def _findings(linted: _Linted) -> Iterator[AuditFinding]:
    for report in linted.reports:
        yield from _report_findings(report)
    done = sum(report.files for report in linted.reports)
    if done < linted.wanted and all(report.available for report in linted.reports):
        yield AuditFinding(
            severity="low",
            title=f"Linting is incomplete: {done:,} of {plural(linted.wanted, 'file')} were linted",
            detail=" ".join(report.problem for report in linted.reports if report.problem),
            advice="Raise max_files or time_limit_s, or lint in CI.",
        )
    lenient = {file.shown for file in linted.given if file.is_test or file.is_example}
    for report in linted.reports:
        broken = {each.path: each for each in report.broken}
        for path, each in broken.items():
            yield _make_source_finding(report.language, path, each.line, each.message, path in lenient)
    for file, problem in linted.documents.problems[:_SHOWN_PROBLEMS]:
        if not file.is_test:  # what a test reads may be broken on purpose
            yield _make_document_finding(file, problem)


def _report_findings(report: LintReport) -> Iterator[AuditFinding]:
    if not report.available:
        yield AuditFinding(
            severity="low",
            title=f"{report.language} sources were not linted",
            detail=f"{report.problem}.",
            advice=f"Install {report.name} in the environment of Genesis and run the audit again.",
        )
        return
    yield from _settings_findings(report)
    violations = sum(report.by_rule.values())
    if violations and (report.settings or not report.is_minor):
        (code, name), count = _sort_by_count(report.by_rule)[0]
        worst = _sort_by_count(report.by_file)[0]
        named, rules = f"{code} {name}".strip(), plural(len(report.by_rule), "rule")
        fixable = f"; {report.fixable:,} can be fixed by {report.name} itself" if report.fixable else ""
        yield AuditFinding(
            severity="medium" if violations >= _MANY and report.is_configured else "low",
            title=f"{plural(violations, 'lint violation')} of {rules} in {report.language}",
            detail=f"Most often {named} ({plural(count, 'time')}){fixable}. "
            f"Rules: {report.settings or report.default}.",
            where=worst[0],
            advice=f"Run `{report.command}`, then fix the rest beginning with the worst files.",
        )


def _settings_findings(report: LintReport) -> Iterator[AuditFinding]:
    if report.files and not (report.settings or report.is_minor) and report.name == "ruff":
        yield AuditFinding(
            severity="low",
            title="No linter is configured for Python",
            detail=f"The sources were judged by {report.default}.",
            advice="Write the rules that the project wants into pyproject.toml, so that everybody lints alike.",
        )
    for source, refused in report.refused:
        yield AuditFinding(
            severity="low",
            title="A part of the ruff configuration was not used",
            detail=f"{refused} leaves the audited folder or cannot be read.",
            where=source,
            advice="Keep the configuration inside the repository.",
        )
    for source in report.not_taken:
        yield AuditFinding(
            severity="low",
            title="Ruff refuses the repository's ruff configuration",
            detail=f"The sources were judged by {report.default} instead.",
            where=source,
            advice="Check it with a current ruff; rules may have been renamed or removed.",
        )
    for source, version in report.other_versions:
        yield AuditFinding(
            severity="low",
            title=f"The sources were linted by another ruff than the repository requires, {version}",
            detail=f"This was ruff {report.version}; its findings may differ a little.",
            where=source,
            advice="Nothing needs to be done; lint with the required version to see exactly its findings.",
        )


def _make_source_finding(language: str, path: str, line: int, message: str, is_lenient: bool) -> AuditFinding:
    return AuditFinding(
        severity="low" if is_lenient else "high",
        title=f"A {language} file has a syntax error",
        detail=message,
        where=f"{path}:{line}" if line else path,
        advice="Fix it or, if it is meant to be broken, exclude it in the linter's configuration.",
    )


def _make_document_finding(file: SourceFile, problem: DocumentProblem) -> AuditFinding:
    return AuditFinding(
        severity="low" if file.is_example else "medium",
        title=f"A {problem.format} file has a syntax error",
        detail=problem.message,
        where=f"{file.shown}:{problem.line}" if problem.line else file.shown,
        advice="Fix it; a tool that reads it fails or takes its defaults.",
    )
