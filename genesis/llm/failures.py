"""Turn what goes wrong with a model into a ModelError: what happened, to which model, and what to do about it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pydantic import ValidationError

from genesis.errors import ModelError

if TYPE_CHECKING:
    from pydantic_ai.exceptions import ModelAPIError

__all__ = [
    "answer_unusable",
    "cut_short",
    "from_provider",
    "no_key",
    "not_an_api",
    "not_installed",
    "too_large",
    "too_slow",
    "unusable_schema",
]

_SHOWN = 200
"""Characters of a model's answer that are examined or shown."""
_HTML = re.compile(r"<\s*(?:!doctype|html|head|body)\b", re.IGNORECASE)
_CHECK_URL = "check GENESIS_LLM__BASE_URL; an OpenAI-compatible address usually ends in /v1"


def from_provider(error: ModelAPIError, name: str, where: str, secret: str | None) -> ModelError:
    """Translate a failed call.

    Args:
        error: What pydantic-ai raised.
        name: The model's name for the reader.
        where: The address of the service, for the reader.
        secret: The key that was used; it is struck out of what the service said.
    """
    said = _quote_error(error, secret)
    for matches, code, what, hint in _kinds(name, where):
        if isinstance(error, matches):
            return _error(code, f"{what}{said}", hint, error)
    status = getattr(error, "status_code", None)
    if status is not None:
        return _error("GEN-MODEL-SERVICE", f"{where} responded with status {status}{said}", _CHECK_URL, error)
    if "JSON" in error.message or _HTML.search(error.message):
        page = getattr(error.__cause__, "doc", "")
        return not_an_api(where, page if _HTML.search(page) else error.message, secret)
    return _error("GEN-MODEL-SERVICE", f"the call to {name!r} at {where} failed{said}", _CHECK_URL, error)


def _kinds(name: str, where: str) -> tuple[tuple[type[Exception], str, str, str], ...]:
    """List what can go wrong: class, code, message, hint; the specific before the general."""
    from pydantic_ai import exceptions as kinds  # noqa: PLC0415

    key = "check GENESIS_LLM__API_KEY, or the provider's own variable"
    later = "try again later"
    return (
        (
            kinds.ModelTimeoutError,
            "GEN-MODEL-TIMEOUT",
            f"{where} was too slow",
            "try again, or raise GENESIS_LLM__TIMEOUT_S",
        ),
        (
            kinds.ModelConnectionError,
            "GEN-MODEL-UNREACHABLE",
            f"{where} cannot be reached",
            "check that the service runs, GENESIS_LLM__BASE_URL and the network",
        ),
        (kinds.ModelAuthenticationError, "GEN-MODEL-AUTH", f"{where} refused the key for {name!r}", key),
        (
            kinds.ModelNotFoundError,
            "GEN-MODEL-NOT-FOUND",
            f"{where} does not know the model {name!r}",
            "check the model's name and GENESIS_LLM__BASE_URL",
        ),
        (
            kinds.ModelContextWindowExceededError,
            "GEN-MODEL-CONTEXT",
            f"the prompt is too long for {name!r}",
            "shorten the request, or use a model with a longer context",
        ),
        (kinds.ModelRequestRejectedError, "GEN-MODEL-REJECTED", f"{where} rejected the call to {name!r}", _CHECK_URL),
        (
            kinds.ModelQuotaExceededError,
            "GEN-MODEL-QUOTA",
            f"the account at {where} has no quota left for {name!r}",
            "check the account's plan and billing",
        ),
        (kinds.ModelRateLimitError, "GEN-MODEL-RATE-LIMIT", f"{where} limits the rate of calls to {name!r}", later),
        (kinds.ModelUnavailableError, "GEN-MODEL-SERVER", f"{where} failed on its own side", later),
        (kinds.ModelServerError, "GEN-MODEL-SERVER", f"{where} failed on its own side", later),
    )


def not_an_api(where: str, said: str, secret: str | None) -> ModelError:
    """Report that something answered, but not as the API of a model does."""
    return ModelError(
        f"{where} did not respond like a model's API{_quote_text(said, secret)}",
        hint=_CHECK_URL,
        code="GEN-MODEL-NOT-API",
        data={"retry": False},
    )


