"""Check that a request can be planned."""

from __future__ import annotations

import re
import unicodedata

from genesis.errors import UsageError
from genesis.settings import Limits

__all__ = ["check_request"]

_SHOWN = 60
"""Characters of a request that an error shows."""
_EXAMPLE = 'describe what is to be done, for example: genesis plan "Audit the repository at ."'

_GREETINGS = frozenset(
    """
    hello|hello there|hello world|hi|hi there|hey|hey there|good morning|good afternoon|good evening|good day|greetings
    |howdy|yo|sup|how are you|how are you doing|how do you do|whats up|what is up|thanks|thank you|thank you very much
    |many thanks|bye|goodbye|good night|see you|ok|okay|yes|please|welcome|cheers|hallo|guten tag|guten morgen
    |guten abend|moin|servus|danke|vielen dank|bitte|tschüss|bonjour|salut|bonsoir|merci|coucou|au revoir|hola
    |buenos días|buenos dias|buenas tardes|buenas noches|gracias|adiós|adios|ciao|buongiorno|grazie|olá|ola|obrigado
    |你好|您好|谢谢|こんにちは|ありがとう|안녕하세요|привет|здравствуйте|спасибо|مرحبا|नमस्ते
    """.replace("\n", "")
    .replace("    ", "")
    .split("|")
)

_NOTHING = re.compile(
    r"""
      (?:please\ )? (?:there\ is\ |i\ have\ |i\ need\ |i\ want\ )?
          (?:(?:absolutely|just|literally)\ )?(?:nothing|no|none|nope|noop|no\ op|nil|null)
          (?:\ (?:to\ do|at\ all|here|else|for\ now|today|thanks|thank\ you|needed|really))*
    | (?:please\ )? (?:just\ )?do\ (?:absolutely\ |literally\ )?nothing (?:\ at\ all|\ please|\ for\ now|\ today)*
    | (?:please\ )? (?:do\ not|dont|never) \ \w+ (?:\ \w+)? \ (?:anything|a\ thing|nothing|any\ thing)
          (?:\ at\ all|\ please|\ for\ now|\ today|\ else|\ yet)*
    | (?:please\ )? (?:do\ not|dont) \ (?:do|bother|move|act)
    | never\ ?mind | forget\ (?:it|about\ it)
    | (?:tue|mach)\ (?:bitte\ )?nichts | nichts(?:\ tun)? | ne\ (?:fais|faites)\ rien
    | rien(?:\ à\ faire)? | nada(?:\ que\ hacer)? | no\ hagas\ nada | no\ haga\ nada | niente
    """,
    re.VERBOSE,
)


def check_request(text: str, limits: Limits | None = None) -> str:
    """Check that a text can be planned, and return it without surrounding white space.

    Any language is accepted.

    Args:
        text: The request.
        limits: The bound on its length; by default that of the settings.

    Raises:
        UsageError: It is empty, too long, has control characters or broken Unicode, or asks for nothing.
    """
    limits = limits or Limits()
    stripped = text.strip()
    if not stripped:
        raise UsageError("the request is empty", hint=_EXAMPLE, code="GEN-REQUEST-EMPTY")
    if len(text) > limits.request_characters:
        raise UsageError(
            f"the request has {len(text):,} characters; the limit is {limits.request_characters:,}",
            hint="shorten it, put the details into a file that it names, or raise GENESIS_LIMITS__REQUEST_CHARACTERS",
            code="GEN-REQUEST-TOO-LONG",
        )
    _check_characters(text)
    if _is_empty_request(stripped):
        shown = stripped if len(stripped) <= _SHOWN else f"{stripped[: _SHOWN - 1]}…"
        raise UsageError(
            f"the request {shown!r} asks for nothing to be done", hint=_EXAMPLE, code="GEN-REQUEST-NOTHING"
        )
    return stripped


def _check_characters(text: str) -> None:
    for place, character in enumerate(text):
        if character in "\n\r\t":
            continue
        category = unicodedata.category(character)
        if category in {"Cc", "Cs"}:
            what = "a control character" if category == "Cc" else "a lone surrogate"
            raise UsageError(
                f"the request has {what}, U+{ord(character):04X}, at position {place + 1}",
                hint="remove it; line breaks and tabs are fine",
                code="GEN-REQUEST-CHARACTERS",
            )


def _is_empty_request(text: str) -> bool:
    """Whether a text is only a greeting, only punctuation, or asks for nothing to be done."""
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in text.lower() if c not in "'\u2019")
    plain = " ".join("".join(kept).split())
    return not plain or plain in _GREETINGS or _NOTHING.fullmatch(plain) is not None
