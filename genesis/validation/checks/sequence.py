"""Steps of one thing in the wrong order: it is published before it is written, analysed before it is collected.

Verbs are placed on a few usual sequences of work. Two leaves are compared only when they are on one sequence and about
one thing, that is, the object of one is contained in the other's. Candidates are found through their rarest words, and
words that many leaves share are left out, so the check stays near-linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genesis.validation.check import Finding, check
from genesis.validation.facts import Facts
from genesis.validation.words import Vocabulary

__all__ = ["steps_inverted"]

_SEQUENCES = (
    (
        "outline",
        "draft write compose author",
        "edit proofread revise polish copyedit",
        "publish send submit post print distribute announce",
    ),
    (
        "collect gather download scrape obtain acquire",
        "clean preprocess normalise normalize deduplicate label annotate",
        "analyse cluster model train",
        "visualise visualize summarise summarize present report",
    ),
    ("design specify prototype", "implement build develop code", "test benchmark", "deploy release ship launch"),
    ("train fit", "evaluate validate"),
    ("buy purchase order", "assemble install mount"),
    ("book reserve", "confirm", "attend"),
)
_COMMON = 12
"""Leaves that may share a word before it tells nothing any more."""


@dataclass(frozen=True, slots=True)
class _Step:
    leaf: int
    sequence: int
    stage: int
    object: frozenset[str]


@check(
    "GEN-ORDER-STEPS",
    "warning",
    finds="steps of one thing in the wrong order, such as publishing what is written later",
    remedy="turn the dependency round, or say in the descriptions how the two differ",
)
def steps_inverted(facts: Facts) -> Iterator[Finding]:
    """Find leaves that come after a leaf which needs what they make."""
    steps = _steps(facts)
    pairs = _candidates(steps)
    if not pairs:
        return
    forth = facts.ordered([(2 * early.leaf, 2 * late.leaf) for early, late in pairs])
    back = facts.ordered([(2 * late.leaf, 2 * early.leaf) for early, late in pairs])
    fine = {(late.leaf, early.stage) for early, late in pairs if (2 * late.leaf, 2 * early.leaf) not in back}
    fine |= {(late.leaf, early.stage) for early, late in pairs if (2 * early.leaf, 2 * late.leaf) in forth}
    seen: set[int] = set()
    for early, late in pairs:
        if (late.leaf, early.stage) in fine or late.leaf in seen:
            continue
        seen.add(late.leaf)
        own, other = facts.path(late.leaf), facts.path(early.leaf)
        message = f"task {own!r} comes before {other!r}, which looks like an earlier step of the same work"
        shared = sorted(early.object & late.object)
        yield Finding(late.leaf, message, evidence={"task": own, "earlier_step": other, "about": [*shared]})


def _steps(facts: Facts) -> list[_Step]:
    """Place the leaves on the sequences by their first word."""
    places = _places(facts.vocabulary)
    found: list[_Step] = []
    for node in facts.leaves:
        words = facts.words[node.index]
        if len(words) > 1 and words[0] in places:
            about = frozenset(facts.vocabulary.folded(words[1:]))
            found += [_Step(node.index, sequence, stage, about) for sequence, stage in places[words[0]]]
    return found


def _places(vocabulary: Vocabulary) -> dict[str, list[tuple[int, int]]]:
    places: dict[str, list[tuple[int, int]]] = {}
    for sequence, stages in enumerate(_SEQUENCES):
        for stage, verbs in enumerate(stages):
            for stem in vocabulary.stems(verbs):
                places.setdefault(stem, []).append((sequence, stage))
    return places


def _candidates(steps: list[_Step]) -> list[tuple[_Step, _Step]]:
    """Give pairs about one thing, the step that belongs earlier first, in document order of the later one."""
    index: dict[tuple[int, str], list[_Step]] = {}
    for step in steps:
        for word in step.object:
            index.setdefault((step.sequence, word), []).append(step)
    found: dict[tuple[int, int], tuple[_Step, _Step]] = {}
    for group in index.values():
        if not 1 < len(group) <= _COMMON:
            continue
        for late in group:
            for early in group:
                if early.stage < late.stage and _one_thing(early, late):
                    found[late.leaf, early.leaf] = (early, late)
    return [found[key] for key in sorted(found)]


def _one_thing(first: _Step, second: _Step) -> bool:
    return first.object <= second.object or second.object <= first.object
