"""Redact secrets in text and data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from genesis.security.secret_names import is_secret_name
from genesis.security.secret_patterns import SHORTEST_MARKED, TextRange, no_secret, secret_spans

__all__ = ["LEAST_CHARACTERS", "MARK", "redact", "redact_values"]

MARK = "***"
"""The replacement of a secret."""
LEAST_CHARACTERS = 6
"""A known value that is shorter is not looked for: it would be found in half of all words."""
_WORD_CHARACTERS = 12
"""A known value that is shorter, and of letters and digits only, counts as a word of its own alone."""
_DEEPEST = 60
"""Levels of nesting; what is deeper is replaced as a whole."""
_PASSES = 4
"""Most repetitions of the search over one text."""

_T = TypeVar("_T")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Redact known values, and text with the format of a secret. Idempotent.

    Ordinary text is returned unchanged, after a few microseconds. Any text takes time in proportion to its length.
    What is not recognised is not redacted: a password in a sentence, or one that is written backwards.

    Args:
        text: Any text.
        secrets: Known values; those of fewer than six characters are left out.
    """
    known = tuple(secrets)
    for _ in range(_PASSES):  # a mark may complete the shape of another secret
        spans = [span for secret in known if secret in text for span in _find_secret(text, secret)]
        if len(text) >= SHORTEST_MARKED or not text.isidentifier():
            spans += secret_spans(text)
        struck = _mark_spans(text, spans) if spans else text
        if struck == text:
            break
        text = struck
    return text


def redact_values(value: _T, secrets: Iterable[str] = ()) -> _T:
    """Redact secrets in all texts of a JSON-like value, also by name; the shape is kept.

    Args:
        value: Mappings, lists, tuples, texts, numbers; anything else is returned unchanged.
        secrets: Known values.
    """
    return _clean_value(value, tuple(secrets), "", 0)  # type: ignore[return-value]  # the same shape


def _clean_value(value: object, secrets: tuple[str, ...], name: str, depth: int) -> object:
    """Return a value without secrets; `name` is that of a secret which it is, or is a part of."""
    if isinstance(value, str):
        if name and not no_secret(name, value):
            return MARK
        return redact(value, secrets)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return MARK if name and not no_secret(name, str(value)) else value
    if depth >= _DEEPEST:
        return MARK if isinstance(value, Mapping | list | tuple) else value
    if isinstance(value, Mapping):
        return {
            redact(key, secrets) if isinstance(key, str) else key: _clean_value(
                each, secrets, key if isinstance(key, str) and is_secret_name(key) else name, depth + 1
            )
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)([_clean_value(each, secrets, name, depth + 1) for each in value])
    return value


def _find_secret(text: str, secret: str) -> Iterable[TextRange]:
    if len(secret) < LEAST_CHARACTERS or not secret.strip("*"):
        return
    alone = len(secret) < _WORD_CHARACTERS and secret.isalnum()
    place = text.find(secret)
    while place >= 0:
        end = place + len(secret)
        if not (alone and (text[place - 1 : place].isalnum() or text[end : end + 1].isalnum())):
            yield place, end
        place = text.find(secret, place + 1)


def _mark_spans(text: str, spans: list[TextRange]) -> str:
    """Put the mark in the place of each span; spans that touch are one."""
    parts, kept, end = [], 0, -1
    for start, stop in sorted(spans):
        if start >= stop:
            continue
        if start > end:
            parts += [text[kept:start], MARK]
        end = kept = max(end, stop)
    return "".join([*parts, text[kept:]])
