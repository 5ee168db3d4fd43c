"""Leaves that change something outside the run, and settings that nothing reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genesis.model import CacheTtl
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = [
    "composite_settings",
    "side_effect_cached",
    "side_effect_retried",
    "side_effect_unapproved",
    "vague_description",
]

_BLANK = frozenset({"todo", "tbd", "tba", "fixme", "xxx", "n/a", "none", "null", "placeholder", "lorem ipsum"})
_WORD = re.compile(r"[^\W_]")
_SHORT = 20
"""A longer description with content words is not blank."""


@check(
    "GEN-EFFECT-UNAPPROVED",
    "warning",
    finds="a leaf with side effects that no person approves",
    remedy="approvals are not available yet: review the task before the run, or try it with --rehearse first",
)
def side_effect_unapproved(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find side effects that start without an approval; one of an enclosing composite counts."""
    if "side_effects" not in facts.given:
        return
    nodes = facts.outline.nodes
    for node in facts.leaves:
        if not node.task.side_effects:
            continue
        around, index = node.task.approval, node.parent
        while index >= 0 and not around:
            around, index = nodes[index].task.approval, nodes[index].parent
        if not around:
            yield CheckFinding(node.index, f"task {node.path!r} has side effects and needs no approval")


@check(
    "GEN-EFFECT-CACHED",
    "warning",
    finds="a leaf with side effects whose result is cached across runs: the effect would not happen again",
    remedy="use `cache: run` or `cache: none`; a leaf with side effects is never cached across runs",
)
def side_effect_cached(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find side effects that a cache would leave out."""
    if "side_effects" not in facts.given:
        return
    for node in facts.leaves:
        if node.task.side_effects and isinstance(node.task.cache, CacheTtl):
            message = f"task {node.path!r} has side effects and asks to be cached for {node.task.cache.ttl_s:g} s"
            yield CheckFinding(node.index, message, evidence={"ttl_s": node.task.cache.ttl_s})


@check(
    "GEN-EFFECT-RETRIED",
    "warning",
    finds="a leaf with side effects and retries: the effect could happen twice",
    remedy="set `retries: 0`, or make sure that the task is idempotent",
)
def side_effect_retried(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find side effects that a retry could repeat."""
    if "side_effects" not in facts.given:
        return
    for node in facts.leaves:
        if node.task.side_effects and node.task.retries:
            message = f"task {node.path!r} has side effects and {node.task.retries} retries"
            yield CheckFinding(node.index, message, evidence={"retries": node.task.retries})


@check(
    "GEN-COMPOSITE-SETTINGS",
    "warning",
    finds="settings on a composite that only a leaf has",
    remedy="move them to its subtasks; only leaves run",
)
def composite_settings(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find an agent, inputs, a time limit or retries where nothing reads them."""
    for node in facts.outline.nodes:
        if not node.children or (facts.outline.as_run and node.task.for_each is not None):
            continue
        task = node.task
        found = {"agent": task.agent, "inputs": task.inputs, "timeout_s": task.timeout_s, "retries": task.retries}
        names = [name for name, value in found.items() if value]
        if names:
            message = f"composite {node.path!r} has {', '.join(names)}, which only its subtasks can use"
            yield CheckFinding(node.index, message, evidence={"settings": [*names]})


@check(
    "GEN-DESCRIPTION-VAGUE",
    "warning",
    finds="a description without a word about what is to be done",
    remedy="describe the action, its object and the result",
)
def vague_description(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find blank descriptions and placeholders."""
    for node in facts.outline.nodes:
        text = node.task.description
        if len(text) > _SHORT and facts.words[node.index]:
            continue
        if not _WORD.search(text) or text.strip(" .:!-_*").casefold() in _BLANK:
            message = f"the description of task {node.path!r} says nothing: {text[:40]!r}"
            yield CheckFinding(node.index, message, evidence={"description": text[:200]})
