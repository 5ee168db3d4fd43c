"""Find credentials that were committed, and never repeat one."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.files import SourceFile, Tree, survey
from genesis.agents.toolkit.finding import SEVERITIES, Finding, Result, Severity, dump, plural
from genesis.agents.toolkit.inputs import whole_number
from genesis.agents.toolkit.secret_rules import assigned_secrets, known_secrets
from genesis.security.forms import PASSWORD_IN_ADDRESS

__all__ = ["run"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASSIGNED_KIND = "password or token in an assignment"
_SHOWN_CHARACTERS = 4
_NAMED = 5
_WEAK_KINDS = (_ASSIGNED_KIND, PASSWORD_IN_ADDRESS)
"""Kinds that may be guessed: neither their first characters nor a hash of them is given away."""

_NO_SECRETS_HERE = _names(
    "uv.lock poetry.lock pdm.lock pipfile.lock package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock "
    "go.sum cargo.lock gemfile.lock composer.lock flake.lock mix.lock .secrets.baseline"
)
_SKIPPED_SUFFIXES = (".svg", ".csv", ".tsv", ".lock", ".sum", ".map", ".min.js", ".min.css", ".sha256")
_BARE_FILES = (".env", ".ini", ".cfg", ".conf", ".properties", ".yaml", ".yml", ".toml", ".tfvars", ".sh")
_KEY_STORES = (".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk")
_KEY_NAMES = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", ".pgpass", ".htpasswd"})
_ENV_FILE = re.compile(r"^\.env(?:\.(?!example|sample|template|dist|test|defaults?)\w+)?$")
_ALLOWED = re.compile(
    r"(?i)pragma: ?allowlist[ -]secret|gitleaks:allow|nosec\b|noqa:[^\n]*\bS10[5-7]\b|detect-secrets:ignore"
)
_LOCAL_HOST = re.compile(r"@(?:localhost|127\.0\.0\.1|0\.0\.0\.0|host\.docker\.internal|\[::1\]|[\w-]+(?::\d|/|$))")


@dataclass(frozen=True)
class _Secret:
    file: SourceFile
    line: int
    kind: str
    severity: Severity
    masked: str
    fingerprint: str


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
    budget = Budget(whole_number(time_limit_s, "time_limit_s", least=1, most=3_600))
    tree = survey(path)
    found: list[_Secret] = []
    allowed = searched = 0
    candidates = [file for file in tree.files if not _is_skipped(file)]
    for file in candidates:
        if budget.spent:
            break
        searched += 1
        text = tree.text_of(file)
        for secret in _unique(_in_text(file, text)) if text is not None else ():
            if text is not None and _ALLOWED.search(_line(text, secret.line)):
                allowed += 1
            else:
                found.append(secret)
    found.sort(key=lambda secret: (SEVERITIES.index(secret.severity), secret.file.path, secret.line))
    kinds = Counter(secret.kind for secret in found)
    levels = Counter(secret.severity for secret in found)
    return {
        "secrets": [_row(secret) for secret in found[:limit]],
        "count": len(found),
        "not_shown": max(0, len(found) - limit),
        "by_kind": dict(sorted(kinds.items())),
        "by_severity": {level: levels[level] for level in SEVERITIES},
        "allowed": allowed,
        "files_searched": searched,
        "truncated": searched < len(candidates) or tree.truncated,
        "summary": _summary(levels, searched),
        "findings": dump([*_secret_findings(found), *_file_findings(tree)]),
    }


def _is_skipped(file: SourceFile) -> bool:
    name = file.name.lower()
    return name in _NO_SECRETS_HERE or name.endswith(_SKIPPED_SUFFIXES) or "checksum" in name


def _line(text: str, number: int) -> str:
    return text.split("\n", number)[number - 1]


def _in_text(file: SourceFile, text: str) -> Iterator[_Secret]:
    for form, match in known_secrets(text):
        if form.kind != PASSWORD_IN_ADDRESS or not _LOCAL_HOST.search(match[0]):
            yield _secret(file, text, match, form.kind, form.is_public)
    bare = file.suffix in _BARE_FILES or file.name.lower().startswith(".env")
    for match in assigned_secrets(text, bare=bare):
        yield _secret(file, text, match, _ASSIGNED_KIND, is_public=False)


def _secret(file: SourceFile, text: str, match: re.Match[str], kind: str, is_public: bool) -> _Secret:
    value, line = match["secret"], text.count("\n", 0, match.start()) + 1
    weak = kind in _WEAK_KINDS
    hashed = f"{file.path}:{line}:{kind}" if weak else value
    severity: Severity = "medium" if kind == _ASSIGNED_KIND else "high"
    if is_public or file.is_test or file.is_example:
        severity = "low"
    shown = "" if weak or kind == "private key" else value[:_SHOWN_CHARACTERS]
    fingerprint = hashlib.sha256(hashed.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return _Secret(file, line, kind, severity, f"{shown}…({len(value)})" if not weak else "…", fingerprint)


def _unique(secrets: Iterator[_Secret]) -> Iterator[_Secret]:
    """Give one secret a line: a known form wins over a mere assignment."""
    seen: set[int] = set()
    for secret in secrets:
        if secret.line not in seen:
            seen.add(secret.line)
            yield secret


def _row(secret: _Secret) -> Result:
    return {
        "path": secret.file.shown,
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
    for secret in found:
        if secret.severity != "low":
            yield Finding(
                severity=secret.severity,
                title=f"A secret is in the repository: {secret.kind}",
                detail=f"Shown as {secret.masked}, fingerprint {secret.fingerprint}.",
                where=f"{secret.file.shown}:{secret.line}",
                advice="Revoke it now, then remove it: it stays readable in the history and in every clone.",
            )
    low = [secret for secret in found if secret.severity == "low"]
    if low:
        places = ", ".join(f"{secret.file.shown}:{secret.line}" for secret in low[:_NAMED])
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
