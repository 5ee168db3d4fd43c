"""Run a repository's test suite, after a person has allowed it: in a process group, with caps, and never nested."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias
from xml.etree import ElementTree as ET

from genesis.model.sandbox import SandboxRules
from genesis.security.sandbox import Folders, find_sandbox, sandbox_argv
from genesis_audit.process import Completed, run_child, scrub_environment

__all__ = ["NESTED_MARKER", "SuiteRun", "SuiteVerdict", "is_nested", "run_suite"]

NESTED_MARKER = "GENESIS_AUDIT_NESTED"
"""Set for the suite's process; where it is set, no suite is run, so an audit in a test cannot start the tests again."""

SuiteVerdict: TypeAlias = Literal[
    "passed", "failed", "no_tests", "timeout", "no_pytest", "error", "refused_nested", "not_requested"
]

_OUTPUT_LIMIT = 200_000
_TAIL_CHARACTERS = 3_000
_MAX_REPORT_BYTES = 50_000_000
_SHOWN_FAILURES = 30
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected)\b")
_CODES: dict[int, SuiteVerdict] = {0: "passed", 1: "failed", 5: "no_tests"}
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class SuiteRun:
    """How a test suite went."""

    verdict: SuiteVerdict
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failures: tuple[str, ...] = field(default_factory=tuple)
    """The first failing tests, as `class::name`."""
    tail: str = ""
    """The end of the output, for a suite that did not pass."""
    interpreter: str = ""


def is_nested() -> bool:
    """Whether this process belongs to a test suite that an audit runs."""
    return bool(os.environ.get(NESTED_MARKER))


def run_suite(root: Path, *, timeout_s: float) -> SuiteRun:
    """Run `python -m pytest` in a folder.

    The folder's own virtual environment is used where it has one, else Genesis's Python; where pytest then stops before
    the first test, it is tried once more without Genesis's own pytest plugins, which the folder never asked for. The
    child gets no variable of this process but the locale and `PATH`, an empty home and a temporary folder of its own,
    and runs in a sandbox without a network where this machine has one.

    Args:
        root: The folder; its code is executed.
        timeout_s: When the suite and everything in its process group are killed.
    """
    python = _interpreter(root)
    run = _attempt(root, python, timeout_s, {})
    if run.verdict == "error" and python == sys.executable and not (run.passed or run.failed or run.errors):
        return _attempt(root, python, max(1.0, timeout_s - run.seconds), {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    return run


def _attempt(root: Path, python: str, timeout_s: float, extra: Mapping[str, str]) -> SuiteRun:
    with tempfile.TemporaryDirectory(prefix="genesis-tests-", ignore_cleanup_errors=True) as scratch:
        report = Path(scratch, "report.xml")
        home = Path(scratch, "home")
        home.mkdir()
        options = ["-q", "-p", "no:cacheprovider", "--color=no", "--tb=short", f"--junitxml={report}"]
        environment = {**_environment(python, home, Path(scratch)), **extra}
        done = run_child(
            _confine([python, "-m", "pytest", *options], root, Path(scratch), environment["PATH"]),
            cwd=root,
            env=environment,
            timeout_s=timeout_s,
            output_limit=_OUTPUT_LIMIT,
            keep_tail=True,
        )
        return _make_suite_run(done, report, python)


def _confine(argv: list[str], root: Path, scratch: Path, path: str) -> list[str]:
    """Return the command that runs the suite in a sandbox without a network, where this machine has one."""
    tool = find_sandbox()
    if tool is None:
        return argv
    return sandbox_argv(
        argv, SandboxRules(), tool, folders=Folders(root.absolute(), scratch), environment={"PATH": path}
    )


def _interpreter(root: Path) -> str:
    folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    for environment in (".venv", "venv"):
        candidate = root / environment / folder / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    return sys.executable


def _environment(python: str, home: Path, scratch: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])
    return scrub_environment(
        path,
        {
            NESTED_MARKER: "1",
            "HOME": str(home),
            "TMPDIR": str(scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "CI": "1",
        },
    )


def _make_suite_run(done: Completed, report: Path, python: str) -> SuiteRun:
    text = _CONTROL.sub("", done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace"))
    verdict: SuiteVerdict = _CODES.get(done.code, "error") if done.code is not None else "error"
    if done.end == "timeout":
        verdict = "timeout"
    elif verdict != "passed" and "No module named pytest" in text:
        verdict = "no_pytest"
    counts, failures = _from_report(report) or (_from_output(text), ())
    return SuiteRun(
        verdict,
        passed=counts.get("passed", 0),
        failed=counts.get("failed", 0),
        errors=counts.get("errors", 0),
        skipped=counts.get("skipped", 0),
        seconds=round(done.seconds, 2),
        failures=failures,
        tail="" if verdict == "passed" else text[-_TAIL_CHARACTERS:],
        interpreter=python,
    )


def _from_report(report: Path) -> tuple[dict[str, int], tuple[str, ...]] | None:
    """Count from pytest's XML report, which a killed suite does not leave."""
    try:
        if report.is_symlink() or report.stat().st_size > _MAX_REPORT_BYTES:
            return None
        content = report.read_bytes()
        if b"<!ENTITY" in content:
            return None
        root = ET.fromstring(content)  # noqa: S314  # entities were refused above
    except (OSError, ET.ParseError, ValueError):
        return None
    counts = dict.fromkeys(("passed", "failed", "errors", "skipped"), 0)
    failures: list[str] = []
    for case in root.iter("testcase"):
        tags = {child.tag for child in case}
        kind = (
            "failed" if "failure" in tags else "errors" if "error" in tags else "skipped" if "skipped" in tags else ""
        )
        counts[kind or "passed"] += 1
        if kind in ("failed", "errors") and len(failures) < _SHOWN_FAILURES:
            name = "::".join(part for part in (case.get("classname", ""), case.get("name", "")) if part)
            failures.append(_CONTROL.sub("", name)[:200])
    return counts, tuple(failures)


def _from_output(text: str) -> dict[str, int]:
    """Count from the last summary line."""
    for line in reversed(text.splitlines()):
        found = _COUNT.findall(line)
        if found:
            counts = {("errors" if word.startswith("error") else word): int(number) for number, word in found}
            counts["passed"] = counts.get("passed", 0) + counts.get("xpassed", 0)
            return counts
    return {}
