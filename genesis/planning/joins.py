"""The words that join steps, and the order that they imply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from genesis.planning.sentences import TextSpan
from genesis.planning.words import strip_polite

__all__ = ["Join", "Joint", "joints", "leading_join"]

Join = Literal["start", "and", "then", "finally", "parallel"]
"""How a clause joins what came before.

`start`: the first step; `and`: beside the clause before it; `then`: after the clauses before it; `finally`: after
everything so far; `parallel`: explicitly at the same time.
"""


@dataclass(frozen=True, slots=True)
class Joint:
    """A place where a sentence may be cut."""

    start: int
    end: int
    join: Join
    is_semicolon: bool


_DONE = r"(?:done|finished|complete[d]?|ready|in\ place|over|through)"
_THAT = r"(?:that|this|it|these|those|they)(?:['\u2019]s|['\u2019]re|\ is|\ are|\ has\ been|\ have\ been|\ was|\ were)?"
_ALL = r"(?:everything|all(?:\ of\ (?:it|that|this|them|the\ above))?|the\ above|all\ (?:the\ )?(?:steps|tasks))"
_BE = r"(?:['\u2019]s|\ is|\ are|\ has\ been|\ have\ been|\ was|\ were)?"

_LEADING_WORDS: tuple[tuple[Join, str], ...] = (
    (
        "finally",
        rf"""finally | lastly | last\ but\ not\ least | last\ of\ all | last(?=,) | in\ the\ end
            | at\ the\ (?:very\ )?end(?!\ of) | to\ (?:finish|conclude)(?:\ (?:up|off))?(?=,)
            | as\ (?:a|the)\ (?:last|final)\ step | the\ (?:last|final)\ step\ is\ to
            | (?:once|when|after|as\ soon\ as)\ {_ALL}{_BE}(?:\ {_DONE})? (?=,)""",
    ),
    (
        "then",
        rf"""then | next(?=[\s,]) | after\ ?wards? | subsequently | thereafter | later(?:\ on)? | from\ there
            | after\ (?:that|this|which|doing\ (?:so|that|this)|it) | following\ (?:that|this) | as\ a\ next\ step
            | second(?:ly)?(?=,) | secondly | third(?:ly)?(?=,) | thirdly | fourth(?:ly)?(?=,) | fifth(?:ly)?(?=,)
            | (?:once|when|after|as\ soon\ as)\ {_THAT}(?:\ (?:all\ )?{_DONE})?(?=,)
            | (?:once|when)\ (?:you['\u2019]re\ |you\ are\ )?{_DONE}
            | (?:based|building)\ on\ (?:that|this|it|the\ results?)
            | with\ (?:that|this|the\ results?)(?=,)""",
    ),
    (
        "parallel",
        r"""meanwhile | in\ the\ meantime | in\ parallel(?:\ (?:to|with)\ (?:that|this|it))? | at\ the\ same\ time
            | simultaneously | concurrently | independently
            | while\ (?:you\ are\ at\ it|doing\ (?:so|that)|that\ (?:runs|happens))""",
    ),
    (
        "start",
        r"""first\ of\ all | first(?:ly)?(?=[\s,:]) | to\ (?:start|begin)(?:\ with)?(?=[,\s]) | initially
            | (?:please\ )?(?:start|begin)\ (?:by|with)(?=\ \w+ing\b)""",
    ),
    (
        "and",
        r"""also | additionally | in\ addition(?!\ to) | moreover | furthermore | besides(?=,) | plus | as\ well | too
            | apart\ from\ that | on\ top\ of\ that | likewise | similarly""",
    ),
)
_LEADING = tuple(
    (join, re.compile(rf"(?:and\s+|but\s+|so\s+)?(?:{pattern})(?=[\s,:;]|$)[\s,:;]*", re.IGNORECASE | re.VERBOSE))
    for join, pattern in _LEADING_WORDS
)

_SPLIT = re.compile(
    r"""
      (?P<semi>\s*;\s*(?:and\s+)?)
    | (?P<sequence>\s*,?\s+(?:and\s+|,\s*)?(?:then|afterwards?|subsequently|thereafter)\b[,:]?\s*
        | \s*,\s*(?:and\s+)?(?:next|later|after\ (?:that|this|which)|secondly|thirdly)\b,?\s*
        | \s+and\s+(?:next|after\ (?:that|this)|later)\b,?\s*
        | \s*,?\s+followed\s+by\s+)
    | (?P<final>\s*,\s*(?:and\s+)?(?:finally|lastly|last)\b,?\s* | \s+and\s+(?:finally|lastly)\b,?\s*
        | \s*,\s*(?:and\s+)?(?:in\ the\ end|at\ the\ end)\b(?!\ of),?\s*)
    | (?P<parallel>\s*,?\s+(?:and\s+)?
        (?:meanwhile|in\ the\ meantime|in\ parallel|at\ the\ same\ time|simultaneously)\b,?\s+(?=\w))
    | (?P<also>\s*,?\s+(?:and|but|as\ well\ as|plus)\s+(?:also\s+|additionally\s+|in\ addition,?\s+|please\s+)*
        | \s*,\s*(?:also\s+|plus\s+)?(?=\w))
    """,
    re.VERBOSE | re.IGNORECASE,
)


def joints(span: TextSpan) -> Iterator[Joint]:
    """Return the places where joining words or punctuation may separate clauses."""
    for match in _SPLIT.finditer(span.mask):
        join: Join = "and"
        if match["sequence"] is not None:
            join = "then"
        elif match["final"] is not None:
            join = "finally"
        elif match["parallel"] is not None:
            join = "parallel"
        yield Joint(match.start(), match.end(), join, match["semi"] is not None)


def leading_join(span: TextSpan) -> tuple[Join | None, TextSpan]:
    """Strip the leading joining word ("Finally, …") and surrounding politeness."""
    bare = strip_polite(span.text)
    rest = span.cut(len(span.text) - len(bare), len(span.text))
    for join, pattern in _LEADING:
        match = pattern.match(rest.text)
        if match and (kept := rest.cut(match.end(), len(rest.text))):
            return join, kept
    return None, span
