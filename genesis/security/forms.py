"""Credentials that their issuers gave a form of their own, and where they are in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["KNOWN", "PASSWORD_IN_ADDRESS", "KnownForm", "known_forms"]

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


def known_forms(text: str) -> Iterator[tuple[KnownForm, re.Match[str]]]:
    """Find what has a known form, form by form; no place is reported twice for one form."""
    for form in KNOWN:
        for mark in form.marks:
            place, done = text.find(mark), 0
            while place >= 0:
                match = _match_near(form, text, place, done)
                if match:
                    done = match.end()
                    yield form, match
                place = text.find(mark, max(place + len(mark), done))


def _match_near(form: KnownForm, text: str, place: int, done: int) -> re.Match[str] | None:
    if form.then and text.find(form.then, place, place + _NEAR) < 0:
        return None
    if not form.lead:
        return form.pattern.match(text, place)
    return form.pattern.search(text, max(done, place - form.lead), place + _NEAR)
