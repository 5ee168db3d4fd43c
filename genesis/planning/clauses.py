"""Split a sentence into the clauses that ask for something, in the order that its joining words imply."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from genesis.planning.intent import (
    asks,
    has_object,
    is_conditional,
    is_prohibition,
    only_verbs,
    starts_clause,
    starts_own,
)
from genesis.planning.joins import Join, Joint, joints, leading_join
from genesis.planning.sentences import TextSpan, mask
from genesis.planning.time_clauses import Event, and_event, event_step, parse_fronted_event, trailing_event
from genesis.planning.words import is_verb, starts_noun_phrase, strip_polite, word_set, words

__all__ = ["SentenceClause", "clauses"]

_NO_SEQUENCE_AFTER = word_set("now every since until by back")
"""Words after which "then" means a time, not the next step: "now and then", "until then"."""
_AHEAD = 200
"""Number of characters after a joint that decide whether a clause begins there."""


@dataclass(frozen=True, slots=True)
class SentenceClause:
    """A part of a sentence."""

    span: TextSpan
    join: Join = "and"
    asks: bool = True
    """Whether it asks for something rather than describes the situation."""
    condition: str = ""
    """Its condition ("the tests pass"); a step that this refers to comes first. Where nothing has to be done
    for it, `asks` is false and what follows depends on it."""
    marked: bool = False
    """Whether a joining word is present."""


def clauses(sentence: TextSpan) -> list[SentenceClause]:
    """Split one sentence into clauses, in execution order.

    Nothing is cut inside what `mask` protects.
    """
    span = _without_final_mark(sentence.collapse_spaces())
    join, rest = leading_join(span)
    if is_prohibition(rest.text):
        return [SentenceClause(rest, join or "and", asks=False, marked=join is not None)]
    if is_conditional(rest.text):
        return [_conditional(rest, join)]
    found = _split_fronted(rest) or _split_coordinated(rest)
    if join is not None:
        first = found[0]
        asking = first.asks or (join != "and" and not first.condition and asks(first.span.text, marked=True))
        found[0] = replace(first, join=join, asks=asking, marked=True)
    return found


def _conditional(span: TextSpan, join: Join | None) -> SentenceClause:
    """Keep "if X, Y" whole: what is done depends on X, which an earlier step may find out."""
    condition, comma, main = span.mask.partition(",")
    asking = bool(comma) and asks(span.text[len(span.text) - len(main) :])
    return SentenceClause(
        span, join or "and", asks=asking, condition=span.text[: len(condition)], marked=join is not None
    )


def _without_final_mark(span: TextSpan) -> TextSpan:
    end = len(span.mask.rstrip(" .!?…。\uff01\uff1f;,"))
    return span.cut(0, end) if end else span


def _split_fronted(span: TextSpan) -> list[SentenceClause]:
    """Cut "once X, Y and Z", and put X into its place."""
    event = parse_fronted_event(span)
    if event is None:
        return []
    main = _split_coordinated(event.main)
    if not any(clause.asks for clause in main):
        return []
    step = event_step(event.event, event.word)
    if event.word == "while":
        return [SentenceClause(step), replace(main[0], join="parallel", marked=True), *main[1:]] if step else []
    if event.word == "before":
        return [*main, SentenceClause(step, "then", marked=True)] if step else []
    first = SentenceClause(step or event.lead, asks=step is not None, condition=event.event.text, marked=True)
    return [first, replace(main[0], join="then", marked=True), *main[1:]]


def _split_coordinated(span: TextSpan) -> list[SentenceClause]:
    """Cut at joining words where both sides can stand alone."""
    if parts := and_event(span):
        left, right = parts
        if has_object(left.text) and (after := _split_fronted(right)):
            return [*_split_coordinated(left), *after]
    found: list[SentenceClause] = []
    for join, marked, piece in _pieces(span):
        own, rest = leading_join(piece) if marked or not found else (None, piece)
        if own is None or (join in {"then", "finally"} and own in {"parallel", "and"}):
            chosen, ordered = join, marked
        else:
            chosen, ordered = own, own != "and"
        clause = SentenceClause(rest, chosen, asks=asks(rest.text, marked=ordered), marked=marked or own is not None)
        found += _bare_verbs(clause) or _restore_verb(clause, found) or _trailing(clause)
    return _with_prohibitions(found)


def _pieces(span: TextSpan) -> list[tuple[Join, bool, TextSpan]]:
    """Split a sentence; yields for each piece how it joins, whether a word or a semicolon states it, and its words."""
    asking = asks(span.text)
    pieces: list[tuple[Join, bool, TextSpan]] = []
    start = 0
    join: Join = "and"
    marked = False
    for joint in joints(span):
        left = _without_conjunction(span.cut(start, joint.start))
        if not _may_cut(left, span.text[joint.end : joint.end + _AHEAD], joint, asking=asking):
            continue
        pieces.append((join, marked, left))
        start, join, marked = joint.end, joint.join, joint.join != "and" or joint.is_semicolon
    pieces.append((join, marked, span.cut(start, len(span.text))))
    if len(pieces) > 1 and pieces[1][1]:
        pieces[0] = (pieces[0][0], True, pieces[0][2])
    return pieces


def _may_cut(left: TextSpan, right: str, joint: Joint, *, asking: bool) -> bool:
    """Whether the words on both sides of a joint are complete clauses."""
    following = words(right)
    if not left or not following:
        return False
    if joint.is_semicolon:
        return True
    begins_if = is_conditional(left.text) or is_conditional(left.text.rpartition(",")[2])
    if begins_if or not (asking or joint.join != "and" or starts_own(right)):
        return False
    if joint.join == "then":
        return words(left.text)[-1:] != [] and words(left.text)[-1] not in _NO_SEQUENCE_AFTER
    if joint.join != "and" or is_prohibition(right):
        return True
    return has_object(left.text) and starts_clause(right)


def _without_conjunction(span: TextSpan) -> TextSpan:
    match = re.search(r"(?:,|\s(?:and|but|or|then))\s*$", span.mask, re.IGNORECASE)
    return span.cut(0, match.start()) if match and match.start() else span


def _bare_verbs(clause: SentenceClause) -> list[SentenceClause]:
    """Cut "lint, test and build", which has no object that the verbs could share."""
    bare = strip_polite(clause.span.text)
    verbs = words(bare)
    if not only_verbs(bare) or len(verbs) == 1:
        return []
    parts = [mask(verb) for verb in verbs if verb not in {"and", "or"}]
    return [SentenceClause(part, clause.join if part is parts[0] else "and", marked=clause.marked) for part in parts]


def _restore_verb(clause: SentenceClause, before: list[SentenceClause]) -> list[SentenceClause]:
    """Add to "then the frontend and the docs" the verb of the clause before it: "build the backend"."""
    first = words(clause.span.text)[:1]
    if not before or not clause.marked or not first or not starts_noun_phrase(first[0]) or clause.condition:
        return []
    verb = words(strip_polite(before[-1].span.text))[:1]
    if not verb or not is_verb(verb[0]) or re.search(r"\b(?:is|are|has|have|will|should|must|can)\b", clause.span.mask):
        return []
    things = re.split(r"\s*,\s*(?:and\s+)?(?=(?:the|a|an)\b)|\s+and\s+(?=(?:the|a|an)\b)", clause.span.text)
    parts = [mask(f"{verb[0]} {thing}") for thing in things]
    return [SentenceClause(part, clause.join if part is parts[0] else "and", marked=True) for part in parts]


def _trailing(clause: SentenceClause) -> list[SentenceClause]:
    """Split "Y before X-ing" and "Y after X-ing" where X is a separate step."""
    event = trailing_event(clause.span) if clause.asks else None
    if event is None or not has_object(event.main.text):
        return [clause]
    step = event_step(event.event, event.word, fronted=False)
    if step is None:
        follows = event.word in {"after", "once", "as soon as"}
        return [replace(clause, condition=event.event.text) if follows else clause]
    return _around(clause, event, step)


def _around(clause: SentenceClause, event: Event, step: TextSpan) -> list[SentenceClause]:
    """Put a main clause and the step of its event in order."""
    main = SentenceClause(event.main, clause.join, marked=True)
    if event.word == "while":
        return [main, SentenceClause(step, "parallel", marked=True)]
    if event.word in {"before", "when"}:
        return [main, SentenceClause(step, "then" if event.word == "before" else "and", marked=True)]
    return [SentenceClause(step, clause.join, condition=event.event.text, marked=True), replace(main, join="then")]


def _with_prohibitions(found: list[SentenceClause]) -> list[SentenceClause]:
    """Leave what must not be done with the step that it restrains."""
    kept: list[SentenceClause] = []
    for clause in found:
        if kept and is_prohibition(clause.span.text):
            last = kept[-1]
            text = f"{last.span.text}, {clause.span.text}"
            kept[-1] = replace(last, span=mask(text))
        else:
            kept.append(clause)
    return kept
