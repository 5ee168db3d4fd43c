"""Credentials with an issuer-specific format, and their positions in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

__all__ = ["KNOWN", "PASSWORD_IN_ADDRESS", "KnownForm", "find_known_forms"]

PASSWORD_IN_ADDRESS = "password in an address"  # noqa: S105  # a kind of secret


@dataclass(frozen=True)
class KnownForm:
    """A credential with an issuer-specific format."""

    kind: str
    expression: str
    """Its group `secret` is the secret."""
    marks: tuple[str, ...]
    """Texts with one of which the pattern begins. Looking for them first makes scanning fast."""
    is_public: bool = False
    """Whether it is a test key, or expires."""
    lead: int = 0
    """How far before a mark the pattern may begin."""
    then: str = ""
    """What must follow a mark within 200 characters, for marks that are common."""
    apart: bool = False
    """Whether white space may stand between a mark and the secret."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The expression, compiled when one of its marks is first found: most never are."""
        return re.compile(self.expression)


def _form(
    kind: str, marks: str, pattern: str, *, public: bool = False, lead: int = 0, then: str = "", apart: bool = False
) -> KnownForm:
    bounded = pattern if "(?P<secret>" in pattern else rf"(?<![A-Za-z0-9_-])(?P<secret>{pattern})(?![A-Za-z0-9_-])"
    return KnownForm(kind, bounded, tuple(marks.split()), public, lead, then, apart)


KNOWN: tuple[KnownForm, ...] = (
    _form(
        "private key",
        "-----BEGIN",
        r"-----BEGIN (?:[A-Z0-9]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n){1,4}"
        r"(?P<secret>[A-Za-z0-9+/=:,\- ]{24})",
        apart=True,
    ),
    _form("AWS access key", "AKIA ASIA ABIA ACCA", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    _form(
        "AWS secret key",
        "aws AWS",
        r"(?i)aws.{0,20}?(?:secret|sk).{0,20}?[\"'=:\s]{1,8}(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        apart=True,
    ),
    _form("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,251}"),
    _form("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{50,250}"),
    _form(
        "GitLab token",
        "glpat- glptt- gldt- glrt- glcbt- glft- glsoat- glimt- glagent-",
        r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|imt|agent)-[A-Za-z0-9_.-]{20,100}",
    ),
    _form("Slack token", "xox xapp-", r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,200}"),
    _form(
        "Slack webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?P<secret>services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{20,40})",
    ),
    _form("Discord webhook", "/api/webhooks/", r"/api/webhooks/(?P<secret>\d{17,20}/[\w-]{60,90})"),
    _form("Stripe key", "sk_live_ rk_live_", r"(?:sk|rk)_live_[A-Za-z0-9]{20,120}"),
    _form("Stripe test key", "sk_test_ rk_test_", r"(?:sk|rk)_test_[A-Za-z0-9]{20,120}", public=True),
    _form("Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    _form("Google access token", "ya29.", r"ya29\.[A-Za-z0-9_-]{40,400}"),
    _form("Google OAuth secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    _form("Stripe webhook secret", "whsec_", r"whsec_[A-Za-z0-9+/]{32,64}"),
    _form("Anthropic key", "sk-ant-", r"sk-ant-(?:[a-z]{2,8}\d\d-)?[A-Za-z0-9_-]{24,200}"),
    _form(
        "OpenAI key",
        "sk-proj- sk-svcacct- sk-admin- sk-None-",
        r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,250}",
    ),
    _form("OpenAI key", "sk-", r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    _form("OpenRouter key", "sk-or-v1-", r"sk-or-v1-[0-9a-f]{64}"),
    _form("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,60}"),
    _form("xAI key", "xai-", r"xai-[A-Za-z0-9]{70,90}"),
    _form("Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{40,60}"),
    _form("Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}"),
    _form("NVIDIA key", "nvapi-", r"nvapi-[A-Za-z0-9_-]{60,70}"),
    _form("LangSmith key", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    _form("Hugging Face token", "hf_", r"hf_[A-Za-z]{34}"),
    _form("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _form("PyPI token", "pypi-AgEIcHlwaS5vcmc", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,250}"),
    _form("Prefect key", "pnu_ pnb_", r"pn[ub]_[A-Za-z0-9]{36}"),
    _form("SendGrid key", "SG.", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _form("Brevo key", "xkeysib-", r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    _form("Twilio key", "SK", r"SK[0-9a-f]{32}"),
    _form("Telegram token", ":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{33}", lead=10),
    _form("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _form("Databricks token", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?"),
    _form("Atlassian token", "ATATT3 ATCTT3", r"AT[AC]TT3[A-Za-z0-9_=-]{60,250}"),
    _form("Figma token", "figd_", r"figd_[A-Za-z0-9_-]{40}"),
    _form("New Relic key", "NRAK-", r"NRAK-[A-Z0-9]{27}"),
    _form("PlanetScale token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}"),
    _form("Postman key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _form("Pulumi token", "pul-", r"pul-[a-f0-9]{40}"),
    _form("RubyGems key", "rubygems_", r"rubygems_[a-f0-9]{48}"),
    _form("Sentry token", "sntrys_ sntryu_", r"sntry(?:s_eyJ[A-Za-z0-9+/=_]{60,400}|u_[a-f0-9]{64})"),
    _form("Square key", "sq0csp- sq0atp-", r"sq0(?:csp-[A-Za-z0-9_-]{43}|atp-[A-Za-z0-9_-]{22})"),
    _form("Supabase key", "sbp_ sb_secret_", r"sb(?:p_[a-f0-9]{40}|_secret_[A-Za-z0-9_-]{31})"),
    _form("Tailscale key", "tskey-", r"tskey-(?:auth|api|client)-[A-Za-z0-9]{8,20}-[A-Za-z0-9]{20,40}"),
    _form("Terraform Cloud token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}", lead=14),
    _form("1Password token", "ops_eyJ", r"ops_eyJ[A-Za-z0-9+/=]{200,1500}"),
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

_SHORT = 1_000
"""Characters; in a longer text only its long words are searched, which is faster."""
_LEAST_WORD = 14
"""Characters of the shortest credential that is recognised."""
_NEAR = 200
"""How far behind a mark a form's `then` is looked for."""


def find_known_forms(text: str) -> Iterator[tuple[KnownForm, re.Match[str]]]:
    """Find what has a known form, form by form; no place is reported twice for one form."""
    # Most of a long text is short words; ninety searches through the long ones alone take a third of the time.
    words = text if len(text) < _SHORT else "\n".join({word for word in text.split() if len(word) >= _LEAST_WORD})
    for form in KNOWN:
        for mark in form.marks:
            if mark not in (text if form.apart else words):
                continue
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
