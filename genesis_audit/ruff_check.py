"""Run ruff on files of an untrusted folder."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from genesis_audit.budget import TimeBudget
from genesis_audit.documents import mapping, string
from genesis_audit.files import SourceFile, Tree, printable
from genesis_audit.lint_report import BrokenSource, LintReport
from genesis_audit.process import Completed, find_program, get_trusted_path, run_child, scrub_environment
from genesis_audit.ruff_settings import RuffSettings

__all__ = ["ruff_report"]

_BATCH = 1_000
_USAGE_ERROR = 2
_OUTPUT_LIMIT = 64_000_000
_SYNTAX_CODES = ("", "E999", "invalid-syntax", "syntax-error")
_EXTEND = re.compile(r"^([ \t]*extend[ \t]*=[ \t]*)[\"']([^\"'\n]+)[\"']", re.MULTILINE)
_FIXED = ("check", "--no-cache", "--no-fix", "--exit-zero", "--force-exclude", "--quiet", "--output-format=json-lines")
_DEFAULT = ("--isolated", "--select=E4,E7,E9,F")
"""Ruff's own default rules, for files that no configuration is for."""


def ruff_report(tree: Tree, groups: Sequence[RuffSettings], budget: TimeBudget) -> LintReport:
    """Lint files with ruff from this Python's own environment, never with one from the audited folder.

    Args:
        tree: The folder.
        groups: The files by the configuration that is for them.
        budget: The time for all of it.
    """
    report = LintReport("ruff")
    program = find_program("ruff")
    if program is None:
        report.available, report.problem = False, "ruff is not installed beside Genesis"
        return report
    report.version = version("ruff")
    sources = [settings.source for settings in groups if settings.source]
    report.settings, report.is_configured = ", ".join(map(printable, sources[:5])), bool(sources)
    report.refused = [(printable(each.source), refused) for each in groups for refused in each.refused]
    with tempfile.TemporaryDirectory(prefix="genesis-lint-") as scratch:
        for settings in groups:
            _Group(program, tree, settings, Path(scratch), report).check(budget)
    return report


@dataclass
class _Group:
    """Files that one configuration is for."""

    program: str
    tree: Tree
    settings: RuffSettings
    scratch: Path
    report: LintReport

    def check(self, budget: TimeBudget) -> None:
        options = self._options(self.settings)
        for batch in _batches(self.settings.files):
            if budget.spent:
                self.report.problem = "the time limit was reached"
                return
            done = self._run(options, batch, budget)
            while _is_refused(done) and (easier := self._easier(options)) is not None:
                options = easier
                done = self._run(options, batch, budget)
            self.report.files += len(batch)
            _take(self.report, self.tree.root, done)

    def _options(self, settings: RuffSettings) -> list[str]:
        target = [f"--target-version={settings.target_version}"] if settings.target_version else []
        if not settings.source:
            return [*_DEFAULT, *target]
        if settings.copy is None:
            return self._default(target)
        configuration = self.tree.root / settings.source
        configuration_folder = configuration.parent
        if settings.refused or settings is not self.settings:
            # a name of its own, as pyproject.toml and ruff.toml are read differently
            folder = Path(tempfile.mkdtemp(dir=self.scratch))
            configuration = folder / settings.source.rpartition("/")[2]
            configuration.write_text(_with_absolute_extend(settings.copy, configuration_folder), encoding="utf-8")
        return [f"--config={configuration}", *target]

    def _easier(self, options: list[str]) -> list[str] | None:
        """Choose what to try after ruff has refused a configuration: without its version, then the default rules."""
        if _DEFAULT[0] in options:
            return None
        asked = self.settings.required_version
        if asked and (self.settings.source, asked) not in self.report.other_versions:
            self.report.other_versions.append((self.settings.source, asked))
            return self._options(self.settings.without("required-version"))
        return self._default([])

    def _default(self, target: list[str]) -> list[str]:
        self.report.not_taken.append(printable(self.settings.source))
        return [*_DEFAULT, *target]

    def _run(self, options: list[str], batch: Sequence[SourceFile], budget: TimeBudget) -> Completed:
        folder = self.settings.folder
        start = len(folder) + 1 if folder else 0
        names = [f"./{file.path[start:]}" for file in batch]
        extra = {"HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull, "NO_COLOR": "1"}
        return run_child(
            [self.program, *_FIXED, *options, "--", *names],
            cwd=self.tree.root / folder,
            env=scrub_environment(get_trusted_path(self.tree.root), extra),
            timeout_s=max(1.0, budget.left),
            output_limit=_OUTPUT_LIMIT,
        )


def _with_absolute_extend(text: str, folder: Path) -> str:
    """Keep `extend` pointing at the same file when the configuration is read from elsewhere."""
    return _EXTEND.sub(lambda match: match[1] + json.dumps(os.fspath(folder / match[2])), text)


def _is_refused(done: Completed) -> bool:
    return done.end == "exited" and done.code == _USAGE_ERROR and not done.stdout


def _batches(files: Sequence[SourceFile]) -> Iterator[Sequence[SourceFile]]:
    for start in range(0, len(files), _BATCH):
        yield files[start : start + _BATCH]


def _take(report: LintReport, root: Path, done: Completed) -> None:
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
            report.broken.append(BrokenSource(path, row if isinstance(row, int) else 0, message))
            continue
        report.by_rule[(code, string(found.get("name")))] += 1
        report.fixable += mapping(found, "fix").get("applicability") == "safe"
