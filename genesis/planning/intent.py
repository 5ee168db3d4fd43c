"""Classify a clause: a command, a wish, a question, a prohibition, or a description of the situation."""

from __future__ import annotations

import re

from genesis.planning.words import SOFT_VERBS, is_noun_too, is_verb, starts_noun_phrase, strip_polite, word_set, words

__all__ = [
    "asks",
    "has_object",
    "is_command",
    "is_conditional",
    "is_introduction",
    "is_prohibition",
    "only_verbs",
    "restrains",
    "starts_clause",
    "starts_own",
    "without_wish",
]

_DETACHED = re.compile(r"^(?:if|unless|whenever|in case|should|assuming|provided|given)\b", re.IGNORECASE)
_PROHIBITION = re.compile(
    r"^(?:do\s+not|don['\u2019]?t|never|avoid|refrain|no\s+need|without|leave\s+out"
    r"|(?:you|i|we)\s+(?:do\s+not|don['\u2019]?t|must\s+not|should\s+not|shouldn['\u2019]t|mustn['\u2019]t)|not)\b",
    re.IGNORECASE,
)
_WANT = re.compile(
    r"^(?:i|we)(?:\s+(?:also|would|just|really|then|still))*['\u2019]?(?:d|m|re)?\s+(?:also\s+|would\s+)?"
    r"(?:need|want|like|love|require|request|looking\s+for|interested\s+in|curious\s+about)\b",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"^(?:i|we)(?:['\u2019](?:m|re)|\s+am|\s+are)?\s+(?:also\s+|really\s+)?(?:(?:need|want|require|would\s+like)\s+(?:your\s+|some\s+)?"
    r"(?:help|assistance|advice|support|guidance|ideas)|interested\s+in|looking\s+(?:for|to)|planning|organi[sz]ing|working\s+on"
    r"|having|writing|developing|building|a|an)\b",
    re.IGNORECASE,
)
_TELLS = re.compile(
    r"^(?:it|there|they|he|she|this|that|these|those|you|we|i|(?:the|a|an|my|our|its|his|her|their)\b[^,;]*?)\s*(?:['\u2019]s|['\u2019]re|\b(?:is|are"
    r"|was|were|has|have|had|does|did|will|should|must|can|cannot|contains?|includes?|needs?|features?|shows?))\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^(?:what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|has|have|should|shall|can|could|may)\b",
    re.IGNORECASE,
)

_OBJECT_STARTS = word_set(
    """
    it them me us him for on if whether how to some both through
    """
)
"""Words after which a verb that is a noun as well is a verb."""


def is_prohibition(text: str) -> bool:
    """Whether a clause is a prohibition."""
    return _PROHIBITION.match(strip_polite(text)) is not None


def is_introduction(text: str) -> bool:
    """Whether a sentence only introduces the request: "I need your help with …", "I'm planning …"."""
    return _INTRODUCTION.match(text.strip()) is not None


def restrains(text: str) -> bool:
    """Whether a clause restrains other work rather than asks for some: "ensure that …", "use the blue one"."""
    bare = strip_polite(text)
    first = words(bare)[:1]
    return bool(first) and first[0] in SOFT_VERBS and not re.search(r"\bto\s+\w", bare)


def is_command(text: str) -> bool:
    """Whether a clause, without its polite wrapping, begins with a verb or states what is wanted."""
    bare = strip_polite(text)
    first = words(bare)[:1]
    return bool(first) and (is_verb(first[0]) or _WANT.match(text.strip()) is not None)


def is_conditional(text: str) -> bool:
    """Whether a clause begins with "if" and the like, so that it must stay whole."""
    return _DETACHED.match(strip_polite(text)) is not None


def starts_own(text: str) -> bool:
    """Whether words that follow a statement ask for something, rather than continue it."""
    return _WANT.match(text) is not None or strip_polite(text) != text


def without_wish(text: str) -> str:
    """Strip "I need", "we would like" and the like."""
    match = _WANT.match(text.strip())
    return text.strip()[match.end() :].strip() if match else text


def asks(text: str, *, marked: bool = False) -> bool:
    """Whether a clause asks for something. After "then" and the like, it does unless it describes a situation."""
    bare = strip_polite(text)
    if is_prohibition(text):
        return False
    return is_command(text) or _QUESTION.match(bare) is not None or (marked and _TELLS.match(bare) is None)


def has_object(text: str) -> bool:
    """Whether a clause has an object besides verbs, so that "find and compare prices" stays one step."""
    bare = strip_polite(text)
    return len(words(bare)) > 1 and not only_verbs(bare)


def only_verbs(text: str) -> bool:
    """Whether a text is verbs joined by commas or "and", without an object: "lint, test and build"."""
    return all(is_verb(word) for word in re.split(r"\s*,\s*(?:and\s+)?|\s+(?:and|or)\s+", text.strip().lower()))


def starts_clause(text: str) -> bool:
    """Whether a text begins a clause: with a verb that is not a noun here, or with "I need" and the like."""
    bare = strip_polite(text)
    if _WANT.match(text.strip()):
        return True
    tokens = words(bare)
    if not tokens or not is_verb(tokens[0]):
        return False
    if len(tokens) == 1 or re.match(r"\w+\s*(?:[,;]|and\b|or\b)", bare):
        return False
    if not is_noun_too(tokens[0]):
        return True
    after = re.match(r"\w+\s+(\S+)", bare)
    if after is None:
        return False
    word = after[1]
    return (
        starts_noun_phrase(words(word)[0] if words(word) else word)
        or word[0].isupper()
        or not word[0].isalnum()
        or word[0].isdigit()
        or words(word)[0]
        in {"it", "them", "me", "us", "him", "for", "on", "if", "whether", "how", "to", "some", "both", "through"}
    )
