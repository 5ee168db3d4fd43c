"""Cut a sentence into the clauses that ask for something, and read the order that its joining words imply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from genesis.planning.sentences import Span, mask
from genesis.planning.words import (
    LIGHT_VERBS,
    SOFT_VERBS,
    base_verb,
    is_noun_too,
    is_verb,
    starts_noun_phrase,
    strip_polite,
    words,
)

__all__ = ["Clause", "Join", "clauses", "is_command", "is_introduction", "is_prohibition", "leading_join", "restrains"]

Join = Literal["start", "and", "then", "finally", "parallel"]
"""How a clause joins what came before.

`start`: the first step; `and`: beside the clause before it; `then`: after the clauses before it; `finally`: after
everything so far; `parallel`: explicitly at the same time.
"""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence."""

    span: Span
    join: Join = "and"
    asks: bool = True
    """Whether it asks for something, as opposed to telling about the situation."""
    condition: str = ""
    """What has to be so before ("the tests pass"); a step that this refers to comes first. Where nothing has to be done
    for it, `asks` is false and what follows depends on it."""
    marked: bool = False
    """Whether a word said how it joins."""


_DONE = r"(?:done|finished|complete[d]?|ready|in\ place|over|through)"
_THAT = r"(?:that|this|it|these|those|they)(?:['’]s|['’]re|\ is|\ are|\ has\ been|\ have\ been|\ was|\ were)?"
_ALL = r"(?:everything|all(?:\ of\ (?:it|that|this|them|the\ above))?|the\ above|all\ (?:the\ )?(?:steps|tasks))"
_BE = r"(?:['’]s|\ is|\ are|\ has\ been|\ have\ been|\ was|\ were)?"

