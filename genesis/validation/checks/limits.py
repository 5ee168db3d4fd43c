"""Bounds on the size of plans."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = [
    "deep_nesting",
    "describe_leaf_limit",
    "leaf_limit",
    "long_description",
    "near_leaf_limit",
    "plan_depth",
    "plan_fan_out",
    "request_length",
]

_NEAR = 0.8
"""Share of a limit from which on the plan is close to it."""


@check(
    "GEN-REQUEST-LENGTH",
    "error",
    finds="a request longer than the limit",
    remedy="shorten it and put details into files that the tasks read, or raise GENESIS_LIMITS__REQUEST_CHARACTERS",
)
def request_length(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find a request that planners would refuse."""
    length, limit = len(facts.plan.request), facts.limits.request_characters
    if length > limit:
        message = f"the request has {length:,} characters; the limit is {limit:,}"
        yield CheckFinding(None, message, evidence={"characters": length, "limit": limit})


@check(
    "GEN-LEAF-LIMIT",
    "error",
    finds="more leaves than a plan may have",
    remedy="split the plan into several, shorten the lists of `for_each`, or raise GENESIS_LIMITS__LEAVES",
)
def leaf_limit(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find a plan that is larger than the total allowed."""
    count, limit = facts.leaf_count, facts.limits.leaves
    if count > limit:
        yield describe_leaf_limit(count, limit)


def describe_leaf_limit(count: int, limit: int) -> CheckFinding:
    """Return the finding about a plan with this number of leaves."""
    message = f"the plan has {count:,} leaves; the limit is {limit:,}"
    return CheckFinding(None, message, evidence={"leaves": count, "limit": limit})


@check(
    "GEN-LEAF-LIMIT-NEAR",
    "info",
    finds="a plan that is close to its limit of leaves",
    remedy="if tasks may be added during the run, raise GENESIS_LIMITS__LEAVES",
)
def near_leaf_limit(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find a plan that leaves little room for expansion."""
    count, limit = facts.leaf_count, facts.limits.leaves
    if _NEAR * limit < count <= limit:
        message = f"the plan has {count:,} of at most {limit:,} leaves"
        yield CheckFinding(None, message, evidence={"leaves": count, "limit": limit})


@check(
    "GEN-PLAN-DEPTH",
    "error",
    finds="a planner's plan nested deeper than the limit",
    remedy="plan with fewer levels, or raise GENESIS_LIMITS__DEPTH",
)
def plan_depth(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find where a planner went deeper than it may."""
    if facts.planned:
        yield from _too_deep(facts)


@check(
    "GEN-NESTING-DEEP",
    "warning",
    finds="a plan file nested so deeply that it is hard to read",
    remedy="use fewer levels; remove levels that impose no order",
)
def deep_nesting(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find deep nesting in a plan file, which still runs."""
    if not facts.planned:
        yield from _too_deep(facts)


def _too_deep(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Return the deepest task when it is beyond the limit."""
    limit = facts.limits.depth
    deepest = max(facts.outline.nodes, key=lambda node: (node.depth, -node.index), default=None)
    if deepest is not None and deepest.depth > limit:
        path = deepest.path if len(deepest.path) <= 120 else f"{deepest.path[:117]}..."  # noqa: PLR2004 - a line of text
        message = f"task {path!r} is at depth {deepest.depth}; the limit is {limit}"
        yield CheckFinding(deepest.index, message, evidence={"depth": deepest.depth, "limit": limit})


@check(
    "GEN-PLAN-FAN-OUT",
    "error",
    finds="a composite with more subtasks than a planner may create",
    remedy="group the subtasks, or raise GENESIS_LIMITS__FAN_OUT",
)
def plan_fan_out(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find composites that a planner made too wide; a plan file has no limit."""
    limit = facts.limits.fan_out
    if not facts.planned:
        return
    for node in facts.outline.nodes:
        if len(node.children) > limit:
            message = f"composite {node.path!r} has {len(node.children):,} subtasks; the limit is {limit}"
            yield CheckFinding(node.index, message, evidence={"subtasks": len(node.children), "limit": limit})


@check(
    "GEN-DESCRIPTION-LONG",
    "warning",
    finds="a description longer than a request may be",
    remedy="describe only what is to be done, and put the material into a file that an input names",
)
def long_description(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find descriptions that contain material rather than a task."""
    limit = facts.limits.request_characters
    for node in facts.outline.nodes:
        length = len(node.task.description)
        if length > limit:
            message = f"the description of task {node.path!r} has {length:,} characters"
            yield CheckFinding(node.index, message, evidence={"characters": length, "advised": limit})
