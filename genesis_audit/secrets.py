"""Find credentials that were committed, and never repeat one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.files import SourceFile, Tree
from genesis_audit.finding import SEVERITIES, AuditFinding, FindingSeverity, ToolResult, dump, plural
from genesis_audit.inputs import whole_number
from genesis_audit.scan import scan_of
from genesis_audit.secret_rules import PLAIN_PASSWORD, FoundSecret, is_searched

__all__ = ["run"]

_Found: TypeAlias = tuple[SourceFile, FoundSecret]

_NAMED = 5
_KEY_STORES = (".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk")
_KEY_NAMES = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", ".pgpass", ".htpasswd"})
_ENV_FILE = re.compile(r"^\.env(?:\.(?!example|sample|template|dist|test|defaults?)\w+)?$")


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    top: Annotated[object, DATA] = 200,
    time_limit_s: Annotated[object, DATA] = 120,
) -> ToolResult:
    """Look for credentials in a folder's files as they are now; the history is not searched.

    Lock files, checksums and values that are plainly placeholders are left out. Of tests, examples and documentation
    only what has the form of a vendor's token is listed, as low; a test key is low everywhere.

    Args:
        path: The folder.
        top: How many are listed.
        time_limit_s: When searching stops.

    Returns:
        `secrets` `[{path, line, kind, severity, masked, fingerprint}]`, `count`, `by_kind` `{kind: count}`,
        `by_severity`, `allowed` (marked in the source as no secret), `files_searched`, `not_shown`, `truncated`,
        `summary`, `findings`. No secret is in the answer: `masked` has at most four of its characters, and
        `fingerprint` is a hash of it where it is too random to be guessed, else one of its place.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=100_000)
    scan = scan_of(path, time_limit_s=whole_number(time_limit_s, "time_limit_s", least=1, most=3_600))
    every = [(file, secret) for file, facts in scan for secret in facts.secrets]
    found = [each for each in every if not each[1].is_allowed]
    found.sort(key=lambda each: (SEVERITIES.index(each[1].severity), each[0].path, each[1].line))
    kinds = Counter(secret.kind for _, secret in found)
    levels = Counter(secret.severity for _, secret in found)
    searched = sum(facts.state != "unread" and is_searched(file.path) for file, facts in scan)
    return {
        "secrets": [_row(file, secret) for file, secret in found[:limit]],
        "count": len(found),
        "not_shown": max(0, len(found) - limit),
        "by_kind": dict(sorted(kinds.items())),
        "by_severity": {level: levels[level] for level in SEVERITIES},
        "allowed": len(every) - len(found),
        "files_searched": searched,
        "truncated": scan.truncated,
        "summary": _summary(levels, searched),
        "findings": dump([*_secret_findings(found), *_file_findings(scan.tree, found)]),
    }


def _row(file: SourceFile, secret: FoundSecret) -> ToolResult:
    return {
        "path": file.shown,
        "line": secret.line,
        "kind": secret.kind,
        "severity": secret.severity,
        "masked": secret.masked,
        "fingerprint": secret.fingerprint,
    }


def _summary(levels: Counter[FindingSeverity], searched: int) -> str:
    total = sum(levels.values())
    text = f"{plural(total, 'possible secret')} in {plural(searched, 'file')} searched"
    return f"{text}: {levels['high']} high, {levels['medium']} medium, {levels['low']} low." if total else f"{text}."


def _secret_findings(found: list[_Found]) -> Iterator[AuditFinding]:
    """Report one finding a kind and severity: what is done about ten tokens of a service is done once."""
    groups: dict[tuple[FindingSeverity, str], list[_Found]] = {}
    for file, secret in found:
        kind = secret.kind if secret.severity != "low" or secret.kind == PLAIN_PASSWORD else ""
        groups.setdefault((secret.severity, kind), []).append((file, secret))
    for (severity, kind), group in groups.items():
        places = [f"{file.shown}:{secret.line}" for file, secret in group]
        if kind == PLAIN_PASSWORD:
            title = f"{plural(len(group), 'password')} in compose files or Kubernetes Secrets, written as plain words"
            advice = "Acceptable for local use only: elsewhere take them from the environment or a secret store."
        elif severity == "low":
            title = f"{plural(len(group), 'possible secret')} in tests, examples or documentation"
            advice = "Make sure that none of them works anywhere."
        else:
            title = "A secret is" if len(group) == 1 else f"{len(group):,} secrets are"
            title += f" in the repository: {kind}"
            advice = "Revoke it now, then remove it: it stays readable in the history and in every clone."
        yield AuditFinding(
            severity=severity, title=title, detail=_format_places(places), where=places[0], advice=advice
        )


def _format_places(places: list[str]) -> str:
    """Name the first places of several; a single one is where the finding is."""
    more = f" and {len(places) - _NAMED:,} more" if len(places) > _NAMED else ""
    return f"In {', '.join(places[:_NAMED])}{more}." if len(places) > 1 else ""


def _file_findings(tree: Tree, found: Iterable[_Found]) -> Iterator[AuditFinding]:
    reported = {file.path for file, _ in found}
    others = [file for file in tree.files if file.path not in reported and not (file.is_test or file.is_example)]
    environments = [file.shown for file in others if _ENV_FILE.match(file.name.lower()) and file.size]
    if environments and tree.listed_by == "git":
        yield AuditFinding(
            severity="low",
            title=f"{plural(len(environments), 'environment file')} not ignored by git",
            detail=_format_places(environments),
            where=environments[0],
            advice="Keep values of real systems out of version control, and commit an example without them instead.",
        )
    stores = [
        file.shown for file in others if file.name.lower().endswith(_KEY_STORES) or file.name.lower() in _KEY_NAMES
    ]
    if stores:
        yield AuditFinding(
            severity="medium",
            title=f"{plural(len(stores), 'file')} of a kind that holds keys or passwords",
            detail=_format_places(stores),
            where=stores[0],
            advice="Move it to a secret store, unless it holds nothing secret.",
        )
