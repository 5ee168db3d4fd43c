"""Find the secrets in one file's text, and leave out what only looks like one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from genesis.security.credential_formats import PASSWORD_IN_ADDRESS, find_known_forms
from genesis_audit.documents import items, load_yaml, mapping, read, string
from genesis_audit.files import SourceFile
from genesis_audit.finding import FindingSeverity

__all__ = ["PLAIN_PASSWORD", "FoundSecret", "find_secrets", "is_searched"]

_ASSIGNED = "password or token in an assignment"
_CONNECTION = "password in a connection string"
_MANIFEST = "value of a Kubernetes Secret"
PLAIN_PASSWORD = "plain password in a deployment file"  # noqa: S105  # a kind of secret
_PRIVATE_KEY = "private key"
_GUESSABLE = frozenset({_ASSIGNED, _CONNECTION, _MANIFEST, PLAIN_PASSWORD, PASSWORD_IN_ADDRESS})
"""Kinds that may be guessed: neither their first characters nor a hash of them is shown."""
_SHOWN_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class FoundSecret:
    """A possible secret, described without the secret itself."""

    line: int
    kind: str
    severity: FindingSeverity
    masked: str
    """At most four of its characters, and its length."""
    fingerprint: str
    """A hash of the secret where it is too random to be guessed, else of its place."""
    is_allowed: bool = False
    """Whether a comment on its line says that it is no secret."""


class _Candidate(NamedTuple):
    start: int
    secret: str
    kind: str
    severity: FindingSeverity


def find_secrets(path: str, text: str) -> list[FoundSecret]:
    """Find the possible secrets in a file, at most one a line, in the order of its lines.

    Args:
        path: The file's path in its repository, with `/`; what it is decides which rules apply.
        text: Its text.

    Returns:
        Secrets of a known form are `high`; values of assignments are `medium` where they look random, and left out in
        tests, examples and documentation, where all else is `low`.
    """
    if not is_searched(path):
        return []
    context = _Context(path, text)
    best: dict[int, tuple[_Candidate, str]] = {}
    for candidate in _candidates(context):
        start = text.rfind("\n", 0, candidate.start) + 1
        end = text.find("\n", candidate.start)
        best.setdefault(start, (candidate, text[start : end if end >= 0 else len(text)]))
    found: list[FoundSecret] = []
    number, counted = 1, 0
    for start, (candidate, line) in sorted(best.items()):
        number += text.count("\n", counted, start)
        counted = start
        found.append(_describe_secret(path, number, candidate, line))
    return found


def is_searched(path: str) -> bool:
    """Whether a file can hold secrets of the project: lock files, checksums, tables and pictures are left out."""
    name = path.rpartition("/")[2].lower()
    return not (name in _NO_SECRETS_HERE or name.endswith(_SKIPPED_SUFFIXES) or "checksum" in name)


def _describe_secret(path: str, line: int, candidate: _Candidate, text: str) -> FoundSecret:
    secret, kind = candidate.secret, candidate.kind
    hashed = f"{path}:{line}:{kind}" if kind in _GUESSABLE else secret
    fingerprint = hashlib.sha256(hashed.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    shown = "" if kind == _PRIVATE_KEY else secret[:_SHOWN_CHARACTERS]
    masked = "…" if kind in _GUESSABLE else f"{shown}…({len(secret)})"
    return FoundSecret(line, kind, candidate.severity, masked, fingerprint, bool(_ALLOWED.search(text)))


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Which files there are, and what they mean for a secret in them.

_NO_SECRETS_HERE = _names(
    "package-lock.json npm-shrinkwrap.json pnpm-lock.yaml packages.lock.json package.resolved "
    "verification-metadata.xml .secrets.baseline"
)
_SKIPPED_SUFFIXES = tuple(
    _names(
        ".svg .csv .tsv .lock .lockb .lockfile .sum .map .min.js .min.css .sha256 .sha512 .md5 .asc .sig .crt .po .pot "
        ".resolved"
    )
)
_BARE_SUFFIXES = tuple(
    _names(".env .ini .cfg .conf .properties .yaml .yml .toml .tfvars .sh .envrc .npmrc .pypirc .bat .cmd .ps1 .config")
)
_DOCUMENT = re.compile(
    r"(?i)\.(?:md|mdx|markdown|rst|adoc|asciidoc|rdoc|textile|org|html?|ipynb|[1-8])$"
    r"|(?:^|/)(?:readme|changelog|changes|history|news|contributing|security)[^/]*$"
)
_SECONDARY = re.compile(
    r"(?:Tests?|IT|Specs?|Mocks?|Fakes?|Stubs?|Fixtures?|Examples?|Samples?|Demo)\.\w+$"
    r"|(?i:(?:^|[/._-])(?:tests?|specs?|bench(?:marks?)?|cypress|vendor|third_?party|mocks?|stories|quickstarts?"
    r"|examples?|samples?|demos?|playground|sandbox|locales?|i18n|l10n|translations?)/)"
)
_COMPOSE = re.compile(r"(?:^|/)(?:docker-)?compose[\w.-]*\.ya?ml$")
_COMMENT = re.compile(r"^\s*(?:#|//(?!\S+:_)|/\*|\*|--|;|<!--|%|REM\b|rem\b)|(?:^|\s)(?://|#)\s")
_ALLOWED = re.compile(
    r"(?i)pragma: ?allowlist[ -]secret|gitleaks:allow|nosec\b|noqa:[^\n]*\bS10[5-7]\b|detect-secrets:ignore"
)


class _Context:
    """A file, and what its path and kind imply for secrets in it."""

    def __init__(self, path: str, text: str) -> None:
        file = SourceFile(path, len(text))
        name = file.name.lower()
        self.text = text
        self.suffix = file.suffix
        self.is_secondary = bool(
            file.is_test or file.is_example or _SECONDARY.search(file.place) or _DOCUMENT.search(file.name)
        )
        self.is_bare = name.endswith(_BARE_SUFFIXES) or name.startswith(".env")
        self.is_compose = bool(_COMPOSE.search(path.lower()))
        self.is_yaml = file.suffix in (".yaml", ".yml")

    def is_comment(self, start: int) -> bool:
        """Whether a place is in a comment or, in Python, in a text of several lines."""
        begin = self.text.rfind("\n", 0, start) + 1
        if _COMMENT.search(self.text[begin:start]):
            return True
        quotes = ('"""', "'''") if self.suffix in (".py", ".pyi") else ()
        return any(self.text.count(quote, 0, start) % 2 for quote in quotes)


