"""What secrets look like, and what only looks like one."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from genesis.agents.toolkit.files import SourceFile
from genesis.security.forms import PASSWORD_IN_ADDRESS, KnownForm, known_forms

__all__ = [
    "FoundSecret",
    "assigned_secrets",
    "find_secrets",
    "is_placeholder",
    "is_searched",
    "known_secrets",
]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASSIGNED_KIND = "password or token in an assignment"
_SHOWN_CHARACTERS = 4
_WEAK_KINDS = (_ASSIGNED_KIND, PASSWORD_IN_ADDRESS)
"""Kinds that may be guessed: neither their first characters nor a hash of them is given away."""

_NO_SECRETS_HERE = _names(
    "uv.lock poetry.lock pdm.lock pipfile.lock package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock "
    "go.sum cargo.lock gemfile.lock composer.lock flake.lock mix.lock .secrets.baseline"
)
_SKIPPED_SUFFIXES = (".svg", ".csv", ".tsv", ".lock", ".sum", ".map", ".min.js", ".min.css", ".sha256")
_BARE_FILES = (".env", ".ini", ".cfg", ".conf", ".properties", ".yaml", ".yml", ".toml", ".tfvars", ".sh")
_ALLOWED = re.compile(
    r"(?i)pragma: ?allowlist[ -]secret|gitleaks:allow|nosec\b|noqa:[^\n]*\bS10[5-7]\b|detect-secrets:ignore"
)
_LOCAL_HOST = re.compile(r"@(?:localhost|127\.0\.0\.1|0\.0\.0\.0|host\.docker\.internal|\[::1\]|[\w-]+(?::\d|/|$))")

_NAME = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key"
    r"|encryption[_-]?key|signing[_-]?key|credential"
)
_MARK = re.compile(_NAME)
_ASSIGNED = re.compile(
    rf"(?P<name>[A-Za-z0-9_.\-]{{0,40}}(?:{_NAME})[A-Za-z0-9_\-]{{0,20}})[\"']?\s{{0,3}}(?:[:=]=?|=>|:=)\s{{0,3}}"
    r"(?P<quote>[\"'`])(?P<secret>[^\"'`\s]{8,200})(?P=quote)",
    re.IGNORECASE,
)
_ASSIGNED_BARE = re.compile(
    rf"^\s{{0,20}}(?:export\s+)?(?P<name>[A-Za-z0-9_.]{{0,40}}(?:{_NAME})[A-Za-z0-9_]{{0,20}})\s{{0,3}}[=:]\s{{0,3}}"
    r"(?P<secret>[^\s\"'#`]{8,200})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_LONGEST_LINE = 2_000
_NOT_SECRET_NAME = re.compile(
    r"(?i)(?:_url|_uri|_path|_file|_name|_id|_ids|_type|_len|_length|_count|_limit|_field|_header|_prefix|_suffix"
    r"|_regex|_pattern|_class|_format|_key_name|_env|_var|_label|_title|_message|_error|_help|_hint|_placeholder"
    r"|_policy|_arn|_ttl|_expiry|_endpoint|_hash|_digest|_param|_ref|_kind|_start|_end)s?$"
    r"|public|tokenizer|max_?token|(?:^|_)csrf_?token_?name"
)
_PLACEHOLDER = re.compile(
    r"(?i)example|sample|dummy|fake|placeholder|change[-_ ]?(?:me|it|this)|redacted|replace[-_]?(?:me|with)?|insert"
    r"|your[-_]|^your|<[^>]*>|\.\.\.|xxxx|\*{3}|todo|s3cr3t|p[a4]ssw[o0]rd|^secret|^test|[-_]test$|foobar"
    r"|not[-_]?(?:a|so|real)|hunter2|lorem|null|none|undefined|^my[-_]|1234567|abcdef|deadbeef|0000000|qwerty|hello"
    r"|insecure|default|invalid|correct"
)
_REFERENCE = re.compile(
    r"\$\{|\$\(|\{\{|^\$|%\(|%[sd]|^\{|\}$|os\.environ|getenv|process\.env|secrets?[.:/]|vault:|ssm:|arn:|^env[.:]"
    r"|^@|^/|^\./|\(|^https?:|^[a-z]+://|^(?:str|bytes|int|bool|dict|list|any|object|string|optional)\b|^self\."
    r"|^\w+\[|=>|::"
)
_WORDS = re.compile(
    r"^(?:[A-Z]?[a-z]+|[A-Z]+)(?:[-_. /:][A-Za-z]+)*[-_.:]?\d{0,2}$|^[a-z]+(?:[A-Z][a-z]+)+$|^[A-Z]+(?:_[A-Z]+)+$"
)
_LEAST_BITS = 3.0
_FEW_CHARACTERS = 4


@dataclass(frozen=True)
class FoundSecret:
    """A credential that was found, without the credential."""

    line: int
    kind: str
    severity: Literal["high", "medium", "low"]
    masked: str
    """At most four of its characters."""
    fingerprint: str
    """A hash of it where it is too random to be guessed, else one of its place."""
    is_allowed: bool = False
    """Whether its line is marked in the source as no secret."""


def is_searched(path: str) -> bool:
    """Whether a file may hold secrets: lock files, checksums and the like do not."""
    name = path.rpartition("/")[2].lower()
    return not (name in _NO_SECRETS_HERE or name.endswith(_SKIPPED_SUFFIXES) or "checksum" in name)


def find_secrets(path: str, text: str) -> list[FoundSecret]:
    r"""Find the credentials in one file, at most one a line.

    Args:
        path: Where it is in the audited folder, with `/`; its name tells how it is read.
        text: Its content with `\n` line ends.
    """
    if not is_searched(path):
        return []
    return list(_unique(_in_text(SourceFile(path, 0), text)))


def _in_text(file: SourceFile, text: str) -> Iterator[FoundSecret]:
    for form, match in known_secrets(text):
        if form.kind != PASSWORD_IN_ADDRESS or not _LOCAL_HOST.search(match[0]):
            yield _found(file, text, match, form.kind, form.is_public)
    bare = file.suffix in _BARE_FILES or file.name.lower().startswith(".env")
    for match in assigned_secrets(text, bare=bare):
        yield _found(file, text, match, _ASSIGNED_KIND, is_public=False)


def _found(file: SourceFile, text: str, match: re.Match[str], kind: str, is_public: bool) -> FoundSecret:
    value, line = match["secret"], text.count("\n", 0, match.start()) + 1
    weak = kind in _WEAK_KINDS
    hashed = f"{file.path}:{line}:{kind}" if weak else value
    severity: Literal["high", "medium", "low"] = "medium" if kind == _ASSIGNED_KIND else "high"
    if is_public or file.is_test or file.is_example:
        severity = "low"
    shown = "" if weak or kind == "private key" else value[:_SHOWN_CHARACTERS]
    fingerprint = hashlib.sha256(hashed.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    masked = f"{shown}…({len(value)})" if not weak else "…"
    is_allowed = _ALLOWED.search(text.split("\n", line)[line - 1]) is not None
    return FoundSecret(line, kind, severity, masked, fingerprint, is_allowed)


def _unique(secrets: Iterator[FoundSecret]) -> Iterator[FoundSecret]:
    """Keep one secret a line: a known form wins over a mere assignment."""
    seen: set[int] = set()
    for secret in secrets:
        if secret.line not in seen:
            seen.add(secret.line)
            yield secret


def is_placeholder(secret: str) -> bool:
    """Whether a value stands for a secret in documentation or code, rather than being one."""
    return len(set(secret)) <= _FEW_CHARACTERS or bool(_PLACEHOLDER.search(secret))


def known_secrets(text: str) -> Iterator[tuple[KnownForm, re.Match[str]]]:
    """Find credentials of a known form; placeholders are left out, and no place is reported twice for one form."""
    for form, match in known_forms(text):
        if form.kind == "private key" or not is_placeholder(match["secret"]):
            yield form, match


def assigned_secrets(text: str, *, bare: bool) -> Iterator[re.Match[str]]:
    """Find values that are given to something called a password, token or key, and that look random.

    Args:
        text: The file.
        bare: Also read `NAME=value` without quotes, as .env and INI files write it.

    Returns:
        Matches whose group `secret` is the value. Lines of more than 2,000 characters are left out.
    """
    done = 0
    for mark in _MARK.finditer(text.lower()) if text.isascii() else _MARK.finditer(text.translate(_LOWER)):
        if mark.start() < done:
            continue
        start = text.rfind("\n", 0, mark.start()) + 1
        end = text.find("\n", mark.start())
        done = end if end >= 0 else len(text)
        if done - start > _LONGEST_LINE:
            continue
        yield from filter(_looks_real, _ASSIGNED.finditer(text, start, done))
        if bare:
            yield from filter(_looks_real, _ASSIGNED_BARE.finditer(text, start, done))


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""Lower case that keeps a text's length, as `str.lower` does not for some letters."""


def _looks_real(match: re.Match[str]) -> bool:
    secret = match["secret"]
    return not (
        _NOT_SECRET_NAME.search(match["name"])
        or is_placeholder(secret)
        or _REFERENCE.search(secret)
        or _WORDS.match(secret)
        or _bits_per_character(secret) < _LEAST_BITS
        or secret.lower() in match["name"].lower()
    )


def _bits_per_character(text: str) -> float:
    """Shannon entropy of a text's characters."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
