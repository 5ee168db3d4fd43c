"""Run oxlint on the JavaScript and TypeScript of an untrusted folder."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from genesis_audit.budget import TimeBudget
from genesis_audit.documents import BrokenDocument, items, load_json, mapping, string
from genesis_audit.files import SourceFile, Tree, printable
from genesis_audit.lint_report import BrokenSource, LintReport
from genesis_audit.process import find_program, get_trusted_path, run_child, scrub_environment

__all__ = ["oxlint_report"]

_BATCH = 1_000
_OUTPUT_LIMIT = 64_000_000
_CONFIGURATION = {
    "plugins": ["typescript", "oxc"],
    "categories": {"correctness": "warn"},
    "rules": {"no-unused-vars": "off", "no-unused-expressions": "off", "no-control-regex": "off"},
}
"""The rules for code that is wrong; what is unused is left to the project's own linter, which knows its exceptions.

The repository's own configuration is not read: it may load plugins, which are programs.
"""


def oxlint_report(tree: Tree, files: Sequence[SourceFile], budget: TimeBudget) -> LintReport:
    """Lint files with oxlint from this Python's own environment, with rules of ours.

    Args:
        tree: The folder.
        files: The scripts.
        budget: The time for all of it.
    """
    report = LintReport(
        "oxlint", "JavaScript and TypeScript", "oxlint's correctness rules", "oxlint --disable-nested-config"
    )
    program = find_program("oxlint")
    if program is None:
        report.available, report.problem = False, "oxlint is not installed beside Genesis"
        return report
    with tempfile.TemporaryDirectory(prefix="genesis-lint-") as scratch:
        configuration = Path(scratch, "oxlintrc.json")
        configuration.write_text(json.dumps(_CONFIGURATION), encoding="utf-8")
        fixed = [program, f"--config={configuration}", "--disable-nested-config", "--no-ignore", "--format=json"]
        for start in range(0, len(files), _BATCH):
            if budget.spent:
                report.problem = "the time limit was reached"
                break
            batch = files[start : start + _BATCH]
            done = run_child(
                [*fixed, *(f"./{file.path}" for file in batch)],
                cwd=tree.root,
                env=scrub_environment(get_trusted_path(tree.root), {"HOME": os.devnull, "NO_COLOR": "1"}),
                timeout_s=max(1.0, budget.left),
                output_limit=_OUTPUT_LIMIT,
            )
            report.files += len(batch)
            if done.end != "exited":
                report.problem = "oxlint did not end in time or wrote too much"
                break
            _take(report, done.stdout)
    return report


def _take(report: LintReport, output: bytes) -> None:
    try:
        answer = mapping(load_json(output.decode("utf-8", "replace")))
    except BrokenDocument:
        report.problem = "oxlint gave no answer that could be read"
        return
    for each in items(answer.get("diagnostics")):
        found = mapping(each)
        path = printable(string(found.get("filename")).removeprefix("./"))
        label = next(items(found.get("labels")), None)
        line = mapping(label, "span").get("line")
        code = string(found.get("code"))
        report.by_file[path] += 1
        if not code:
            message = string(found.get("message"))[:160]
            report.broken.append(BrokenSource(path, line if isinstance(line, int) else 0, message))
        else:
            report.by_rule[(code, "")] += 1
