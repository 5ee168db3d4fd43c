"""Find credentials that were committed, and never repeat one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from genesis.agents.toolkit.files import SourceFile, Tree
from genesis.agents.toolkit.finding import SEVERITIES, Finding, Result, Severity, dump, plural
from genesis.agents.toolkit.inputs import whole_number
from genesis.agents.toolkit.scan import scan_of
from genesis.agents.toolkit.secret_rules import FoundSecret, is_searched

__all__ = ["run"]


_NAMED = 5
_KEY_STORES = (".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk")
_KEY_NAMES = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", ".pgpass", ".htpasswd"})
_ENV_FILE = re.compile(r"^\.env(?:\.(?!example|sample|template|dist|test|defaults?)\w+)?$")


def run(path: object = ".", *, top: object = 200, time_limit_s: object = 120) -> Result:
    """Look for credentials in a folder's files as they are now; the history is not searched.

    Lock files, checksums and values that are plainly placeholders are left out. What is in tests, examples or
    documentation, or is a test key, is of low severity.

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
    every = [_Secret(file, secret) for file, facts in scan for secret in facts.secrets]
    found = [each for each in every if not each.secret.is_allowed]
    found.sort(key=lambda each: (SEVERITIES.index(each.secret.severity), each.file.path, each.secret.line))
    kinds = Counter(each.secret.kind for each in found)
    levels = Counter(each.secret.severity for each in found)
    searched = sum(facts.state != "unread" and is_searched(file.path) for file, facts in scan)
    return {
        "secrets": [_row(each) for each in found[:limit]],
        "count": len(found),
        "not_shown": max(0, len(found) - limit),
        "by_kind": dict(sorted(kinds.items())),
        "by_severity": {level: levels[level] for level in SEVERITIES},
        "allowed": len(every) - len(found),
        "files_searched": searched,
        "truncated": scan.truncated,
        "summary": _summary(levels, searched),
        "findings": dump([*_secret_findings(found), *_file_findings(scan.tree)]),
    }


@dataclass(frozen=True)
class _Secret:
    file: SourceFile
    secret: FoundSecret

    @property
    def where(self) -> str:
        return f"{self.file.shown}:{self.secret.line}"


def _row(found: _Secret) -> Result:
    secret = found.secret
    return {
        "path": found.file.shown,
        "line": secret.line,
        "kind": secret.kind,
        "severity": secret.severity,
        "masked": secret.masked,
        "fingerprint": secret.fingerprint,
    }


def _summary(levels: Counter[Severity], searched: int) -> str:
    total = sum(levels.values())
    text = f"{plural(total, 'possible secret')} in {plural(searched, 'file')} searched"
    return f"{text}: {levels['high']} high, {levels['medium']} medium, {levels['low']} low." if total else f"{text}."


def _secret_findings(found: list[_Secret]) -> Iterator[Finding]:
    for each in found:
        if each.secret.severity != "low":
            yield Finding(
                severity=each.secret.severity,
                title=f"A secret is in the repository: {each.secret.kind}",
                detail=f"Shown as {each.secret.masked}, fingerprint {each.secret.fingerprint}.",
                where=each.where,
                advice="Revoke it now, then remove it: it stays readable in the history and in every clone.",
            )
    low = [each for each in found if each.secret.severity == "low"]
    if low:
        places = ", ".join(each.where for each in low[:_NAMED])
        more = f" and {len(low) - _NAMED} more" if len(low) > _NAMED else ""
        yield Finding(
            severity="low",
            title=f"{plural(len(low), 'possible secret')} in tests, examples or documentation",
            detail=places + more,
            advice="Make sure that none of them works anywhere.",
        )


def _file_findings(tree: Tree) -> Iterator[Finding]:
    for file in tree.files:
        name = file.name.lower()
        low: Severity = "low" if file.is_test or file.is_example else "medium"
        if _ENV_FILE.match(name) and file.size and tree.listed_by == "git":
            yield Finding(
                severity=low,
                title="An environment file is not ignored by git",
                where=file.shown,
                advice="Keep it out of version control, and commit an example without values instead.",
            )
        elif name.endswith(_KEY_STORES) or name in _KEY_NAMES:
            yield Finding(
                severity=low,
                title="A file of a kind that holds keys or passwords",
                where=file.shown,
                advice="Move it to a secret store, unless it holds nothing secret.",
            )
