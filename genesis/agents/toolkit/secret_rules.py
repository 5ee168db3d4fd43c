"""What secrets look like, and what only looks like one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from genesis.security.forms import KnownForm, known_forms

__all__ = ["assigned_secrets", "is_placeholder", "known_secrets"]

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
