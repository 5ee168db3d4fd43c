"""What is dangerous in GitHub Actions: zizmor's findings, one for each of its rules."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genesis_audit.documents import BrokenDocument, items, load_json, mapping, string
from genesis_audit.files import SourceFile, Tree, printable
from genesis_audit.finding import SEVERITIES, AuditFinding, FindingSeverity, plural
from genesis_audit.process import get_trusted_path, run_child, scrub_environment
from genesis_audit.workflows import Workflow

__all__ = ["check_workflows"]

_TIME_LIMIT_S = 30
_MAX_FILES = 200
_NAMED = 3
_SETTINGS = (".github/zizmor.yml", ".github/zizmor.yaml", "zizmor.yml", "zizmor.yaml", ".zizmor.yml", ".zizmor.yaml")
_IGNORE_COMMENT = "zizmor: ignore"
_OFFICIAL_ACTION = re.compile(r"(?:^|uses:)\s*[\"']?(?:actions|github)/")
_BY_STRANGER = re.compile(
    r"github\.(?:head_ref\b|event\s*\)|event\.(?:(?:issue|pull_request|comment|review|discussion)\.(?:title|body)\b"
    r"|pull_request\.head\.(?:ref\b|label\b|repo\.(?:default_branch|description|homepage)\b)"
    r"|(?:head_commit|commits|workflow_run)\S*\b(?:message|author|committer|head_branch|display_title)\b|pages))"
)
"""Values controlled by the author of an issue or a pull request."""
_FIXED_FORM = re.compile(
    r"\s*github\.(?:event\.(?:\w+\.)*(?:number|id|node_id|sha|login|merged|draft)|sha|actor|run_id|run_number)\s*"
)
"""Numbers, commits and names of accounts: none of them can hold what a shell takes for more than a word."""
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_STRANGERS_EVENT = re.compile(r"\b(?:pull_request\w*|issues?|issue_comment|discussion\w*|fork|gollum|workflow_run)\b")
_FETCHES = re.compile(r"actions/(?:checkout|download-artifact)@|\bgit (?:clone|fetch|checkout)\b|\bgh (?:pr|run)\b")
_CHECKS_OUT_HEAD = re.compile(r"ref:[^\n]*github\.(?:event\.(?:pull_request|workflow_run)\.head|head_ref)")
_STYLE = frozenset({"anonymous-definition", "self-repository", "superfluous-actions", "undocumented-permissions"})
"""Rules of zizmor about how a workflow is written, which put nothing at risk."""
_BY_LEVEL: dict[str, FindingSeverity] = {"High": "high", "Medium": "medium", "Low": "low"}
_AT_MOST: dict[str, FindingSeverity] = {
    "artipacked": "low",
    "bot-conditions": "medium",
    "cache-poisoning": "low",
    "dangerous-triggers": "medium",
    "excessive-permissions": "medium",
    "insecure-commands": "medium",
    "secrets-inherit": "low",
    "unpinned-images": "low",
    "unpinned-uses": "medium",
}
"""What zizmor rates by the worst case, and what an engineer would plan rather than drop everything for."""
_WORDING: dict[str, tuple[str, str]] = {
    "adhoc-packages": (
        "A workflow installs packages that no lock file fixes",
        "Install them from a lock file, or name their versions.",
    ),
    "archived-uses": (
        "A workflow uses an action whose repository is archived",
        "Replace it: nobody fixes what is found in it.",
    ),
    "artipacked": (
        "The checkout step leaves its token on disk",
        "Set `persist-credentials: false` where later steps do not push.",
    ),
    "cache-poisoning": (
        "A release workflow restores a cache that other runs can write",
        "Do not restore caches in workflows that publish.",
    ),
    "dangerous-triggers": (
        "A workflow runs with secrets on events that strangers cause",
        "Use `pull_request`, or make sure that nothing of the pull request is executed.",
    ),
    "excessive-permissions": (
        "A workflow's token is not limited to what it needs",
        "Set `permissions: contents: read` at the top, and more only for the jobs that need it.",
    ),
    "template-injection": (
        "An expression is expanded inside a script",
        "Pass the value through `env` and use the variable in quotes.",
    ),
    "unpinned-images": ("A job's container image has no fixed version", "Name a version or a digest."),
    "unpinned-uses": (
        "An action is not pinned to a commit",
        "Pin third-party actions to a full commit id, and let a bot update it.",
    ),
}
"""Titles and advice of common rules in our words; zizmor's description stands in for the others."""


@dataclass(frozen=True)
class _Place:
    rule: str
    description: str
    url: str
    severity: FindingSeverity
    annotation: str
    path: str
    line: int


def check_workflows(tree: Tree, workflows: Sequence[Workflow]) -> Iterator[AuditFinding]:
    """Check workflows and composite actions; a broken one gives one finding.

    zizmor runs offline, sees only these files, and reads no settings but the repository's own. What those settings, or
    comments, suppress is counted.
    """
    broken = [workflow for workflow in workflows if workflow.problem]
    for workflow in broken:
        yield AuditFinding(
            severity="medium",
            title="A CI workflow cannot be read",
            detail=workflow.problem[:200],
            where=workflow.file.shown,
            advice="Fix the YAML; GitHub does not run it.",
        )
    files = [workflow.file for workflow in workflows if not workflow.problem and workflow.jobs + len(workflow.steps)]
    if not files:
        return
    everything = _zizmor(tree, files[:_MAX_FILES], "--no-config", "--no-ignores")
    if everything is None:
        yield AuditFinding(
            severity="low",
            title="The CI workflows were not checked for security",
            detail="zizmor is missing beside Genesis, or did not finish.",
            advice="Run `zizmor .github` to see what it finds.",
        )
        return
    shown = _apply_suppressions(tree, files[:_MAX_FILES], everything)
    yield from _rule_findings(shown)
    hidden = len(everything) - len(shown)
    if hidden > 0:
        yield AuditFinding(
            severity="low",
            title=f"The repository suppresses {plural(hidden, 'finding')} about its CI workflows",
            detail="Its zizmor settings or comments accept them.",
            advice="Run `zizmor --no-config --no-ignores .github` to see them.",
        )


