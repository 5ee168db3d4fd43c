"""Resolve what a step's words refer to: "it", "the results", or "the report" after "write a report"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from genesis.planning.words import base_verb, content_stems, strip_polite, word_set, words

__all__ = ["antecedent", "speaks_of"]

_NEAR = 3
"""How many steps back a pronoun is looked for."""

_BACK = re.compile(
    r"""\b(?:it|them|its\ (?:results?|output)|the\ (?:results?|outcomes?|outputs?|findings)
    |these\ (?:results?|findings)
    |(?:this|that)\ (?:information|data|list)|their\ \w+|both\ of\ them|the\ (?:former|latter|above))\b""",
    re.IGNORECASE | re.VERBOSE,
)
_DEFINITE = re.compile(r"\b(?:the|this|that|these|those|its|their|resulting)\s+((?:[\w\-]+\s*){1,3})", re.IGNORECASE)
_INDEFINITE = re.compile(r"\b(?:a|an|some|new)\s+((?:[\w\-]+\s*){1,4})", re.IGNORECASE)
_OBJECT_END = re.compile(r"\s(?:of|for|to|in|on|at|with|from|by|about|and|that|which|using)\s|[,.;:(]", re.IGNORECASE)
_MAKERS = word_set("build compile create design develop draft generate make prepare produce train write")


def antecedent(earlier: Sequence[str], text: str) -> int | None:
    """Find the latest earlier step that the words of a step point back to.

    Args:
        earlier: The words of the steps before it.
        text: The step's own words.

    Returns:
        Its position, or None when the step refers to none.
    """
    positions = range(len(earlier))[::-1]
    if earlier and (back := _BACK.search(text)):
        pronoun = back[0].lower()
        near = positions[:_NEAR]
        return next((i for i in near if pronoun != "it" or not _has_plural_object(earlier[i])), near[0])
    nouns = {noun for match in _DEFINITE.finditer(text) for noun in content_stems(match[1])}
    return next((i for i in positions if nouns & _find_products(earlier[i])), None) if nouns else None


def speaks_of(text: str, nouns: set[str]) -> bool:
    """Whether a text speaks of "the …" with one of these stems."""
    return any(nouns & set(content_stems(match[1])) for match in _DEFINITE.finditer(text))


def _find_products(text: str) -> set[str]:
    """Return the stems of what a step produces: the last noun of "a report", "write docs"."""
    bare = _OBJECT_END.split(strip_polite(text), maxsplit=1)[0]
    tokens = words(bare)
    if not tokens or base_verb(tokens[0]) is None:
        return set()
    if base_verb(tokens[0]) in _MAKERS or _INDEFINITE.search(bare):
        return set(content_stems(bare)[-1:])
    return set()


def _has_plural_object(text: str) -> bool:
    """Whether the first noun phrase after the verb ends in a plural: "write the docs for it"."""
    last = words(_OBJECT_END.split(text, maxsplit=1)[0])[-1:]
    return bool(last) and last[0].endswith("s") and not last[0].endswith(("ss", "us", "is"))
