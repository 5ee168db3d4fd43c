"""Patterns of secrets in running text, for redaction: less exact than the formats, since a log line is short.

All patterns are possessive or bounded, so that no text takes more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from genesis.security.credential_formats import KNOWN, find_known_forms
from genesis.security.secret_names import WORDS, is_secret_name, only_describes

__all__ = ["SHORTEST_MARKED", "TextRange", "no_secret", "secret_spans"]

TextRange = tuple[int, int]
"""Where a secret begins and where it ends."""

_WORDS = (
    "key",
    "token",
    "secret",
    "passw",
    "passphrase",
    "credential",
    "auth_string",
    "auth-string",
    "pwd",
    "signature",
    "sig=",
)
"""Without one of these, in any case, no name in a text speaks of a secret."""
_PREFIXES = (
    "sk-", "sk_live_", "rk_live_", "sk_test_", "rk_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "glpat-", "glptt-", "gldt-", "glrt-", "glcbt-", "xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-",
    "AKIA", "ASIA", "AIza", "hf_", "npm_", "pypi-", "pnu_", "pnb_", "dckr_pat_", "hvs.", "lin_api_", "GOCSPX-",
)  # fmt: skip
SHORTEST_MARKED = 14
"""The shortest secret with a mark: `sk-` and eleven more, or `AKIA` and ten. A shorter word has no shape."""
_RARE = "AS:"
"""Letters with which few words begin."""


def _marks() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return what to search for first, of all marks: a pattern, and texts.

    Looking for sixty texts one after the other would take 10 µs for each log line. Most marks have an underscore or a
    dash: the pattern goes from one of those to the next, and looks what stands before it. It sees long words only; the
    texts are for marks that may be short ones, apart from their secret.
    """
    marks = {*_PREFIXES, "eyJ", *(mark for form in KNOWN for mark in form.marks)} - {"://"}
    apart = {"aws", "AWS", "-----BEGIN"}
    before: dict[int, list[str]] = {}
    rare, others = [], []
    for mark in sorted(marks - apart):
        end = max(mark.rfind("_"), mark.rfind("-")) + 1
        if end > 1:
            before.setdefault(end, []).append(re.escape(mark[:end]))
        elif mark[0] in _RARE:
            rare.append(re.escape(mark))
        else:
            others.append(mark)
    others += sorted(apart)
    behind = [f"(?<={'|'.join(dict.fromkeys(texts))})" for texts in before.values()]
    return re.compile("|".join([f"[_-](?:{'|'.join(behind)})", *rare])), tuple(others)


_MARK, _OTHER_MARKS = _marks()
_VALUE = (
    r"""(?:[bru]{0,2}"(?P<v1>(?:[^"\\\n]|\\.)*+)|[bru]{0,2}'(?P<v2>(?:[^'\\\n]|\\.)*+)|`(?P<v3>[^`\n]*+)"""
    r"""|\\"(?P<v4>[^"\\\n]*+)|\\'(?P<v5>[^'\\\n]*+)|(?P<v6>[^\s"'`,;&<>{}()\[\]|\\]++))"""
)
_ASSIGNED = re.compile(
    rf"(?P<word>{WORDS}|(?<=[_;])PWD|(?<=; )PWD|X-AMZ-SIGNATURE|(?<=[?&])SIG)(?P<tail>[A-Z0-9_.-]{{0,40}}+)"
    rf"""(?:\\?["'`])?\]?\s{{0,3}}+(?P<sign>=>|:=|==?|:)(?P<gap>\s{{0,3}}+){_VALUE}""",
    re.IGNORECASE,
)
_LEFT = re.compile(r"[A-Za-z0-9_.-]*\Z")
_LONGEST_NAME = 60
"""Characters of a name before a value: bounds the work of the patterns."""
_FLAG = re.compile(
    r"""(?<![\w-])--(?P<name>[A-Za-z][A-Za-z0-9_-]{0,60}+)(?:\\?["'],?)?\s{1,3}+\\?["']?(?!-)(?P<secret>[^\s"'`\\]++)"""
)
_AUTHORIZATION = re.compile(
    r"""authorization(?:\\?["'])?\s{0,3}+[:=]\s{0,3}+(?:b?\\?["'])?"""
    r"""(?:(?:bearer|basic|digest|token|apikey|key|negotiate)\s{1,3}+)?+(?P<secret>[^\s"'\\,;]++)""",
    re.IGNORECASE,
)
_BEARER = re.compile(
    r"(?<![A-Za-z0-9])bearer\s{1,3}+(?P<secret>(?=[A-Z._~+/=-]{0,200}+\d)[A-Z0-9._~+/=-]{8,}+)", re.IGNORECASE
)
_BASIC = re.compile(r"(?<![A-Za-z0-9])[Bb]asic\s{1,3}+(?P<secret>(?=[A-Za-z/+]{0,200}+[\d=])[A-Za-z0-9+/]{8,}+={0,2}+)")
_IN_URL = (
    re.compile(r"""://[^\s/:@"'<>\\]{0,200}+:(?P<secret>[^\s/"'<>\\]{1,500})@"""),
    re.compile(r"://(?P<secret>(?=[A-Za-z_.~-]{0,200}+\d)[A-Za-z0-9_.~-]{20,300}+)@"),
)
_MARKED = (
    re.compile(
        rf"(?<![A-Za-z0-9])(?P<secret>(?:{'|'.join(map(re.escape, _PREFIXES))})"
        r"(?=[A-Za-z_.-]{0,60}+\d)[A-Za-z0-9_.-]{11,}+)"
    ),
    re.compile(r"(?<![A-Za-z0-9_-])(?P<secret>eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+)?)"),
    re.compile(
        r"-----BEGIN (?:[A-Z0-9]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
        r"""(?P<secret>(?:(?!-----(?:END|BEGIN))[A-Za-z0-9+/=:,.\\\s"'-]){8,}+)"""
    ),
)
_LITERALS = frozenset({"", "none", "null", "nil", "true", "false", "undefined", "secretstr"})
_STATES = frozenset((
    "a", "an", "and", "any", "are", "bool", "bytes", "cannot", "denied", "does", "empty", "error", "expired",
    "failed", "found", "granted", "has", "i", "if", "in", "int", "invalid", "is", "it", "list", "missing", "must",
    "no", "not", "object", "ok", "on", "optional", "or", "refused", "rejected", "required", "revoked", "set", "str",
    "string", "the", "to", "unknown", "unset", "was", "were", "wrong", "yes", "you",
))  # fmt: skip
"""What stands behind a colon in a sentence or a signature, as in `token: expired`."""
_NUMBER = re.compile(r"[-+]?[\d.,_]{1,11}(?:[a-zA-Z%]{1,2})?")
_COUNTED = re.compile(r"TOKEN|KEY", re.IGNORECASE)