_LEADING: tuple[tuple[Join, re.Pattern[str]], ...] = tuple(
    (join, re.compile(rf"(?:and\s+|but\s+|so\s+)?(?:{pattern})(?=[\s,:;]|$)[\s,:;]*", re.IGNORECASE | re.VERBOSE))
    for join, pattern in (
        (
            "finally",
            rf"""finally | lastly | last\ but\ not\ least | last\ of\ all | last(?=,) | in\ the\ end | at\ the\ (?:very\ )?end(?!\ of)
            | to\ (?:finish|conclude)(?:\ (?:up|off))?(?=,) | as\ (?:a|the)\ (?:last|final)\ step | the\ (?:last|final)\ step\ is\ to
            | (?:once|when|after|as\ soon\ as)\ {_ALL}{_BE}(?:\ {_DONE})? (?=,)""",
        ),
        (
            "then",
            rf"""then | next(?=[\s,]) | after\ ?wards? | subsequently | thereafter | later(?:\ on)? | from\ there
            | after\ (?:that|this|which|doing\ (?:so|that|this)|it) | following\ (?:that|this) | as\ a\ next\ step
            | second(?:ly)?(?=,) | secondly | third(?:ly)?(?=,) | thirdly | fourth(?:ly)?(?=,) | fifth(?:ly)?(?=,)
            | (?:once|when|after|as\ soon\ as)\ {_THAT}(?:\ (?:all\ )?{_DONE})?(?=,)
            | (?:once|when)\ (?:you['’]re\ |you\ are\ )?{_DONE} | (?:based|building)\ on\ (?:that|this|it|the\ results?)
            | with\ (?:that|this|the\ results?)(?=,)""",
        ),
        (
            "parallel",
            r"""meanwhile | in\ the\ meantime | in\ parallel(?:\ (?:to|with)\ (?:that|this|it))? | at\ the\ same\ time
            | simultaneously | concurrently | while\ (?:you\ are\ at\ it|doing\ (?:so|that)|that\ (?:runs|happens)) | independently""",
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
    | (?P<parallel>\s*,?\s+(?:and\s+)?(?:meanwhile|in\ the\ meantime|in\ parallel|at\ the\ same\ time|simultaneously)\b,?\s+(?=\w))
    | (?P<also>\s*,?\s+(?:and|but|as\ well\ as|plus)\s+(?:also\s+|additionally\s+|in\ addition,?\s+|please\s+)*
        | \s*,\s*(?:also\s+|plus\s+)?(?=\w))
    """,
    re.VERBOSE | re.IGNORECASE,
)

_FRONTED = re.compile(
    r"^(?P<word>once|after|when|as soon as|before|while|upon)\s+(?P<event>[^,]+(?:,(?=[^,]*,)[^,]*)??),\s*(?:then\s+)?(?P<main>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_TRAILING = re.compile(
    r"^(?P<main>.+?\S),?\s+(?P<word>before|after|once|as soon as|while|when)\s+(?P<event>\S.*)$", re.IGNORECASE | re.DOTALL
)
_AND_EVENT = re.compile(r",?\s+and\s+(?=(?:after|once|before|when|as soon as)\s[^,]+,\s)", re.IGNORECASE)
_PASSIVE = re.compile(
    r"^(?P<subject>.+?)\s+(?:is|are|has been|have been|was|were|gets?|got)\s+(?:fully\s+|successfully\s+)?(?P<verb>\w+)$",
    re.IGNORECASE,
)
_ACTIVE = re.compile(r"^(?:you|we)(?:\s+have|['’]ve|\s+had)?\s+(?P<verb>\w+)\s+(?P<object>\S.*)$", re.IGNORECASE)
_DETACHED = re.compile(r"^(?:if|unless|whenever|in case|should|assuming|provided|given)\b", re.IGNORECASE)
_PROHIBITION = re.compile(
    r"^(?:do\s+not|don['’]?t|never|avoid|refrain|no\s+need|without|leave\s+out"
    r"|(?:you|i|we)\s+(?:do\s+not|don['’]?t|must\s+not|should\s+not|shouldn['’]t|mustn['’]t)|not)\b",
    re.IGNORECASE,
)
_WANT = re.compile(
    r"^(?:i|we)(?:\s+(?:also|would|just|really|then|still))*['’]?(?:d|m|re)?\s+(?:also\s+|would\s+)?"
    r"(?:need|want|like|love|require|request|looking\s+for|interested\s+in|curious\s+about)\b",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"^(?:i|we)(?:['’](?:m|re)|\s+am|\s+are)?\s+(?:also\s+|really\s+)?(?:(?:need|want|require|would\s+like)\s+(?:your\s+|some\s+)?"
    r"(?:help|assistance|advice|support|guidance|ideas)|interested\s+in|looking\s+(?:for|to)|planning|organi[sz]ing|working\s+on"
    r"|having|writing|developing|building|a|an)\b",
    re.IGNORECASE,
)
_TELLS = re.compile(
    r"^(?:it|there|they|he|she|this|that|these|those|you|we|i|(?:the|a|an|my|our|its|his|her|their)\b[^,;]*?)\s*(?:['’]s|['’]re|\b(?:is|are"
    r"|was|were|has|have|had|does|did|will|should|must|can|cannot|contains?|includes?|needs?|features?|shows?))\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^(?:what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|has|have|should|shall|can|could|may)\b",
    re.IGNORECASE,
)


def is_prohibition(text: str) -> bool:
    """Whether a clause says what not to do."""
    return _PROHIBITION.match(strip_polite(text)) is not None


def is_introduction(text: str) -> bool:
    """Whether a sentence only says what the request will be about: "I need your help with …", "I'm planning …"."""
    return _INTRODUCTION.match(text.strip()) is not None


def restrains(text: str) -> bool:
    """Whether a clause restrains other work rather than asks for some: "ensure that …", "use the blue one"."""
    bare = strip_polite(text)
    first = words(bare)[:1]
    return bool(first) and first[0] in SOFT_VERBS and not re.search(r"\bto\s+\w", bare)


def is_command(text: str) -> bool:
    """Whether a clause, without its polite wrapping, begins with a verb or says what is wanted."""
    bare = strip_polite(text)
    first = words(bare)[:1]
    return bool(first) and (is_verb(first[0]) or _WANT.match(text.strip()) is not None)


def leading_join(span: Span) -> tuple[Join | None, Span]:
    """Take the joining word off the beginning ("Finally, …"), politeness around it included."""
    bare = strip_polite(span.text)
    rest = span.cut(len(span.text) - len(bare), len(span.text))
    for join, pattern in _LEADING:
        match = pattern.match(rest.text)
        if match and (kept := rest.cut(match.end(), len(rest.text))):
            return join, kept
    return None, span


def clauses(sentence: Span) -> list[Clause]:
    """Cut one sentence into clauses, in the order in which they are to be done.

    A text that is cut gives clauses whose words are the sentence's own; nothing is cut inside what `mask` protects.
    """
    span = _without_final_mark(sentence)
    join, rest = leading_join(span)
    if is_prohibition(rest.text):
        return [Clause(rest, join or "and", asks=False, marked=join is not None)]
    if _DETACHED.match(strip_polite(rest.text)):
        return [_conditional_sentence(rest, join)]
    found = _fronted(rest) or _coordinated(rest)
    if join is not None:
        first = found[0]
        asks = first.asks or (join != "and" and not first.condition and _asks(first.span.text, marked=True))
        found[0] = Clause(first.span, join, asks=asks, condition=first.condition, marked=True)
    return found


def _conditional_sentence(span: Span, join: Join | None) -> Clause:
    """Keep "if X, Y" whole: what is done depends on X, which an earlier step may find out."""
    condition, comma, main = span.mask.partition(",")
    asks = _asks(span.text[len(span.text) - len(main) :]) if comma else False
    return Clause(span, join or "and", asks=asks, condition=span.text[: len(condition)], marked=join is not None)


def _without_final_mark(span: Span) -> Span:
    end = len(span.mask.rstrip(" .!?…。！？;,"))
    return span.cut(0, end) if end else span


def _fronted(span: Span) -> list[Clause]:
    """Read "once X, Y", "after X, Y", "before X, Y"."""
    bare = strip_polite(span.text)
    rest = span.cut(len(span.text) - len(bare), len(span.text))
    match = _FRONTED.match(rest.mask)
    if match is None:
        return []
    event = rest.cut(match.start("event"), match.end("event"))
    main = _coordinated(rest.cut(match.start("main"), match.end("main")))
    if not any(clause.asks for clause in main):
        return []
    return _with_event(match["word"].lower(), rest.cut(0, match.end("event")), event, main)


def _with_event(word: str, lead: Span, event: Span, main: list[Clause]) -> list[Clause]:
    """Put the clause of a subordinate event into its place among the main clauses."""
    step = _event_step(event, word)
    if word == "while":
        return [Clause(step), _joined(main[0], "parallel"), *main[1:]] if step else []
    if word == "before":
        return [*main, Clause(step, "then", marked=True)] if step else []
    conditional = Clause(step or lead, asks=step is not None, condition=event.text, marked=True)
    return [conditional, _joined(main[0], "then"), *main[1:]]


def _joined(clause: Clause, join: Join) -> Clause:
    return Clause(clause.span, join, asks=clause.asks, condition=clause.condition, marked=True)


def _event_step(event: Span, word: str, *, fronted: bool = True) -> Span | None:
    """Turn an event into the step that brings it about: "testing it", "the API is built", "you have built it".

    Only a fronted one ("once the API is built, …") tells of a step in a whole sentence; behind the main clause it is
    what somebody else does.
    """
    tokens = words(event.text)
    if not tokens:
        return None
    if tokens[0].endswith("ing"):
        verb = base_verb(tokens[0])
        return mask(verb + event.text[len(tokens[0]) :]) if verb and verb not in LIGHT_VERBS else None
    if not fronted:
        return None
    if match := _PASSIVE.match(event.mask):
        subject = event.cut(match.start("subject"), match.end("subject"))
        verb = base_verb(match["verb"])
        if verb and not is_verb(match["verb"].lower()) or match["verb"].lower() in {"run", "set"}:
            return mask(f"{verb} {subject.text}")
    if (match := _ACTIVE.match(event.mask)) and (verb := base_verb(match["verb"])) and word != "when":
        return mask(f"{verb} {event.text[match.start('object') :]}")
    return None


def _coordinated(span: Span) -> list[Clause]:
    """Cut at joining words where both sides can stand alone."""
    if event := _AND_EVENT.search(span.mask):
        left, right = span.cut(0, event.start()), span.cut(event.end(), len(span.text))
        if _has_object(left.text) and (after := _fronted(right)):
            return [*_coordinated(left), *after]
    asking = _asks(span.text)
    pieces: list[tuple[Join, bool, Span]] = []
    start, join, marked = 0, "and", False
    for match in _SPLIT.finditer(span.mask):
        kind: Join = _kind(match)
        left = _without_conjunction(span.cut(start, match.start()))
        right = span.text[match.end() :]
        strong = match["semi"] is not None
        if not left or not _may_split(left, right, kind, strong=strong) or not (asking or strong or _is_own(right, kind)):
            continue
        pieces.append((join, marked, left))
        start, join, marked = match.end(), kind, kind != "and" or match["semi"] is not None
    pieces.append((join, marked, span.cut(start, len(span.text))))
    if len(pieces) > 1 and pieces[1][1]:
        pieces[0] = (pieces[0][0], True, pieces[0][2])
    found: list[Clause] = []
    for join, marked, piece in pieces:
        own, rest = leading_join(piece) if marked or not found else (None, piece)
        if join in {"then", "finally"} and own in {"parallel", "and"}:
            own = join
        ordered = (own or join) != "and" or (marked and own is None)
        clause = Clause(rest, own or join, asks=_asks(rest.text, marked=ordered), marked=marked or own is not None)
        found += _bare_verbs(clause) or _elided(clause, found) or _trailing(clause)
    return _with_prohibitions(found)


def _bare_verbs(clause: Clause) -> list[Clause]:
    """Cut "lint, test and build", which has no object that the verbs could share."""
    bare = strip_polite(clause.span.text)
    verbs = words(bare)
    if not _only_verbs(bare) or len(verbs) < 3:
        return []
    parts = [mask(verb) for verb in verbs if verb not in {"and", "or"}]
    return [Clause(part, clause.join if part is parts[0] else "and", marked=clause.marked) for part in parts]


def _elided(clause: Clause, before: list[Clause]) -> list[Clause]:
    """Give "then the frontend and the docs" the verb of the clause before it: "build the backend"."""
    first = words(clause.span.text)[:1]
    if not before or not clause.marked or not first or not starts_noun_phrase(first[0]) or clause.condition:
        return []
    verb = words(strip_polite(before[-1].span.text))[:1]
    if not verb or not is_verb(verb[0]) or re.search(r"\b(?:is|are|has|have|will|should|must|can)\b", clause.span.mask):
        return []
    things = re.split(r"\s*,\s*(?:and\s+)?(?=(?:the|a|an)\b)|\s+and\s+(?=(?:the|a|an)\b)", clause.span.text)
    joins: list[Join] = [clause.join, *(["and"] * (len(things) - 1))]
    return [Clause(mask(f"{verb[0]} {thing}"), join, marked=True) for join, thing in zip(joins, things, strict=True)]


def _is_own(right: str, kind: Join) -> bool:
    """Whether words that follow a statement ask for something by themselves, and do not go on telling."""
    return kind != "and" or _WANT.match(right) is not None or strip_polite(right) != right


def _without_conjunction(span: Span) -> Span:
    match = re.search(r"(?:,|\s(?:and|but|or|then))\s*$", span.mask, re.IGNORECASE)
    return span.cut(0, match.start()) if match and match.start() else span


def _kind(match: re.Match[str]) -> Join:
    for name, join in (("sequence", "then"), ("final", "finally"), ("parallel", "parallel")):
        if match[name] is not None:
            return join  # type: ignore[return-value]  # the table holds literals only
    return "and"


def _may_split(left: Span, right: str, kind: Join, *, strong: bool) -> bool:
    """Whether the words on both sides are clauses of their own."""
    if _DETACHED.match(strip_polite(left.text)) and not strong:
        return False
    following = words(right)
    if not following:
        return False
    if strong or kind in {"finally", "parallel"}:
        return True
    if kind == "then":
        return words(left.text)[-1:] not in [["now"], ["every"], ["since"], ["until"], ["by"], ["back"]]
    if is_prohibition(right):
        return True
    return _has_object(left.text) and _starts_clause(right)


def _has_object(text: str) -> bool:
    """Whether a clause has more than verbs, so that "find and compare prices" stays one step."""
    bare = strip_polite(text)
    return len(words(bare)) > 1 and not _only_verbs(bare)


def _only_verbs(text: str) -> bool:
    """Whether a text is verbs joined by commas or "and", without an object: "lint, test and build"."""
    return all(is_verb(word) for word in re.split(r"\s*,\s*(?:and\s+)?|\s+(?:and|or)\s+", text.strip().lower()))


def _starts_clause(text: str) -> bool:
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
        or words(word)[0] in {"it", "them", "me", "us", "him", "for", "on", "if", "whether", "how", "to", "some", "both", "through"}
    )


def _asks(text: str, *, marked: bool = False) -> bool:
    """Whether a clause asks for something. After "then" and the like, all does that does not tell of a situation."""
    bare = strip_polite(text)
    if is_prohibition(text):
        return False
    return is_command(text) or _QUESTION.match(bare) is not None or (marked and _TELLS.match(bare) is None)


def _trailing(clause: Clause) -> list[Clause]:
    """Read "Y before X-ing" and "Y after X-ing" where X is a step of its own."""
    match = _TRAILING.match(clause.span.mask)
    if match is None:
        return [clause]
    word = match["word"].lower()
    event = clause.span.cut(match.start("event"), match.end("event"))
    main = clause.span.cut(match.start("main"), match.end("main"))
    step = _event_step(event, word, fronted=False)
    if not clause.asks or not _has_object(main.text):
        return [clause]
    if step is None:
        return [clause] if word in {"while", "when", "before"} else [_conditional(clause, event)]
    if word == "while":
        return [Clause(main, clause.join, marked=True), Clause(step, "parallel", marked=True)]
    if word == "before":
        return [Clause(main, clause.join, marked=True), Clause(step, "then", marked=True)]
    return [Clause(step, clause.join, condition=event.text, marked=True), Clause(main, "then", marked=True)]


def _conditional(clause: Clause, event: Span) -> Clause:
    return Clause(clause.span, clause.join, asks=clause.asks, condition=event.text, marked=clause.marked)


def _with_prohibitions(found: list[Clause]) -> list[Clause]:
    """Leave what must not be done with the step that it restrains."""
    kept: list[Clause] = []
    for clause in found:
        if kept and is_prohibition(clause.span.text):
            last = kept[-1]
            text = f"{last.span.text}, {clause.span.text}"
            kept[-1] = Clause(mask(text), last.join, last.asks, last.condition, last.marked)
        else:
            kept.append(clause)
    return kept