def _candidates(context: _Context) -> Iterator[_Candidate]:
    """Find the candidates, those of a known form first: one line gives one secret."""
    for form, match in find_known_forms(context.text):
        if form.kind == PASSWORD_IN_ADDRESS and (context.is_secondary or not _is_remote_password(match)):
            continue
        if form.kind == _PRIVATE_KEY or not _is_example_token(match["secret"]):
            is_low = form.is_public or context.is_secondary or context.is_comment(match.start())
            yield _Candidate(match.start(), match["secret"], form.kind, "low" if is_low else "high")
    if context.is_yaml and not context.is_secondary and _SECRET_MANIFEST.search(context.text):
        yield from _manifest_values(context)
    elif not context.is_secondary:
        yield from _find_assigned_values(context)
        if context.is_yaml:
            yield from _find_named_values(context)
        if context.is_compose:
            yield from _compose_values(context)


# Values that are no secrets.

_PLACEHOLDER = re.compile(
    r"(?i)example|sample|dummy|fake|placeholder|change[-_ ]?(?:me|it|this)|redacted|replace[-_]?(?:me|with)?|insert"
    r"|your[-_]|^your|<[^>]*>|\.\.\.|xxxx|\*{3}|todo|s3cr3t|p[a4@]ssw[o0]rd|foobar|not[-_]?(?:a|so|real)|hunter2|lorem"
    r"|undefined|^my[-_]|1234567|abcdef|deadbeef|0000000|qwerty|insecure|goes[-_]?here"
    r"|Eby8vdM02xNOcqF|C2y6yDjf5|eyJzdWIiOiIxMjM0NTY3ODkwIi|sk_test_4eC39Hq|wJalrXUtnFEMI"
)
"""Words of examples, and the beginnings of keys that their vendors published for tests."""
_EXAMPLE_WORDS = re.compile(
    r"(?i)secret|token|pass|admin|guest|demo|mock|test|local|letmein|welcome|postgres|mysql|maria|rabbit|root|user"
    r"|foo|bar|baz|secure|random|super|some|private|temp|xyz|asdf|key|1234|abcd|abc123|hello|default|invalid|correct"
    r"|null|none|string|value|dev"
)
_LONGEST_EXAMPLE = 24
_REFERENCE = re.compile(
    r"\$\{|\$\(|\{\{|\{%|<%|^\$|%\(|%[sd]|^\{|\}$|^%.*%$|os\.environ|getenv|process\.env|secrets?[.:/]|vault:|ssm:|arn:"
    r"|^env[.:]|^ENC[\[(]|^@|^/|^\.{1,2}/|\(|\)$|^https?:|^[a-z]+://|^self\.|^\w+\[|=>|::|^[!&*|>]|\\|^--|^#|,$|;$|\[\^?\w-|\{\d"
)
_UUID = re.compile(r"(?i)^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$")
_SEGMENT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_DELIMITED_WORD = re.compile(r"(?i)(?<![a-z0-9])(?=[a-z]*[aeiouy])[a-z]{2,12}(?![a-z0-9])")
_WORD = re.compile(r"(?i)^(?=.*[aeiouy])(?!.*[^aeiouy]{4})[a-z]{4,14}$")
_LEAST_BITS = 3.0
_FEW_CHARACTERS = 4
_MOSTLY = 0.6


