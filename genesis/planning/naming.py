"""Make task ids that a person can read from the words of a step."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterator, Sequence

from genesis.planning.words import starts_noun_phrase
from genesis.text.scripts import find_script_fault

__all__ = ["slug", "unique"]

_LENGTH = 40
"""Most characters of an id."""
_WORDS = 5
"""Words of a description that an id is made of."""
_KEPT = frozenset({"Ll", "Lm", "Lo", "Nd"})
"""Unicode categories of letters and digits, which both Python and the plan's schema take in an id."""


def slug(text: str, fallback: str = "step") -> str:
    """Make an id of the first words of a text: letters of any script, digits and hyphens, at most 40 characters.

    Args:
        text: The step's words.
        fallback: The id when no letter or digit is left.
    """
    normal = unicodedata.normalize("NFKC", text).lower().replace("'", "").replace("\u2019", "")
    kept = "".join(character if unicodedata.category(character) in _KEPT else " " for character in normal)
    kept = " ".join(_of_one_script(kept.split()))
    parts = [word for word in kept.split() if not starts_noun_phrase(word)] or kept.split()
    name = ""
    for word in parts[:_WORDS]:
        longer = f"{name}-{word}" if name else word[:_LENGTH]
        if len(longer) > _LENGTH:
            break
        name = longer
    return name or fallback


def _of_one_script(words: Sequence[str]) -> Iterator[str]:
    """Leave out words of another script than those before them, with which the id could pass for another."""
    name = ""
    for word in words:
        if find_script_fault(name + word) is None:
            name += word
            yield word


def unique(name: str, taken: Container[str]) -> str:
    """Return the name, or the name with the lowest number that makes it new."""
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"
