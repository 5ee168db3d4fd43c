"""Leaves that change something outside the run, and settings that nothing reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from genesis.model import CacheTtl
from genesis.resilience.taxonomy import BY_CLASS, BY_CODE, ErrorCategory, meaning_of
from genesis.structure import count_retries
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = [
    "composite_settings",
    "retry_on_unknown",
    "side_effect_cached",
    "side_effect_retried",
    "side_effect_unapproved",
    "vague_description",
]

_BLANK = frozenset({"todo", "tbd", "tba", "fixme", "xxx", "n/a", "none", "null", "placeholder", "lorem ipsum"})
_WORD = re.compile(r"[^\W_]")
_SHORT = 20
"""A longer description with content words is not blank."""
_CATEGORIES = frozenset(get_args(ErrorCategory))
_FOREIGN_CODE = re.compile(r"HTTP-\d{3}|(?=.*[A-Z])[\w.-]+")
"""The code of an error that is not ours: a status, an errno, the name of a class."""


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
        if node.task.side_effects and (retries := count_retries(node.task)):
            message = f"task {node.path!r} has side effects and {retries} retries"
            yield CheckFinding(node.index, message, evidence={"retries": retries})


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
        settings = ("agent", "inputs", "timeout_s", "retries", "retry", "env", "resources", "runs_in")
        found = {name: getattr(task, name) for name in settings}
        names = [name for name, value in found.items() if value]
        if names:
            message = f"composite {node.path!r} has {', '.join(names)}, which only its subtasks can use"
            yield CheckFinding(node.index, message, evidence={"settings": [*names]})


@check(
    "GEN-RETRY-ON",
    "warning",
    finds="a name in `retry.on` that matches no error which is retried",
    remedy="use a category such as `network`, or a code of the reference that is marked as retried",
)
def retry_on_unknown(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find entries of `retry.on` that match nothing; codes of agents' own errors cannot be known."""
    if "retry" not in facts.given:
        return
    for node in facts.leaves:
        for name in dict.fromkeys(node.task.retry.on if node.task.retry is not None else ()):
            if why := _explain_no_match(name):
                message = f"task {node.path!r} retries on {name!r}, {why}"
                hint = facts.guess(name, _CATEGORIES, BY_CODE)
                yield CheckFinding(node.index, message, hint=hint, evidence={"on": name})


def _explain_no_match(name: str) -> str:
    """Return why an entry of `retry.on` matches no error that is retried; an empty text where it may match."""
    never = "an error that is never retried"
    if name in _CATEGORIES:
        known = (*BY_CLASS.values(), *BY_CODE.values())
        return "" if any(each.retryable and each.category == name for each in known) else never
    if not name.startswith("GEN-"):
        return "" if _FOREIGN_CODE.fullmatch(name) else "which is neither a category nor a code"
    codes = [code for code in (*BY_CODE, *(kind.code for kind in BY_CLASS)) if f"{code}-".startswith(f"{name}-")]
    if not codes and not any(name.startswith(f"{kind.code}-") for kind in BY_CLASS):
        return "which no error begins with"
    return "" if any(meaning_of(code).retryable for code in codes or [name]) else never


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