def _is_example_token(secret: str) -> bool:
    """Whether a value of a known form stands for a secret, rather than being one."""
    return len(set(secret)) <= _FEW_CHARACTERS or bool(_PLACEHOLDER.search(secret)) or _is_words(secret)


def _is_words(value: str) -> bool:
    """Whether a value is mostly words, as identifiers and passphrases of examples are."""
    size = sum(map(len, _SEGMENT.findall(value)))
    delimited = sum(map(len, _DELIMITED_WORD.findall(value)))
    within = sum(len(part) for part in _SEGMENT.findall(_DELIMITED_WORD.sub(" ", value)) if _WORD.match(part))
    return delimited + within >= _MOSTLY * size


def _bits_per_character(text: str) -> float:
    """Shannon entropy of a text's characters."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def _is_literal(name: str, value: str) -> bool:
    """Whether a value is written out, and is neither a reference nor a placeholder nor the name itself."""
    lowered = value.lower()
    return not (
        _REFERENCE.search(value)
        or _PLACEHOLDER.search(value)
        or not value.isascii()
        or len(set(value)) <= _FEW_CHARACTERS
        or lowered in name.lower()
    )


def _looks_random(value: str) -> bool:
    """Whether a value looks like one that a program made, or a person who knows what a password is."""
    if _UUID.match(value) or not any(character.isdigit() for character in value):
        return False
    if len(value) <= _LONGEST_EXAMPLE and _EXAMPLE_WORDS.search(value):
        return False
    return not _is_words(value) and _bits_per_character(value) >= _LEAST_BITS


# Passwords in addresses and connection strings.

_LOCAL_HOST = re.compile(
    r"(?i)^(?:localhost|127\.|0\.0\.0\.0|10\.|192\.168\.|host\.docker\.internal|\[::1\]|\(local|\.|[\w-]+(?::\d|[/,;\\]|$)"
    r"|(?:[\w-]+\.)*(?:example|test|invalid|local|localhost|localdomain|domain|foo|bar)"
    r"(?:\.|[:/,;]|$))"
)
_DATABASE_HOST = re.compile(r"(?i)(?:server|data source|host|addr(?:ess)?)\s?=\s?([^;\"'\s]{1,80})")
_MAY_CONNECT = re.compile(r"(?i)(?:password|pwd)\s?=")
_DATABASE_PASSWORD = re.compile(r"(?i)(?:^|[;\"'\s])(?:password|pwd)\s?=\s?(?P<secret>[^;\"'\s<>{}$]{6,80})(?=[;\"'])")


def _is_remote_password(match: re.Match[str]) -> bool:
    secret, host = match["secret"], match[0].rpartition("@")[2]
    user = match[0][: match.start("secret") - match.start()].rpartition("/")[2].rstrip(":")
    return bool(
        not _LOCAL_HOST.match(host)
        and _is_literal(user, secret)
        and (_looks_random(secret) or not (_is_words(secret) or _EXAMPLE_WORDS.search(secret)))
    )


def _connection_strings(line: str) -> Iterator[re.Match[str]]:
    host = _DATABASE_HOST.search(line) if "=" in line and _MAY_CONNECT.search(line) else None
    match = _DATABASE_PASSWORD.search(line) if host else None
    if host and match and not _LOCAL_HOST.match(host[1].removeprefix("tcp:")) and _is_literal("", match["secret"]):
        yield match


# Assignments.

_MARKS = ("pass", "pwd", "secret", "token", "key", "credential")
_NAME = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|credential"
    r"|(?:api|access|auth|private|encryption|signing|master|account)[._-]?key)"
)
_SIGN = r"\s{0,3}(?:[:=(]=?|=>|:=|:\s?[A-Za-z][\w.\[\]|<>?]{0,30}\s?=|\|\|=|\?\?=|>|\"\s{1,3}value=)\s{0,3}"
_QUOTED_VALUE = re.compile(
    rf"(?P<name>{_NAME}[\w.-]{{0,20}})[\"'`]?\]?{_SIGN}[bruf@]{{0,2}}(?P<quote>[\"'`])(?P<secret>[^\"'`\s]{{8,200}})(?P=quote)",
    re.IGNORECASE,
)
_ARGUMENT_VALUE = re.compile(
    rf"[\"'](?P<name>[\w.-]{{0,40}}{_NAME}[\w.-]{{0,20}})[\"']\s{{0,3}},\s{{0,3}}(?P<quote>[\"'])(?P<secret>[^\"'`\s]{{8,200}})(?P=quote)",
    re.IGNORECASE,
)
_TAGGED_VALUE = re.compile(
    rf"<(?P<name>[\w.:-]{{0,40}}{_NAME}[\w.-]{{0,20}})>(?P<secret>[^<>\s]{{8,200}})</", re.IGNORECASE
)
_BARE_VALUE = re.compile(
    rf"^\s*(?:-\s+|export\s+|set\s+|ENV\s+|\$env:|//\S{{1,80}}:)?[\"']?(?P<name>[\w.-]{{0,40}}{_NAME}[\w.-]{{0,20}})[\"']?"
    r"\s{0,3}[=:]\s{0,3}(?P<secret>[^\s\"'#`]{4,200})[\"']?[ \t]*(?:\s#.*)?$",
    re.IGNORECASE,
)
_WORD_VALUE = re.compile(
    rf"(?:^|\s|--)(?P<name>[\w-]{{0,40}}{_NAME}[\w-]{{0,20}})=(?P<secret>[^\s\"'#`]{{8,200}})(?=\s|$)", re.IGNORECASE
)
_OPTION_VALUE = re.compile(
    rf"(?:^|\s|[\"'])--?(?P<name>(?:[\w-]{{0,40}}{_NAME}|requirepass))[\"',]{{0,3}}\s{{1,3}}[\"']?(?P<secret>[^\s\"'#`]{{8,200}})",
    re.IGNORECASE,
)
_NAMED_VALUE = re.compile(
    rf"name:[ \t]*[\"']?(?P<name>[\w.-]{{0,40}}{_NAME}[\w.-]{{0,20}})[\"']?[ \t]*\n[ \t]*value:[ \t]*[\"']?"
    r"(?P<secret>[^\s\"'#]{8,200})",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_LEFT_OF_NAME = re.compile(r"[\w.-]{0,40}$")
_NOT_SECRET_NAME = re.compile(
    r"(?i)public|tokeni[sz]|max_?token|csrf|xsrf|(?:next|page|continuation|cancel\w*)_?token|hash|digest|checksum|sha\d"
    r"|md5|etag|integrity|fingerprint|placeholder|example|(?:^|[._-])(?:no|is|has|use|with|without|enable|disable)_"
)
_LAST_WORD = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+|\d+)$")
_DESCRIBES = _names(
    "url uri path file name id type len length count limit field header prefix suffix regex pattern class "
    "filename format env var variable label title message error help hint policy arn ttl expiry expires "
    "endpoint param parameter ref reference kind start end method mode version algorithm alg scope issuer "
    "audience location dir folder address size max min timeout seconds lifetime status state enabled required "
    "validator generator provider service manager handler factory store storage event action command query "
    "index code text description info template selector option view page form input element role group "
    "rotation strength rule char alphabet column table property attribute attr symbol operator separator "
    "delimiter encoding"
)
"""Last words of names that speak about a secret, and do not hold it."""
_LONGEST_LINE = 2_000
_LEAST_CHARACTERS, _LEAST_PLAIN = 8, 4


def _find_assigned_values(context: _Context) -> Iterator[_Candidate]:
    """Find values that are given to something called a password, token or key."""
    for start, line in _find_marked_lines(context.text):
        for match in _connection_strings(line):
            if not context.is_comment(start + match.start()):
                yield _Candidate(start + match.start("secret"), match["secret"], _CONNECTION, "high")
        for match in _assignments(line, context):
            name = _LEFT_OF_NAME.search(line, 0, match.start("name"))
            whole = (name[0] if name else "") + match["name"]
            severity = _severity_of_value(whole, match["secret"], is_deployment=context.is_compose)
            if severity and not context.is_comment(start + match.start()):
                kind = PLAIN_PASSWORD if severity == "low" else _ASSIGNED
                yield _Candidate(start + match.start("secret"), match["secret"], kind, severity)


def _find_named_values(context: _Context) -> Iterator[_Candidate]:
    """Find values beside their names, as the environment of a Kubernetes container has them."""
    for match in _NAMED_VALUE.finditer(context.text) if "value:" in context.text else ():
        if _severity_of_value(match["name"], match["secret"], is_deployment=False):
            yield _Candidate(match.start("secret"), match["secret"], _ASSIGNED, "medium")


def _assignments(line: str, context: _Context) -> Iterator[re.Match[str]]:
    if not (context.is_compose or _DIGIT.search(line)):
        return  # what a program made has a digit, and only compose files may hold plain words
    yield from _QUOTED_VALUE.finditer(line)
    yield from _ARGUMENT_VALUE.finditer(line)
    if "</" in line:
        yield from _TAGGED_VALUE.finditer(line)
    if context.is_bare:
        yield from _BARE_VALUE.finditer(line)
        yield from _OPTION_VALUE.finditer(line)
        yield from _WORD_VALUE.finditer(line)


def _severity_of_value(name: str, value: str, *, is_deployment: bool) -> FindingSeverity | None:
    """Judge a value by its name and its form; `None` where it is no secret."""
    last = _LAST_WORD.search(name)
    if _NOT_SECRET_NAME.search(name) or (last and last[0].lower().removesuffix("s") in _DESCRIBES):
        return None
    if (
        is_deployment
        and len(value) >= _LEAST_PLAIN
        and not _REFERENCE.search(value)
        and not _PLACEHOLDER_ONLY.search(value)
    ):
        return "medium" if _is_strong(name, value) else "low"
    return "medium" if _is_strong(name, value) else None


_PLACEHOLDER_ONLY = re.compile(r"(?i)^(?:change[-_]?(?:me|it|this)|your[-_].*|<.*>|x+|\*+|\.+|true|false|yes|no|null)$")


def _is_strong(name: str, value: str) -> bool:
    return len(value) >= _LEAST_CHARACTERS and _is_literal(name, value) and _looks_random(value)


def _find_marked_lines(text: str) -> Iterator[tuple[int, str]]:
    """Find the lines with a word that names of secrets have, with where each begins; very long ones are left out."""
    lowered = text.lower()
    if len(lowered) != len(text):  # some letters have a longer lower case
        lowered = text.translate(_LOWER)
    ends: dict[int, int] = {}
    for mark in _MARKS:
        place = lowered.find(mark)
        while place >= 0:
            end = lowered.find("\n", place)
            end = end if end >= 0 else len(text)
            ends[lowered.rfind("\n", 0, place) + 1] = end
            place = lowered.find(mark, end)
    for start, end in sorted(ends.items()):
        if end - start <= _LONGEST_LINE:
            yield start, text[start:end]


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""Lower case that keeps a text's length."""


