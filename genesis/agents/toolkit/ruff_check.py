"""Run ruff on files of an untrusted folder."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.documents import mapping, string
from genesis.agents.toolkit.files import SourceFile, Tree, printable
from genesis.agents.toolkit.process import Completed, run_child, scrubbed_environment, trusted_path
from genesis.agents.toolkit.ruff_settings import RuffSettings

__all__ = ["RuffReport", "Violation", "ruff_report"]

_BATCH = 400
_USAGE_ERROR = 2
_OUTPUT_LIMIT = 64_000_000
_SYNTAX_CODES = ("", "E999", "invalid-syntax", "syntax-error")


@dataclass(frozen=True)
class Violation:
    """A place that is not Python at all."""

    path: str
    line: int
    message: str


@dataclass
class RuffReport:
    """What ruff found, counted."""

    available: bool = True
    problem: str = ""
    """Why it could not judge, or could not judge everything."""
    used_own_settings: bool = True
    files: int = 0
    by_rule: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Counts by code and name."""
    fixable: int = 0
    by_file: Counter[str] = field(default_factory=Counter)
    broken: list[Violation] = field(default_factory=list)


def ruff_report(tree: Tree, files: Sequence[SourceFile], settings: RuffSettings, budget: Budget) -> RuffReport:
    """Lint files with ruff from this Python's own environment, never with one from the audited folder.

    Args:
        tree: The folder.
        files: The Python files.
        settings: What to check.
        budget: The time for all of it.
    """
    report = RuffReport()
    if find_spec("ruff") is None:
        report.available, report.problem = False, "ruff is not installed beside Genesis"
        return report
    with tempfile.TemporaryDirectory(prefix="genesis-lint-") as scratch:
        configuration = Path(scratch, "ruff.toml")
        configuration.write_text(settings.toml, encoding="utf-8")
        for batch in _batches(files):
            if budget.spent:
                report.problem = "the time limit was reached"
                return report
            done = _run(tree.root, ["--config", str(configuration)], batch, budget)
            if done.end == "exited" and done.code == _USAGE_ERROR and not done.stdout and report.used_own_settings:
                report.used_own_settings = False
                configuration.write_text('lint.select = ["E4", "E7", "E9", "F", "B"]\n', encoding="utf-8")
                done = _run(tree.root, ["--config", str(configuration)], batch, budget)
            report.files += len(batch)
            _take(report, tree.root, done)
            if done.end != "exited":
                return report
    return report


def _batches(files: Sequence[SourceFile]) -> Iterator[Sequence[SourceFile]]:
    for start in range(0, len(files), _BATCH):
        yield files[start : start + _BATCH]


def _run(root: Path, settings: list[str], batch: Sequence[SourceFile], budget: Budget) -> Completed:
    """Run one batch. `-P` keeps Python from importing a `ruff.py` of the audited folder."""
    fixed = ["check", "--no-cache", "--exit-zero", "--force-exclude", "--quiet", "--output-format", "json-lines"]
    names = [f"./{file.path}" for file in batch]
    argv = [sys.executable, "-P", "-m", "ruff", *fixed, *settings, "--", *names]
    env = scrubbed_environment(trusted_path(root), {"HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull, "NO_COLOR": "1"})
    return run_child(argv, cwd=root, env=env, timeout_s=max(1.0, budget.left), output_limit=_OUTPUT_LIMIT)


def _take(report: RuffReport, root: Path, done: Completed) -> None:
    if done.end != "exited":
        reasons = {"timeout": "the time limit was reached", "output_limit": "there are too many findings to read"}
        report.problem = reasons.get(done.end, "ruff could not be started")
    elif done.code != 0:
        report.problem = f"ruff ended with code {done.code}"
    prefix = f"{root}{os.sep}"
    for line in done.stdout.splitlines():
        try:
            found = mapping(json.loads(line))
        except ValueError:
            continue
        path = printable(string(found.get("filename")).removeprefix(prefix))
        code = string(found.get("code"))
        report.by_file[path] += 1
        if code in _SYNTAX_CODES:
            row = mapping(found, "location").get("row")
            message = string(found.get("message"))[:160]
            report.broken.append(Violation(path, row if isinstance(row, int) else 0, message))
            continue
        report.by_rule[(code, string(found.get("name")))] += 1
        report.fixable += mapping(found, "fix").get("applicability") == "safe"
