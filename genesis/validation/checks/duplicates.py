"""Duplicate work in the plan.

Two tasks are near-duplicates when their descriptions have the same content words, whatever the articles, the endings
and the order. What differs in one content word (its object, a number, a file name, a version, a direction) is other
work. Every task gets one signature and is looked up once, so the check is linear; nothing is compared in pairs.

A second, looser signature takes `write`, `create` and `build` for one verb. It counts only for tasks of one type that
do not wait for each other: `Build the app` after `Implement the app` is the next step, and not the same again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from genesis.model import Task, TaskCopy
from genesis.structure import Node
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["near_duplicates"]

_Signature = tuple[str, ...]

_DIRECTIONS = "from into onto than before after against over versus vs"
_REPEATABLE = """
    run test verify validate check lint scan build compile measure deploy monitor review rerun retest benchmark audit
    update sync notify backup restart wait sleep poll record save log
"""
_OWN_WORDS = 5
"""Content words that make a description stand on its own; a shorter one takes its object from the task above it."""
_PER_GROUP = 16
"""Tasks of one signature that their details tell apart, and that a further one is compared with."""


@check(
    "GEN-NEAR-DUPLICATE",
    "warning",
    finds="two tasks that describe the same work, on the same agent or on two",
    remedy="remove one of them, or describe how they differ",
)
def near_duplicates(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find tasks whose descriptions repeat an earlier one's."""
    strict, loose = _pairs(facts)
    ordered = _find_waiting_pairs(facts, [*strict, *loose])
    repeatable = facts.vocabulary.stems(_REPEATABLE)
    seen: set[int] = set()
    for first, second in strict:
        again = facts.words[second][0] in repeatable and (first, second) in ordered
        if again and _something_between(facts, first, second):
            continue
        seen.add(second)
        yield _finding(facts, first, second)
    for first, second in loose:
        if second not in seen and (first, second) not in ordered:
            seen.add(second)
            yield _finding(facts, first, second)


def _pairs(facts: PlanFacts) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return each task with the earlier one that it repeats: by equal words, also once verbs are folded."""
    directions = facts.vocabulary.stems(_DIRECTIONS)
    folded = facts.vocabulary.fold_words
    firsts: dict[str, Node] = {}
    groups: dict[str, list[Node]] = {}
    found: list[tuple[int, int]] = []
    maybe: list[tuple[int, int]] = []
    for node, words in zip(facts.outline.nodes, facts.words, strict=True):
        if not words or (facts.outline.scopes and _is_further_copy(facts, node)):
            continue
        same = folded(words)
        turned = not directions.isdisjoint(words) or " to " in node.task.description
        key = " ".join(same if turned else sorted(same))
        first = firsts.setdefault(key, node)
        if first is node:
            continue
        group = groups.setdefault(key, [first])
        alike = [other for other in group if _same_place(other, node, words) and _same_details(other.task, node.task)]
        equal = next((other for other in alike if sorted(facts.words[other.index]) == sorted(words)), None)
        close = next((other for other in alike if other.task.type == node.task.type), None)
        if equal is not None:
            found.append((equal.index, node.index))
        elif close is not None:
            maybe.append((close.index, node.index))
        elif len(group) < _PER_GROUP:
            group.append(node)
    return found, maybe


def _is_further_copy(facts: PlanFacts, node: Node) -> bool:
    """Whether a task is in another copy than the first one of a `for_each` task: it repeats that one on purpose."""
    copy = facts.outline.nodes[facts.outline.scopes.get(node.index, node.index)].task
    return isinstance(copy, TaskCopy) and copy.index > 0


def _same_place(first: Node, second: Node, words: _Signature) -> bool:
    """Whether two tasks of the same words are about the same thing, going by where they are.

    Under different parents a short description (`Write the tests`) is about the parents' objects, and steps that come
    back in the same form under several parents are a pattern, as in `frontend/…` and `backend/…`.
    """
    if first.parent == second.parent:
        return True
    if first.children or second.children or len(words) < _OWN_WORDS:
        return False
    return first.task.id != second.task.id or first.parent < 0 or second.parent < 0


def _same_details(first: Task, second: Task) -> bool:
    """Whether inputs, labels, skills or outputs that both tasks have distinguish them."""
    if first.requires and second.requires and set(first.requires) != set(second.requires):
        return False
    if first.outputs and second.outputs and set(first.outputs).isdisjoint(second.outputs):
        return False
    if first.labels and second.labels and first.labels != second.labels:
        return False
    if not first.inputs or not second.inputs:
        return True
    return first.inputs == second.inputs and _text(first) == _text(second)


def _text(task: Task) -> str:
    """Return the inputs as text: 1 and True are equal in Python and are different inputs."""
    return json.dumps(task.inputs, sort_keys=True, default=str)


def _find_waiting_pairs(facts: PlanFacts, pairs: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs in which one task waits for the other, in either direction."""
    if not pairs or facts.order is None:
        return set()
    forth = {(_end(facts, first), 2 * second): (first, second) for first, second in pairs}
    back = {(_end(facts, second), 2 * first): (first, second) for first, second in pairs}
    ordered = facts.find_ordered([*forth, *back])
    return {pair for question, pair in (*forth.items(), *back.items()) if question in ordered}


def _end(facts: PlanFacts, node: int) -> int:
    return 2 * node + 1 if facts.outline.nodes[node].children else 2 * node


def _something_between(facts: PlanFacts, first: int, second: int) -> bool:
    """Whether other work lies between two tasks in order, so that the later one looks at something new."""
    schedule = facts.schedule
    if schedule is None:
        return False
    low, high = sorted((schedule.level[_end(facts, first)], schedule.level[_end(facts, second)]))
    return high - low > 1


def _finding(facts: PlanFacts, first: int, second: int) -> CheckFinding:
    one, two = facts.outline.nodes[first], facts.outline.nodes[second]
    agents: list[JsonValue] = [agent.name if (agent := facts.agent_of[index]) else None for index in (first, second)]
    evidence: dict[str, JsonValue] = {
        "tasks": [one.path, two.path],
        "descriptions": [one.task.description[:200], two.task.description[:200]],
        "words": [*sorted(set(facts.words[first]) & set(facts.words[second]))],
        "agents": agents,
    }
    across = f", on {agents[0]!r} and {agents[1]!r}" if None not in agents and agents[0] != agents[1] else ""
    return CheckFinding(second, f"task {two.path!r} describes the same work as {one.path!r}{across}", evidence=evidence)