def _apply_suppressions(tree: Tree, files: list[SourceFile], everything: list[_Place]) -> list[_Place]:
    """Leave out what the repository's own settings and comments suppress."""
    settings = next((path for path in _SETTINGS if tree.get(path) is not None), None)
    commented = any(_IGNORE_COMMENT in (tree.text_of(file) or "") for file in files)
    if settings is None and not commented:
        return everything
    chosen = ("--config", f"./{settings}") if settings else ("--no-config",)
    honoured = _zizmor(tree, files, *chosen)
    return everything if honoured is None else honoured


def _zizmor(tree: Tree, files: list[SourceFile], *options: str) -> list[_Place] | None:
    """Run zizmor on files; `None` if it is not installed or fails."""
    name = "zizmor.exe" if os.name == "nt" else "zizmor"
    path = os.pathsep.join([str(Path(sys.executable).parent), get_trusted_path(tree.root)])
    program = shutil.which(name, path=path)
    if program is None:
        return None
    argv = [program, "--offline", "--no-progress", "--quiet", "--format", "json-v1", "--no-exit-codes", *options, "--"]
    env = scrub_environment(path, {"HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull})
    done = run_child(
        [*argv, *(os.fsdecode(f"./{file.path}") for file in files)], cwd=tree.root, env=env, timeout_s=_TIME_LIMIT_S
    )
    if not done.ok:
        return None
    try:
        answer = load_json(done.stdout.decode("utf-8", "replace"))
    except BrokenDocument:
        return None
    texts = {f"./{file.path}": tree.text_of(file) or "" for file in files}
    return [place for item in items(answer) if (place := _place(mapping(item), texts)) is not None]


def _place(item: dict[str, object], texts: dict[str, str]) -> _Place | None:
    rated = mapping(item, "determinations")
    severity = _BY_LEVEL.get(string(rated.get("severity")))
    primary = [
        mapping(each) for each in items(item.get("locations")) if mapping(each, "symbolic").get("kind") == "Primary"
    ]
    if severity is None or not primary or item.get("ident") in _STYLE:
        return None
    rule, symbolic, concrete = (
        string(item.get("ident")),
        mapping(primary[0], "symbolic"),
        mapping(primary[0], "concrete"),
    )
    path = string(mapping(symbolic, "key", "Local").get("verbatim_path"))
    row = mapping(concrete, "location", "start_point").get("row")
    feature = string(concrete.get("feature"))
    if rated.get("confidence") != "High":
        severity = "medium" if (severity, rated.get("confidence")) == ("high", "Medium") else "low"
    if rule == "template-injection" and not _BY_STRANGER.search(feature):
        expressions = _EXPRESSION.findall(feature)
        is_fixed = bool(expressions) and all(map(_FIXED_FORM.fullmatch, expressions))
        is_harmless = is_fixed or not _STRANGERS_EVENT.search(texts.get(path, ""))
        severity = _milder(severity, "low" if is_harmless else "medium")
    severity = _milder(severity, _AT_MOST.get(rule, "high"))
    if rule == "dangerous-triggers":
        text = texts.get(path, "")
        severity = "high" if _CHECKS_OUT_HEAD.search(text) else severity if _FETCHES.search(text) else "low"
    if rule == "unpinned-uses" and _OFFICIAL_ACTION.search(feature):
        severity = "low"
    return _Place(
        rule,
        string(item.get("desc")),
        string(item.get("url")),
        severity,
        feature if rule == "unpinned-uses" else string(symbolic.get("annotation")),
        printable(path.removeprefix("./")),
        row + 1 if isinstance(row, int) else 0,
    )


def _milder(first: FindingSeverity, second: FindingSeverity) -> FindingSeverity:
    return max(first, second, key=SEVERITIES.index)


def _rule_findings(places: list[_Place]) -> Iterator[AuditFinding]:
    """Report one finding a rule, as severe as its worst place, which comes first."""
    by_rule: dict[str, list[_Place]] = {}
    for place in sorted(places, key=lambda each: (SEVERITIES.index(each.severity), each.path, each.line)):
        by_rule.setdefault(place.rule, []).append(place)
    for rule, group in by_rule.items():
        first = group[0]
        title, advice = _WORDING.get(rule, (f"CI workflows: {first.description}", f"See {first.url}."))
        named = ", ".join(f"{each.path}:{each.line}" for each in group[:_NAMED])
        more = f" and {len(group) - _NAMED:,} more" if len(group) > _NAMED else ""
        several = f" {plural(len(group), 'place')}: {named}{more}." if len(group) > 1 else ""
        yield AuditFinding(
            severity=first.severity,
            title=title,
            detail=f"{first.annotation[:160]} (zizmor: {rule}).{several}",
            where=f"{first.path}:{first.line}",
            advice=advice,
        )
