"""Whether the tasks cover everything that the request asks for.

The request is cut into sentences and clauses. Only a clause that starts with a verb of work (`deploy it`, `write the
docs`) asks for something, and with it the short items of the list that it opens (`with login, search and payments`);
stories, questions and details (`including …`) ask for nothing of their own. A clause is covered when at least a third
of its content words come up somewhere in the plan, folded by meaning (`codebase` is `repository`). That is lenient on
purpose: a plan may use other words, and the warning is for parts that it does not mention at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from genesis.model import Plan, Task
from genesis.structure import Outline, plan_values
from genesis.validation.words import WordAnalyzer, split_words

__all__ = ["RequestClause", "clauses"]

_SENTENCE = re.compile(r"[.!?](?:\s|$)|[;\n\r\u3002\uff01\uff1f]|\s[-\u2013\u2014|\u2022*]\s|(?<!\S)\d+[.)]\s")
_CLAUSE = re.compile(
    r"[,:]\s|\s&\s|\b(?:and then|and|then|plus|also|as well as|followed by|after that|afterwards|finally)\b",
    re.IGNORECASE,
)
_DETAIL = re.compile(
    r"[(\[\"\u201c\u00ab]"
    r"|\b(?:including|includes?|such as|like|e\.g\.|for example|namely|consisting|containing)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:so that|because|in order to|so (?:we|i|it|they|you) can|since|which|who|that (?:is|are))\b", re.IGNORECASE
)
_PARAMETER = re.compile(r"[\d/\\@_.:#~]")
_LEAD = split_words("""
    please can could would will you we i want need to like kindly help me us let lets must should shall first second
    third firstly secondly next then finally lastly also and just now it have get make sure that once done a so
""")
_ASIDE = split_words("""
    with as while if when for from to at by until their its his her being having using choosing where whose i we it he
    she they possibly after before once
""")
_WORK = """
    add advertise analyse announce archive arrange assemble assess audit automate back backup benchmark book build
    buy calculate check clean collect compare compile compute configure contact containerise containerize convert
    create debug deploy design develop document download draft edit email estimate evaluate explain export extract
    fix forecast format gather generate hire host identify implement import improve index inspect install
    instrument integrate interview investigate launch lint list load localise localize log market measure merge
    migrate model monitor negotiate notify onboard optimise optimize order organise organize outline package patch
    plan post prepare present price process produce profile promote propose prototype provision publish purchase
    record recommend refactor register release remove rename renew repair report research reserve retrieve review
    rewrite run scale scan schedule search secure sell send share ship simulate sketch submit summarise summarize
    support survey test track train transform translate update upgrade upload validate verify visualise visualize
    write
"""
_PLAIN = """
    a about above across after again against ago also although always am among another around ask available away
    back because been before being below best better between big both but can come could day deal did different do
    does done down during each easy either else end enough even ever every example few first follow from get give
    go going good great had has have help here high hope how however i if important include interest into just keep
    kind know large last later least less let like list little long look lot make many may maybe me mean might more
    most much must my near need never new next nice no not now number off often ok on once one only onto other
    otherwise out over own part people perhaps please possible put quick quickly rather ready really right run same
    see set several shall she short should show simple since small so some someone something soon start step still
    such sure take task tell than thank thanks them there they thing think through time today together tomorrow too
    try two type under until up upon us use using very via want way week well what when where whether which while
    who whole whose why will within without work would year yes yet you able according based create build write add
    develop implement produce generate provide find finish complete finally then hello hi dear kindly currently
    already anything everything everyone we month date day hour minute january february march april june july august
    september october november december monday tuesday wednesday thursday friday saturday sunday am pm result
    information detail details name id
"""
_QUALITY = """
    fast secure scalable robust modern clean reliable efficient responsive beautiful elegant maintainable safe
    solid cheap professional intuitive friendly lightweight concise clear brief short detailed thorough careful
    production-ready quick
"""
_MANNER = ("ly", "able", "ible", "ful")
_SHARE = 3
"""A clause is covered when at least one of this many words occurs in the plan."""
_LONGEST = 20_000
"""Maximum number of characters of a request that are checked; a longer one is an error anyway."""
_JOINT = re.compile(r"[_\-./{}]")
_ITEM = 3
"""Content words of a list's item; longer ones are sentences about something."""


