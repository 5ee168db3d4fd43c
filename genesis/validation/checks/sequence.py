"""Steps of one thing in the wrong order: it is published before it is written, analysed before it is collected.

Verbs are placed on a few usual sequences of work. Two leaves are compared only when they are on one sequence and about
one thing, that is, the object of one is contained in the other's. Candidates are found through their rarest words, and
words that many leaves share are left out, so the check stays near-linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts
from genesis.validation.phases import Phases
from genesis.validation.words import WordAnalyzer

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
_LAST = 3
"""The stage of release and deployment."""
_COMMON = 8
"""Maximum number of leaves that share a word before it is ignored."""


class _Step(NamedTuple):
    leaf: int
    sequence: int
    stage: int
    about: frozenset[str]


@check(
    "GEN-ORDER-STEPS",
    "warning",
    finds="steps of one thing in the wrong order, such as publishing what is written later",
    remedy="reverse the dependency, or describe how the two differ",
)
def steps_inverted(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find leaves that come after a leaf which needs what they make."""
    steps = _steps(facts)
    pairs = [(early, late) for early, late in _candidates(steps) if not _on_trial(facts, early, late)]
    if not pairs:
        return
    forth = facts.find_ordered([(2 * early.leaf, 2 * late.leaf) for early, late in pairs])
    back = facts.find_ordered([(2 * late.leaf, 2 * early.leaf) for early, late in pairs])
    fine = {(late.leaf, early.stage) for early, late in pairs if (2 * late.leaf, 2 * early.leaf) not in back}
    fine |= {(late.leaf, early.stage) for early, late in pairs if (2 * early.leaf, 2 * late.leaf) in forth}
    seen: set[int] = set()
    for early, late in pairs:
        if (late.leaf, early.stage) in fine or late.leaf in seen:
            continue
        seen.add(late.leaf)
        own, other = facts.path(late.leaf), facts.path(early.leaf)
        message = f"task {own!r} comes before {other!r}, which looks like an earlier step of the same work"
        shared = sorted(early.about & late.about)
        yield CheckFinding(late.leaf, message, evidence={"task": own, "earlier_step": other, "about": [*shared]})


def _on_trial(facts: PlanFacts, early: _Step, late: _Step) -> bool:
    """Whether something is put where it is tried, or tried where it was put; that order is meant."""
    nodes = facts.outline.nodes
    tried = late.stage == _LAST and Phases.is_trial(nodes[late.leaf].task.description)
    return tried or Phases.is_aftercare(nodes[early.leaf].task.description)


def _steps(facts: PlanFacts) -> list[_Step]:
    """Place the leaves on the sequences by their first word."""
    places = _places(facts.vocabulary)
    words = facts.words
    placed = [
        (leaf, places[words[leaf][0]]) for leaf in facts.outline.leaves if words[leaf] and words[leaf][0] in places
    ]
    stages: dict[int, set[int]] = {}
    for _, spots in placed:
        for sequence, stage in spots:
            stages.setdefault(sequence, set()).add(stage)
    found: list[_Step] = []
    for leaf, spots in placed:
        about = frozenset(words[leaf][1:])
        found += [_Step(leaf, *spot, about) for spot in spots if about and len(stages[spot[0]]) > 1]
    return found


def _places(vocabulary: WordAnalyzer) -> dict[str, list[tuple[int, int]]]:
    places: dict[str, list[tuple[int, int]]] = {}
    for sequence, stages in enumerate(_SEQUENCES):
        for stage, verbs in enumerate(stages):
            for stem in vocabulary.stems(verbs):
                places.setdefault(stem, []).append((sequence, stage))
    return places


def _candidates(steps: list[_Step]) -> list[tuple[_Step, _Step]]:
    """Return pairs about one thing, the step that belongs earlier first, in document order of the later one."""
    index: dict[tuple[int, str], list[_Step]] = {}
    for step in steps:
        for word in step.about:
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
    return first.about <= second.about or second.about <= first.about
