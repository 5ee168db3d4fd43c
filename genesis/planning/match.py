"""Match a request to a playbook.

A phrase such as "audit the repository" counts only where the request's command is: its verb must lead the clause, or a
verb without meaning of its own ("do", "run", "give me"), or the clause is a bare noun phrase ("Code audit of ./api").
Questions, prohibitions and statements mean no playbook, and no single word does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from genesis.planning.intent import is_prohibition, without_wish
from genesis.planning.playbook import Playbook
from genesis.planning.sentences import mask
from genesis.planning.words import (
    LIGHT_VERBS,
    STOP_WORDS,
    content_stems,
    is_verb,
    same_word,
    stem,
    strip_polite,
    word_set,
    words,
)

__all__ = ["PlaybookMatch", "best_playbook", "covers", "is_exact"]

_EXAMPLE_LIKENESS = 0.8
"""Similarity to an example at which a playbook matches (difflib's ratio)."""
_MODIFIERS = 3
"""Maximum number of unknown words before the phrase in a noun phrase: "a full, thorough security audit"."""
_GAP = 3
"""Maximum number of other words between two words of a phrase: "audit the old Python billing repository"."""
_UNSAID = 2
"""Maximum number of further content words in an exact match: "audit the small billing repository"."""
_SUBJECTS = word_set(
    """
    i we you he she they it there this that these those who what which
    """
)
_FINITE = word_set(
    """
    is are was were has had have does did will should would must can could may might failed fails says said
    """
)
_QUESTION_WORDS = word_set(
    """
    what who whom whose which when where why how is are was were do does did has have should shall may can could
    would was wer wie wo warum wann welche ist sind qu'est quoi qui comment pourquoi quand où est que qué quién
    cómo cuándo por
    """
)
_NEGATIONS = frozenset({"no", "not", "never", "don't", "without"})
_TURNS = word_set("not no never without rid of")
"""Words before a phrase that make it something else: "get rid of the audit", "a summary of the audit"."""
_INNER = frozenset({"on", "for"})
"""Prepositions that may stand within a phrase: "an audit on the repository"."""
_NEUTRAL = word_set(
    """
    everything anything something finding findings result results outcome problem problems issue issues repository
    repo code codebase project sources product topic above detail detailed details short brief final full complete
    markdown file document report well too properly there here me us now them page pages
    """
)
"""Words that add no wish of their own to a phrase: "write a short report of all findings"."""
_BREAKS = word_set(
    """
    using with from via through by about for per against because without than like so that which who whose instead
    after before if while unless until on into
    """
)


@dataclass(frozen=True, slots=True)
class PlaybookMatch:
    """A playbook that a text means."""

    playbook: Playbook
    score: float
    reason: str
    """What in the playbook matched, for the reader."""


@dataclass(frozen=True, slots=True)
class _Clause:
    """A clause, tokenized for the matcher."""

    bare: str
    tokens: tuple[str, ...]
    stems: tuple[str, ...]
    breaks: tuple[bool, ...]
    """For each token whether it, or punctuation before it, ends the reach of a phrase."""


def best_playbook(text: str, playbooks: Iterable[Playbook]) -> PlaybookMatch | None:
    """Find the playbook that a clause means: the most words matched, and the first one among equals.

    Args:
        text: A clause or a whole request.
        playbooks: In the order in which they are tried, the team's first.
    """
    clause = _clause(text)
    if not clause.tokens or _is_no_command(text, clause):
        return None
    best: PlaybookMatch | None = None
    for playbook in playbooks:
        hit = _hit(clause, playbook)
        if hit is not None and (best is None or hit.score > best.score):
            best = hit
    return best


def is_exact(playbook: Playbook, text: str, values: Iterable[str]) -> bool:
    """Whether a phrase or a pattern of a playbook, with the values taken from a text, covers nearly all of it.

    Args:
        playbook: The playbook that the text means.
        text: A clause or a whole request.
        values: Values of the playbook's parameters.
    """
    clause = _clause(text)
    said = {stem(word) for value in values if len(value) < len(text.strip()) for word in words(value)}
    known = STOP_WORDS | _NEUTRAL | LIGHT_VERBS | _QUESTION_WORDS | _SUBJECTS
    rest = [
        i for i, word in enumerate(clause.tokens) if not (word in known or word.isdigit() or clause.stems[i] in said)
    ]
    matched = [_places(clause, _get_phrase_stems(phrase)) for phrase in playbook.match.phrases]
    reached = [set(places) for places in matched if places and _leads(clause, places)]
    for pattern in playbook.match.patterns:
        if found := re.search(pattern, clause.bare, re.IGNORECASE):
            stems = {stem(word) for word in words(found[0])}
            reached.append({i for i, have in enumerate(clause.stems) if have in stems})
    return any(len([i for i in rest if i not in places]) <= _UNSAID for places in reached)


def covers(playbook: Playbook, text: str) -> bool:
    """Whether a playbook already covers a further wish.

    "Write a report" is covered by an audit; "write a report about pricing" says more than that and is not.
    """
    clause = _clause(text)
    return bool(clause.tokens) and any(_contains_only(clause, phrase) for phrase in playbook.match.covers)


def _contains_only(clause: _Clause, phrase: str) -> bool:
    places = _places(clause, _get_phrase_stems(phrase))
    if not places or not _leads(clause, places):
        return False
    neutral = STOP_WORDS | _NEUTRAL
    rest = [i for i, word in enumerate(clause.tokens) if i not in places and word not in neutral and not word.isdigit()]
    return len(rest) <= 1 and all(i < max(places) for i in rest)


@lru_cache(maxsize=4096)
def _get_phrase_stems(phrase: str) -> tuple[str, ...]:
    """Return the stems that a phrase asks for."""
    return tuple(content_stems(phrase)) or tuple(stem(word) for word in words(phrase))


def _clause(text: str) -> _Clause:
    bare = strip_polite(without_wish(strip_polite(text.strip())))
    masked = mask(bare)
    tokens: list[str] = []
    breaks: list[bool] = []
    end = 0
    for match in re.finditer(r"[^\W_\ue000]+(?:['\u2019][^\W_]+)?", masked.mask):
        word = match[0].lower()
        tokens.append(word)
        breaks.append(word in _BREAKS or bool(re.search(r"[;:.!?()]", masked.mask[end : match.start()])))
        end = match.end()
    return _Clause(bare, tuple(tokens), tuple(stem(token) for token in tokens), tuple(breaks))


def _is_no_command(text: str, clause: _Clause) -> bool:
    """Whether a clause is a prohibition, a question or a statement, and so no command."""
    first = clause.tokens[0]
    if is_prohibition(text) or first in _SUBJECTS:
        return True
    polite = clause.bare != text.strip()
    asks = text.rstrip().endswith("?") and not polite and not is_verb(first)
    if first == "do":
        return asks or clause.tokens[1:2] == () or clause.tokens[1] in _SUBJECTS
    return asks or first in _QUESTION_WORDS


def _hit(clause: _Clause, playbook: Playbook) -> PlaybookMatch | None:
    best: tuple[float, str] = (0.0, "")
    for phrase in playbook.match.phrases:
        best = max(best, (_phrase_score(clause, phrase), f"it means {phrase!r}"), key=lambda each: each[0])
    for pattern in playbook.match.patterns:
        if found := re.search(pattern, clause.bare, re.IGNORECASE):
            best = max(best, (2.0 + (found.start() == 0) / 4, f"it says {found[0]!r}"), key=lambda each: each[0])
    for example in playbook.match.examples:
        likeness = _likeness(clause, example)
        if likeness >= _EXAMPLE_LIKENESS:
            best = max(best, (2.0 * likeness, f"it is like {example!r}"), key=lambda each: each[0])
    return PlaybookMatch(playbook, best[0], best[1]) if best[0] else None


def _phrase_score(clause: _Clause, phrase: str) -> float:
    """Return the number of content words of a phrase that lead a clause; 0 when one is missing or elsewhere."""
    wanted = _get_phrase_stems(phrase)
    places = _places(clause, wanted)
    if not places or not _leads(clause, places):
        return 0.0
    exact = sum(clause.stems[place] == need for place, need in zip(places, wanted, strict=True))
    return len(wanted) + exact / (10 * len(wanted)) - min(places) / 100


def _places(clause: _Clause, wanted: Sequence[str]) -> list[int]:
    """Find the words of a phrase, in any order but near each other; empty when one is missing."""
    places: list[int] = []
    for need in wanted:
        free = [i for i, have in enumerate(clause.stems) if i not in places and same_word(have, need)]
        if not free:
            return []
        anchor = places[-1] if places else 0
        places.append(min(free, key=lambda i: (abs(i - anchor), i)))
    first, last = min(places), max(places)
    inside = range(first + 1, last + 1)
    others = [i for i in inside if i not in places and clause.tokens[i] not in STOP_WORDS]
    if len(others) > _GAP or any(clause.breaks[i] and clause.tokens[i] not in _INNER for i in inside):
        return []
    return places


def _leads(clause: _Clause, places: Sequence[int]) -> bool:
    """Whether a phrase is what the clause commands."""
    first, last = min(places), max(places)
    before = clause.tokens[:first]
    if any(clause.breaks[i] for i in range(first)) or any(token in _FINITE for token in clause.tokens[:last]):
        return False
    if last + 1 < len(clause.tokens) and clause.tokens[last + 1] in _FINITE:
        return False
    heads = _heads(clause)
    if any(place in heads for place in places):
        return True
    if not heads and any(token in _FINITE for token in clause.tokens):
        return False
    if heads and not any(clause.tokens[head] in LIGHT_VERBS for head in heads):
        return False
    unknown = [word for i, word in enumerate(before) if i not in heads and word not in STOP_WORDS]
    return len(unknown) <= _MODIFIERS and not any(word in _TURNS for word in before)


def _heads(clause: _Clause) -> list[int]:
    """Return the verbs that lead a clause: the first word, and others that "and" or a comma joins to it."""
    heads: list[int] = []
    for index, token in enumerate(clause.tokens):
        if is_verb(token):
            heads.append(index)
        elif not (heads and token in {"and", "or", "then"}):
            break
    return heads


def _likeness(clause: _Clause, example: str) -> float:
    """Return the Dice coefficient of the content words of two texts that begin alike."""
    start = words(strip_polite(example))[:1]
    if not start or not same_word(clause.stems[0], stem(start[0])) or _NEGATIONS & set(clause.tokens):
        return 0.0
    left, right = set(content_stems(clause.bare)), set(content_stems(example))
    return 2 * len(left & right) / (len(left) + len(right)) if left and right else 0.0