@dataclass(frozen=True, slots=True)
class RequestClause:
    """One thing that a request asks for."""

    text: str
    words: tuple[str, ...]
    """Its content words, folded by meaning."""
    covered: bool
    """Whether the plan covers it."""


def clauses(
    plan: Plan, outline: Outline, words: Iterable[tuple[str, ...]], vocabulary: WordAnalyzer
) -> list[RequestClause]:
    """Find what a request asks for, clause by clause, and whether the plan covers it.

    Args:
        plan: The plan with its request.
        outline: The plan's outline.
        words: The content words of each task's description.
        vocabulary: What made these words.
    """
    asked = _find_asked_clauses(plan.request[:_LONGEST], vocabulary)
    wanted = {word for _, found in asked for word in found}
    if not wanted:
        return []
    spoken = _find_plan_words(plan, outline, words, wanted, vocabulary)
    return [
        RequestClause(text, found, _SHARE * sum(word in spoken for word in found) >= len(found))
        for text, found in asked
    ]


def _find_asked_clauses(request: str, vocabulary: WordAnalyzer) -> list[tuple[str, tuple[str, ...]]]:
    """Find the clauses that ask for work, with their content words; one without any is left out."""
    ignored = vocabulary.stems(_PLAIN) | vocabulary.stems(_QUALITY) | {"A"}
    work = vocabulary.stems(_WORK)
    found = []
    for sentence in _SENTENCE.split(request):
        asked = False
        for part in _CLAUSE.split(_REASON.split(sentence, maxsplit=1)[0]):
            clause, *detail = _DETAIL.split(part, maxsplit=1)
            acts = _starts_with(clause, work, vocabulary)
            words = _content(clause, ignored, vocabulary)
            if words and (acts or (asked and _is_item(clause, words))):
                found.append((" ".join(clause.split()), vocabulary.fold_words(words)))
            asked = asked or acts
            if detail:
                break
    return found


def _starts_with(clause: str, work: frozenset[str], vocabulary: WordAnalyzer) -> bool:
    """Whether the first word that is not a polite or ordering one is a verb of work."""
    for chunk in clause.split():
        word = chunk.casefold().strip("'.:,")
        if word not in _LEAD:
            return vocabulary.stem(word) in work
    return False


def _is_item(clause: str, words: tuple[str, ...]) -> bool:
    """Whether a clause is a short item of a list, and not an aside."""
    return len(words) <= _ITEM and clause.split(maxsplit=1)[0].casefold() not in _ASIDE


def _content(clause: str, ignored: frozenset[str], vocabulary: WordAnalyzer) -> tuple[str, ...]:
    """Return the content words of a clause without its parameters (paths, numbers) and qualities."""
    return tuple(
        stem
        for chunk in clause.split()
        if not _PARAMETER.search(chunk.strip(".:")) and not chunk.casefold().endswith(_MANNER)
        for stem in vocabulary.content(chunk)
        if stem not in ignored
    )


def _find_plan_words(
    plan: Plan, outline: Outline, words: Iterable[tuple[str, ...]], wanted: set[str], vocabulary: WordAnalyzer
) -> set[str]:
    """Return the words that the plan uses, folded: those of descriptions, and all others if one is still missing."""
    spoken: set[str] = set().union(*words)
    folded = spoken.union(vocabulary.fold_words(tuple(spoken)))
    if wanted <= folded:
        return folded
    values = [value for value in plan_values(plan).values() if isinstance(value, str)]
    for text in (*values, *(_rest(node.task) for node in outline.nodes)):
        spoken.update(vocabulary.content(text))
    return spoken.union(vocabulary.fold_words(tuple(spoken)))


def _rest(task: Task) -> str:
    """Return all words of a task besides its description."""
    texts = [task.id, task.type, *task.outputs, *task.requires, *task.labels.values(), *task.inputs]
    texts += [value for value in task.inputs.values() if isinstance(value, str)]
    return _JOINT.sub(" ", " ".join(texts))
