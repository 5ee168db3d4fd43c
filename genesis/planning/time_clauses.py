"""Events that order steps: "once the API is built, …", "… before deploying it", "after testing, …"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from genesis.planning.sentences import TextSpan, mask
from genesis.planning.words import base_verb, is_verb, strip_polite, word_set, words

__all__ = ["Event", "and_event", "event_step", "parse_fronted_event", "trailing_event"]

_FRONTED = re.compile(
    r"^(?P<word>once|after|when|as soon as|before|while|upon)\s+"
    r"(?P<event>[^,]+(?:,(?=[^,]*,)[^,]*)??),\s*(?:then\s+)?(?P<main>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_TRAILING = re.compile(
    r"^(?P<main>.+?\S),?\s+(?P<word>before|after|once|as soon as|while|when)\s+(?P<event>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_AND_EVENT = re.compile(r",?\s+and\s+(?=(?:after|once|before|when|as soon as)\s[^,]+,\s)", re.IGNORECASE)
_PASSIVE = re.compile(
    r"^(?P<subject>.+?)\s+(?:is|are|has been|have been|was|were|gets?|got)\s+"
    r"(?:fully\s+|successfully\s+)?(?P<verb>\w+)$",
    re.IGNORECASE,
)
_ACTIVE = re.compile(r"^(?:you|we)(?:\s+have|['\u2019]ve|\s+had)?\s+(?P<verb>\w+)\s+(?P<object>\S.*)$", re.IGNORECASE)
_EMPTY = word_set("begin do get give go have make need start take want")
"""Verbs that denote no work: "before making a purchase"."""
_UNCHANGED = frozenset({"cut", "put", "run", "set"})
"""Participles that are the base form as well."""


@dataclass(frozen=True, slots=True)
class Event:
    """A subordinate clause of time and the main clause that it belongs to."""

    word: str
    """`once`, `after`, `before`, `while` and so on."""
    event: TextSpan
    main: TextSpan
    lead: TextSpan
    """The subordinate clause with its word."""


def parse_fronted_event(span: TextSpan) -> Event | None:
    """Read "once X, Y", "after X, Y", "before X, Y"."""
    bare = strip_polite(span.text)
    rest = span.cut(len(span.text) - len(bare), len(span.text))
    match = _FRONTED.match(rest.mask)
    if match is None:
        return None
    return Event(
        word=match["word"].lower(),
        event=rest.cut(match.start("event"), match.end("event")),
        main=rest.cut(match.start("main"), match.end("main")),
        lead=rest.cut(0, match.end("event")),
    )


def trailing_event(span: TextSpan) -> Event | None:
    """Read "Y before X", "Y after X"."""
    match = _TRAILING.match(span.mask)
    if match is None:
        return None
    return Event(
        word=match["word"].lower(),
        event=span.cut(match.start("event"), match.end("event")),
        main=span.cut(match.start("main"), match.end("main")),
        lead=span.cut(match.start("word"), len(span.text)),
    )


def and_event(span: TextSpan) -> tuple[TextSpan, TextSpan] | None:
    """Cut "A, and after B, C" before "after"; None where there is no such place."""
    match = _AND_EVENT.search(span.mask)
    return (span.cut(0, match.start()), span.cut(match.end(), len(span.text))) if match else None


def event_step(event: TextSpan, word: str, *, fronted: bool = True) -> TextSpan | None:
    """Turn an event into the step that brings it about: "testing it", "the API is built", "you have built it".

    Only a leading one ("once the API is built, …") may be a whole sentence; after the main clause it is
    somebody else's action.
    """
    tokens = words(event.text)
    if not tokens:
        return None
    if tokens[0].endswith("ing"):
        verb = base_verb(tokens[0])
        return mask(verb + event.text[len(tokens[0]) :]) if verb and verb not in _EMPTY else None
    if not fronted:
        return None
    if match := _PASSIVE.match(event.mask):
        subject = event.cut(match.start("subject"), match.end("subject"))
        verb = base_verb(match["verb"])
        if verb and (not is_verb(match["verb"]) or match["verb"].lower() in _UNCHANGED):
            return mask(f"{verb} {subject.text}")
    if (match := _ACTIVE.match(event.mask)) and (verb := base_verb(match["verb"])) and word != "when":
        return mask(f"{verb} {event.text[match.start('object') :]}")
    return None
