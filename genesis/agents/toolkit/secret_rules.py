"""What secrets look like, and what only looks like one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["KNOWN", "PASSWORD_IN_ADDRESS", "KnownForm", "assigned_secrets", "is_placeholder", "known_secrets"]

PASSWORD_IN_ADDRESS = "password in an address"  # noqa: S105  # a kind of secret


@dataclass(frozen=True)
class KnownForm:
    """A credential that its issuer gave a form of its own."""

    kind: str
    pattern: re.Pattern[str]
    """Its group `secret` is the secret."""
    marks: tuple[str, ...]
    """Texts with one of which the pattern begins. Looking for them first makes scanning fast."""
    is_public: bool = False
    """Whether it is a test key, or expires by itself."""
    lead: int = 0
    """How far before a mark the pattern may begin."""
    then: str = ""
    """What must follow a mark within 200 characters, for marks that are common."""


def _form(kind: str, marks: str, pattern: str, *, public: bool = False, lead: int = 0, then: str = "") -> KnownForm:
    bounded = pattern if "(?P<secret>" in pattern else rf"(?<![A-Za-z0-9_-])(?P<secret>{pattern})(?![A-Za-z0-9_-])"
    return KnownForm(kind, re.compile(bounded), tuple(marks.split()), public, lead, then)


KNOWN: tuple[KnownForm, ...] = (
    _form(
        "private key",
        "-----BEGIN",
        r"-----BEGIN (?:[A-Z0-9]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n){1,4}"
        r"(?P<secret>[A-Za-z0-9+/=:,\- ]{24})",
    ),
    _form("AWS access key", "AKIA ASIA", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    _form(
        "AWS secret key",
        "aws AWS",
        r"(?i)aws.{0,20}?(?:secret|sk).{0,20}?[\"'=:\s]{1,8}(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
    ),
    _form("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,251}"),
    _form("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{50,250}"),
    _form("GitLab token", "glpat- glptt- gldt- glrt- glcbt-", r"gl(?:pat|ptt|dt|rt|cbt)-[A-Za-z0-9_-]{20,100}"),
    _form("Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,200}"),
    _form(
        "Slack webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?P<secret>services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{20,40})",
    ),
    _form("Discord webhook", "/api/webhooks/", r"/api/webhooks/(?P<secret>\d{17,20}/[\w-]{60,90})"),
    _form("Stripe key", "sk_live_ rk_live_", r"(?:sk|rk)_live_[A-Za-z0-9]{20,120}"),
    _form("Stripe test key", "sk_test_ rk_test_", r"(?:sk|rk)_test_[A-Za-z0-9]{20,120}", public=True),
    _form("Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    _form("Google OAuth secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    _form("Anthropic key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{40,200}"),
    _form("OpenAI key", "sk-", r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20,100}"),
    _form("Hugging Face token", "hf_", r"hf_[A-Za-z]{34}"),
    _form("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _form("PyPI token", "pypi-AgEIcHlwaS5vcmc", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,250}"),
    _form("Prefect key", "pnu_ pnb_", r"pn[ub]_[A-Za-z0-9]{36}"),
    _form("SendGrid key", "SG.", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _form("Twilio key", "SK", r"SK[0-9a-f]{32}"),
    _form("Telegram token", ":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{33}", lead=10),
    _form("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _form("Databricks token", "dapi", r"dapi[a-f0-9]{32}"),
    _form("Docker token", "dckr_pat_", r"dckr_pat_[A-Za-z0-9_-]{27}"),
    _form("Grafana token", "glc_ glsa_", r"gl(?:c_[A-Za-z0-9+/]{32,200}={0,2}|sa_[A-Za-z0-9]{32}_[a-f0-9]{8})"),
    _form("Vault token", "hvs.", r"hvs\.[A-Za-z0-9_-]{24,200}"),
    _form("Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _form("Linear key", "lin_api_", r"lin_api_[A-Za-z0-9]{40}"),
    _form("Azure storage key", "AccountKey=", r"AccountKey=(?P<secret>[A-Za-z0-9+/]{86}==)"),
    _form("age key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    _form(
        "JSON web token",
        "eyJ",
        r"eyJ[A-Za-z0-9_-]{17,1000}\.eyJ[A-Za-z0-9_-]{17,1000}\.[A-Za-z0-9_-]{20,500}",
        public=True,
    ),
    _form(
        PASSWORD_IN_ADDRESS,
        "://",
        r"(?i)[a-z][a-z0-9+.-]{1,15}://[^\s:/@\"'<>`{}$]{1,80}:(?P<secret>[^\s:/@\"'<>`{}$%(\[]{3,80})@[\w.-]{1,80}",
        lead=17,
        then="@",
    ),
)

_NEAR = 200
"""How far behind a mark a form's `then` is looked for."""

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
    for form in KNOWN:
        for mark in form.marks:
            place, done = text.find(mark), 0
            while place >= 0:
                match = _match_near(form, text, place, done)
                if match:
                    done = match.end()
                    if form.kind == "private key" or not is_placeholder(match["secret"]):
                        yield form, match
                place = text.find(mark, max(place + len(mark), done))


def _match_near(form: KnownForm, text: str, place: int, done: int) -> re.Match[str] | None:
    if form.then and text.find(form.then, place, place + _NEAR) < 0:
        return None
    if not form.lead:
        return form.pattern.match(text, place)
    return form.pattern.search(text, max(done, place - form.lead), place + _NEAR)


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