def secret_spans(text: str) -> list[TextRange]:
    """Find everything that looks like a secret; places may overlap. What cannot be there is not looked for."""
    found: list[TextRange] = []
    lowered = text.lower()
    for word in _WORDS:  # a plain loop: `any` costs as much again
        if word in lowered:
            found += _find_named(text)
            break
    if "auth" in lowered and "authorization" in lowered:
        matches = _AUTHORIZATION.finditer(text)
        found += [match.span("secret") for match in matches if match["secret"].strip(".!?").lower() not in _STATES]
    if "bearer" in lowered:
        found += _spans(_BEARER, text)
    if "basic" in lowered:
        found += _spans(_BASIC, text)
    if "@" in text and "://" in text:
        found += [span for pattern in _IN_URL for span in _spans(pattern, text)]
    if _is_marked(text):
        found += [span for pattern in _MARKED for span in _spans(pattern, text)]
        found += [match.span("secret") for _, match in find_known_forms(text)]
    return found


def _is_marked(text: str) -> bool:
    words = " ".join([word for word in text.split() if len(word) >= SHORTEST_MARKED])
    if words and _MARK.search(words):
        return True
    return any(mark in text for mark in _OTHER_MARKS)


def _spans(pattern: re.Pattern[str], text: str) -> list[TextRange]:
    return [match.span("secret") for match in pattern.finditer(text)]


def no_secret(name: str, value: str) -> bool:
    """Whether what has a name that speaks of a secret is none: nothing, a literal, a count."""
    if value.lower() in _LITERALS or only_describes(name):
        return True
    return _COUNTED.search(name) is not None and _NUMBER.fullmatch(value) is not None


def _find_named(text: str) -> Iterator[TextRange]:
    """Find the values of names and of flags that speak of a secret."""
    if ":" in text or "=" in text:
        yield from _find_assigned(text)
    if "--" in text:
        for match in _FLAG.finditer(text):
            if is_secret_name(match["name"]) and not only_describes(match["name"]):
                yield match.span("secret")


def _find_assigned(text: str) -> Iterator[TextRange]:
    place = 0
    while match := _ASSIGNED.search(text, place):
        group = f"v{match.lastindex - 4}" if match.lastindex else "v6"
        value, span = match[group], match.span(group)
        place = match.end()
        if group == "v6" and value[-1] in ":=" and len(value) <= _LONGEST_NAME and is_secret_name(value):
            place = span[0]  # it is the next name, with its value behind it
            continue
        word = match.start("word")
        left = _LEFT.search(text, max(0, word - _LONGEST_NAME), word)
        name = f"{left[0] if left else ''}{match['word']}{match['tail']}"
        if no_secret(name, value):
            continue
        if group == "v6" and match["sign"] == ":" and match["gap"] and value.rstrip(".!?").lower() in _STATES:
            continue
        yield span
