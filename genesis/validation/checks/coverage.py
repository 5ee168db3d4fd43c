"""Whether the tasks cover everything that the request asks for; `validation.request` parses the request."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts
from genesis.validation.words import split_words

__all__ = ["request_covered", "request_missed"]

_ENGLISH = split_words("a an the and or of to in on at for with is are be my our your this that please")
_FRAMES = ("i ", "i'd ", "we ", "we'd ")
"""How a request opens that first says what it is all for; the tasks then speak of the rest."""
_ENOUGH = 5
"""Content words that a request must have before sharing none of them means anything."""
_SHOWN = 5
"""Words of the request that a finding lists."""


@check(
    "GEN-REQUEST-UNCOVERED",
    "warning",
    finds="a part of the request that no task covers",
    remedy="add a task for it, or name it in the description of the task that covers it",
)
def request_covered(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find clauses of the request that the plan leaves out."""
    clauses = facts.request
    if not any(clause.covered for clause in clauses):
        return
    for position, clause in enumerate(clauses):
        frame = position == 0 and clause.text.casefold().startswith(_FRAMES)
        if not clause.covered and not frame:
            words = list(dict.fromkeys(clause.words))
            message = f"no task covers {_short(clause.text)!r}, which the request asks for"
            yield CheckFinding(None, message, evidence={"clause": clause.text[:300], "words": [*words[:50]]})


@check(
    "GEN-REQUEST-MISSED",
    "warning",
    finds="a plan that shares no word with its request",
    remedy="check that the plan belongs to this request",
)
def request_missed(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find a plan about something else.

    A playbook was chosen by meaning and speaks in its own words, and a request in another language than its plan shares
    none either, so both are left out.
    """
    if facts.plan.planner == "heuristic" or not facts.outline.nodes or any(clause.covered for clause in facts.request):
        return
    words = list(dict.fromkeys(word for clause in facts.request for word in clause.words))
    if len(words) < _ENOUGH or not _in_english(facts):
        return
    shown = ", ".join(words[:_SHOWN])
    yield CheckFinding(None, f"no task mentions anything in the request ({shown})", evidence={"words": [*words[:50]]})


def _in_english(facts: PlanFacts) -> bool:
    """Whether both the request and the plan are, going by their smallest words."""
    plan = {word for node in facts.outline.nodes for word in node.task.description.casefold().split()}
    return not _ENGLISH.isdisjoint(plan) and not _ENGLISH.isdisjoint(facts.plan.request.casefold().split())


def _short(clause: str) -> str:
    return clause if len(clause) <= 80 else f"{clause[:77]}..."  # noqa: PLR2004 - about a line
