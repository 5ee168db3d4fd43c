"""Find a folder's tests and, only on request, run them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Annotated

from genesis.security.parameters import DATA, EXECUTES, READ_PATH
from genesis_audit.finding import AuditFinding, FindingSeverity, ToolResult, dump, plural
from genesis_audit.inputs import whole_number, yes_or_no
from genesis_audit.pytest_run import NESTED_MARKER, SuiteRun, is_nested, run_suite
from genesis_audit.scan import Scan, scan_of
from genesis_audit.static_tests import find_commands, find_test_frameworks

__all__ = ["run"]

_COUNTING_S = 60
_MANY_SOURCES = 10


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    run_tests: Annotated[object, EXECUTES] = "no",
    timeout_s: Annotated[object, DATA] = 300,
    top: Annotated[object, DATA] = 15,
) -> ToolResult:
    """Count a folder's tests by reading them; run them with pytest only when `run_tests` is true.

    Args:
        path: The folder.
        run_tests: `yes`, `true` or `1` executes the folder's code; `no` is the default; other words are refused.
        timeout_s: When a suite that runs is killed.
        top: How many test files are listed.

    Returns:
        `test_files`, `test_functions`, `skipped_functions`, `source_files`, `frameworks`, `commands`
        (that run tests, from the build files), `by_language` `{language:
        tests}`, `largest` `[{path, tests}]`, `suite` `{verdict, passed, failed, errors, skipped, seconds, failures,
        tail, interpreter}` with the verdicts `passed failed no_tests timeout no_pytest error refused_nested
        not_requested`, `truncated`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read, or `run_tests` is neither yes nor no.
    """
    wanted = yes_or_no(run_tests, "run_tests")
    limit = whole_number(top, "top", least=1, most=1_000)
    seconds = whole_number(timeout_s, "timeout_s", least=1, most=86_400)
    scan = scan_of(path, time_limit_s=_COUNTING_S)
    found = _census(scan)
    if not wanted:
        suite = SuiteRun("not_requested")
    elif is_nested():
        suite = SuiteRun("refused_nested")
    else:
        suite = run_suite(scan.tree.root, timeout_s=seconds)
    ordered = sorted(found.by_file.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "test_files": len(found.by_file),
        "test_functions": sum(found.by_file.values()),
        "skipped_functions": found.skipped,
        "source_files": found.source_files,
        "frameworks": sorted(found.frameworks),
        "commands": found.commands[:limit],
        "by_language": dict(sorted(found.languages.items())),
        "largest": [{"path": name, "tests": count} for name, count in ordered[:limit]],
        "suite": {**asdict(suite), "failures": list(suite.failures)},
        "truncated": scan.truncated,
        "summary": _summary(found, suite),
        "findings": dump([*_census_findings(found), *_suite_findings(suite, seconds)]),
    }


@dataclass
class _Census:
    """The tests of a folder that can be counted without running them."""

    by_file: Counter[str] = field(default_factory=Counter)
    """Test functions by file; a parametrized one counts once."""
    languages: Counter[str] = field(default_factory=Counter)
    frameworks: set[str] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)
    """Commands that run tests, as the build files say."""
    unparsed: list[str] = field(default_factory=list)
    skipped: int = 0
    """Python tests that a decorator skips always."""
    source_files: int = 0
    """Source files that are no tests."""


def _census(scan: Scan) -> _Census:
    found = _Census(frameworks=find_test_frameworks(scan.tree), commands=find_commands(scan.tree))
    for file, facts in scan:
        if facts.origin in ("vendored", "minified"):
            continue
        if facts.is_source and facts.code and not (file.is_test or file.is_example):
            found.source_files += 1
        if facts.tests is None:
            continue
        if facts.python is not None and facts.python.problem is not None:
            found.unparsed.append(file.shown)
            continue
        found.by_file[file.shown] += facts.tests.functions
        found.languages[facts.language or "Test cases"] += facts.tests.functions
        found.frameworks.update(facts.tests.frameworks)
        found.skipped += facts.tests.skipped
    return found


def _summary(found: _Census, suite: SuiteRun) -> str:
    functions = sum(found.by_file.values())
    text = f"{plural(functions, 'test function')} in {plural(len(found.by_file), 'test file')}"
    if suite.verdict == "not_requested":
        return f"{text}; they were not run, because nothing is executed unless run_tests=yes."
    if suite.verdict in ("passed", "failed"):
        broken = suite.failed + suite.errors
        return f"{text}; run: {suite.passed:,} passed, {broken:,} failed, {suite.skipped:,} skipped."
    return f"{text}; run: {suite.verdict.replace('_', ' ')}."


def _census_findings(found: _Census) -> Iterator[AuditFinding]:
    functions = sum(found.by_file.values())
    if not functions and found.commands:
        yield AuditFinding(
            severity="low",
            title="No test function was recognised",
            detail=f"The project runs tests with {', '.join(f'`{command}`' for command in found.commands[:3])}.",
            advice="Run that; what it covers is not known here.",
        )
    elif not functions and found.source_files:
        yield AuditFinding(
            severity="high" if found.source_files >= _MANY_SOURCES else "medium",
            title="No tests were found",
            detail=f"There are {plural(found.source_files, 'source file')} and no test function that is recognised.",
            advice="Begin with the entry points: one test each for the usual way and for the commonest failure.",
        )
    for name in found.unparsed[:10]:
        yield AuditFinding(
            severity="medium",
            title="A test file cannot be parsed, so its tests do not run",
            where=name,
            advice="Fix its syntax.",
        )
    if found.skipped:
        yield AuditFinding(
            severity="low",
            title=f"{plural(found.skipped, 'test')} always skipped",
            advice="Fix or remove them: a skipped test protects nothing.",
        )


def _suite_findings(suite: SuiteRun, timeout_s: int) -> Iterator[AuditFinding]:
    if suite.verdict == "failed":
        failing = ", ".join(suite.failures[:5])
        more = suite.failed + suite.errors - min(5, len(suite.failures))
        yield AuditFinding(
            severity="high",
            title=f"The test suite fails: {suite.failed + suite.errors:,} of "
            f"{suite.passed + suite.failed + suite.errors:,} tests",
            detail=failing + (f" and {more} more" if more > 0 else ""),
            advice="Fix them before anything else changes: a red suite hides the next mistake.",
        )
    known: dict[str, tuple[FindingSeverity, str, str]] = {
        "timeout": (
            "medium",
            f"The test suite did not end within {plural(timeout_s, 'second')}",
            "Give a larger timeout_s, or mark slow tests so that they can be left out.",
        ),
        "no_tests": ("medium", "pytest collects no test", "Check testpaths and the names of test files and functions."),
        "no_pytest": (
            "low",
            "The tests could not be run, because pytest is not installed",
            "Install it in the repository's .venv, or beside Genesis.",
        ),
        "error": (
            "medium",
            "The test suite could not be run to its end",
            "Run `python -m pytest` in its own .venv and fix what it says; often a requirement is not installed.",
        ),
        "refused_nested": (
            "low",
            "The tests were not run, because this audit itself runs inside a test suite",
            f"That is what {NESTED_MARKER} guards against; run the audit outside of the tests.",
        ),
    }
    if suite.verdict in known:
        severity, title, advice = known[suite.verdict]
        lines = [line for line in suite.tail.splitlines() if line.strip()]
        yield AuditFinding(severity=severity, title=title, detail=lines[-1][:300] if lines else "", advice=advice)