def too_large(limit: int) -> ModelError:
    """Report that a service sent more than an answer can be."""
    return ModelError(
        f"the model's service sent more than {limit:,} bytes",
        hint=_CHECK_URL,
        code="GEN-MODEL-NOT-API",
        data={"retry": False},
    )


def not_installed(error: ImportError) -> ModelError:
    """Return which extra installs the libraries for models."""
    return ModelError(
        f"language models need a library that is not installed: {error.name or error}",
        hint="pip install 'prefect-genesis[llm]'",
        code="GEN-MODEL-MISSING",
        data={"retry": False},
    )


def no_key(name: str, provider: str) -> ModelError:
    """Report that a provider needs a key and none is set."""
    return ModelError(
        f"there is no key for {name!r}",
        hint=f"set GENESIS_LLM__API_KEY or {provider.upper()}_API_KEY",
        code="GEN-MODEL-AUTH",
        data={"retry": False},
    )


def too_slow(name: str, where: str, timeout_s: float) -> ModelError:
    """Report that a call ran out of time."""
    return ModelError(
        f"{name!r} at {where} did not answer within {timeout_s:g} s",
        hint="try again, use a faster model, or raise GENESIS_LLM__TIMEOUT_S",
        code="GEN-MODEL-TIMEOUT",
        data={"retry": True},
    )


def cut_short(name: str, max_tokens: int, tokens: int) -> ModelError:
    """Report that an answer was cut at its length limit, which leaves it unusable."""
    return ModelError(
        f"the answer of {name!r} was cut short at {max_tokens} tokens",
        hint="raise GENESIS_LLM__MAX_TOKENS, or the agent's max_tokens",
        code="GEN-MODEL-LENGTH",
        data={"retry": False, "tokens": tokens},
    )


def answer_unusable(name: str, reason: str, tokens: int) -> ModelError:
    """Report that an answer came but cannot be used."""
    return ModelError(
        f"the answer of {name!r} cannot be used: {reason}",
        hint="use a model that supports structured output, or a larger one",
        code="GEN-MODEL-ANSWER",
        data={"retry": False, "tokens": tokens},
    )


def unusable_schema(text: str, error: ValidationError) -> str:
    """Return briefly why a text does not fit its schema."""
    if not text.strip():
        return "it is empty"
    if _HTML.search(text[:_SHOWN]):
        return f"it is HTML, {_shorten(text)!r}"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return f"it is not valid JSON, {_shorten(text)!r}"
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{first['msg'][:_SHOWN]} at {place}"


def _error(code: str, message: str, hint: str, error: ModelAPIError) -> ModelError:
    retry = code in {"GEN-MODEL-RATE-LIMIT", "GEN-MODEL-SERVER", "GEN-MODEL-TIMEOUT", "GEN-MODEL-UNREACHABLE"}
    data: dict[str, object] = {"retry": retry}
    status = getattr(error, "status_code", None)
    if status is not None:
        data["status"] = status
    if error.retry_after is not None:
        data["retry_after_s"] = error.retry_after
    return ModelError(message, hint=hint, code=code, data=data)


def _quote_error(error: ModelAPIError, secret: str | None) -> str:
    """Quote what the service said about the failure."""
    text = _message_in(error.body)
    if not text and getattr(error, "status_code", None) is None:
        text = error.message
    return _quote_text(text, secret)


def _quote_text(text: str, secret: str | None) -> str:
    """Quote a text of the service in short, without the key and without markup."""
    if secret:
        text = text.replace(secret, "***")
    if _HTML.search(text):
        text = "it sent an HTML page"
    return f": {_shorten(text)}" if text.strip() else ""


def _message_in(body: object) -> str:
    """Find the human part of an error's body, whatever shape the service gave it."""
    for _ in range(3):
        if isinstance(body, dict):
            body = body.get("message") or body.get("error") or body.get("detail") or ""
    return body if isinstance(body, str) else ""


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}…"