# Compose files and Kubernetes Secrets.


def _compose_values(context: _Context) -> Iterator[_Candidate]:
    """Find passwords in the environment of services, whether it is written as a mapping or as a list."""
    for document in items(read(load_yaml, context.text)):
        for service in mapping(document, "services").values():
            environment = mapping(service).get("environment")
            pairs = [(name, string(value)) for name, value in mapping(environment).items()]
            pairs += [(name, value) for each in items(environment) for name, _, value in [string(each).partition("=")]]
            for name, value in pairs:
                severity = _severity_of_value(name, value, is_deployment=True) if _names_secret(name) else None
                place = context.text.find(value, max(0, context.text.find(name)))
                if severity and place >= 0:
                    yield _Candidate(place, value, PLAIN_PASSWORD if severity == "low" else _ASSIGNED, severity)


_SECRET_MANIFEST = re.compile(r"^kind:[ \t]*[\"']?Secret\b", re.MULTILINE)


def _manifest_values(context: _Context) -> Iterator[_Candidate]:
    """Find the values of Kubernetes Secrets, those in base64 too; an encrypted or templated one has none."""
    documents = read(load_yaml, context.text)
    for document in documents if isinstance(documents, list) else []:
        if string(mapping(document).get("kind")) != "Secret" or "sops" in mapping(document):
            continue
        written = [(name, string(value), string(value)) for name, value in mapping(document, "stringData").items()]
        encoded = [
            (name, string(value), _decode_base64(string(value))) for name, value in mapping(document, "data").items()
        ]
        for name, raw, value in written + encoded:
            severity = _severity_in_manifest(name, value)
            if severity:
                place = context.text.find(raw.split("\n", 1)[0]) if raw else -1
                yield _Candidate(max(0, place), value, PLAIN_PASSWORD if severity == "low" else _MANIFEST, severity)


def _severity_in_manifest(name: str, value: str) -> FindingSeverity | None:
    """Judge a value of a Secret: it is meant to be one, so it is more severe than what merely has such a name."""
    if any(
        form.kind == _PRIVATE_KEY or not _is_example_token(match["secret"]) for form, match in find_known_forms(value)
    ):
        return "high"
    if "\n" in value:
        return "high" if any(True for _ in _find_assigned_values(_Context("settings.env", value))) else None
    severity = _severity_of_value(name, value.strip(), is_deployment=True) if _names_secret(name) else None
    return "high" if severity == "medium" else severity


def _names_secret(name: str) -> bool:
    return bool(re.search(rf"(?i){_NAME}|(?:^|[._-])key$|pass", name)) and not name.endswith((".crt", ".pub"))


def _decode_base64(value: str) -> str:
    try:
        return base64.b64decode(value, validate=False).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
