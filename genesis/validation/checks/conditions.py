"""Whether the rules of a plan mean something: `when`, `run_if` and what a task that did not run leaves to others."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.structure import Node, can_hold, file_references
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["input_null", "rule_without_tasks", "when_false", "when_invalid", "when_order"]


@check(
    "GEN-WHEN-INVALID",
    "error",
    finds="a `when` that cannot be read, or that names neither a variable nor a promised result",
    remedy="write it as in `{task.key} == 'value'`; the guide's page on conditions lists all that there is",
)
def when_invalid(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find conditions without a meaning."""
    for fault in facts.conditions.faults:
        node = facts.outline.nodes[fault.node]
        guess = _guess(facts, node, fault.reference) if fault.reference else ""
        yield CheckFinding(
            fault.node,
            f"the `when` of task {node.path!r}: {fault.reason}",
            hint=guess or fault.hint,
            evidence={"when": (node.task.when or "")[:1_000]},
        )


def _guess(facts: PlanFacts, node: Node, reference: str) -> str:
    siblings = (each.task.id for each in facts.outline.nodes if each.parent == node.parent)
    name, dot, _ = reference.rpartition(".")
    if not dot and facts.outline.resolve(node, reference) is not None:
        return f"did you mean '{reference}.result'?"
    if dot and facts.outline.resolve(node, name) is not None:
        return ""
    return facts.guess(name, siblings, facts.outline.by_path) if dot else facts.guess(reference, facts.values)


@check(
    "GEN-WHEN-ORDER",
    "error",
    finds="a `when` that uses a result of a task that does not come before it",
    remedy="add that task to `depends_on`: a condition waits for nothing by itself",
)
def when_order(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find conditions over results that may not be there yet."""
    used = [
        (node, reference, producer)
        for node, found in facts.conditions.by_node.items()
        for reference, producer in found.sources.items()
    ]
    if not used or facts.order is None:
        return
    ordered = facts.find_ordered([(2 * producer, 2 * node) for node, _, producer in used])
    for node, reference, producer in used:
        if (2 * producer, 2 * node) not in ordered:
            own, other = facts.path(node), facts.path(producer)
            yield CheckFinding(
                node,
                f"the `when` of task {own!r} uses {{{reference}}}, and {other!r} does not come before it",
                hint=f"add {other!r} to its depends_on",
                evidence={"reference": reference, "producer": other},
            )


@check(
    "GEN-WHEN-NEVER",
    "warning",
    finds="a `when` that is false whatever the results: the task never runs",
    remedy="correct the condition or the variable, or remove the task",
)
def when_false(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find conditions that are false by their literals and the plan's variables and parameters alone."""
    for node, found in facts.conditions.by_node.items():
        if not can_hold(found.condition, facts.values):
            message = f"the `when` of task {facts.path(node)!r} is always false: {found.condition.text}"
            yield CheckFinding(node, message, evidence={"when": found.condition.text})


@check(
    "GEN-RUN-IF-ALONE",
    "warning",
    finds="a `run_if` on a task that comes after no other, about which it therefore says nothing",
    remedy="add what the task comes after to `depends_on`, or remove `run_if`",
)
def rule_without_tasks(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find rules about no task; with `any_failed` and `any_succeeded` the task never runs."""
    if "run_if" not in facts.given:
        return
    edges = facts.flow.edges()
    for node in facts.outline.nodes:
        rule = node.task.run_if
        if rule == "all_succeeded" or facts.outline.before[node.index] or edges.get(node.index):
            continue
        effect = "it never runs" if rule in ("any_failed", "any_succeeded") else "it starts with the run"
        message = f"task {node.path!r} has `run_if: {rule}` and comes after no task: {effect}"
        yield CheckFinding(node.index, message, evidence={"run_if": rule})


@check(
    "GEN-INPUT-NULL",
    "warning",
    finds="an input or a file from a task that may have failed or not have run: it is null or not there then",
    remedy="let the task handle that, or run it only if the other has succeeded",
)
def input_null(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find references to results that may be missing while the plan continues."""
    if facts.given.isdisjoint(("run_if", "allow_failure")):
        return
    for node, found in facts.flow.sources.items():
        for reference, producer in found.items():
            if why := _why_null(facts, node, producer):
                own, other = facts.path(node), facts.path(producer)
                is_file = reference in file_references(facts.outline.nodes[node].task).values()
                yield CheckFinding(
                    node,
                    f"task {own!r} uses {{{reference}}}, which is {'not there' if is_file else 'null'} "
                    f"if {other!r} fails: {why}",
                    evidence={"reference": reference, "producer": other},
                )


def _why_null(facts: PlanFacts, node: int, producer: int) -> str:
    """Say why a leaf may run without the result of another one; empty where it does not."""
    nodes = facts.outline.nodes
    users, producers = _with_composites(facts, node), _with_composites(facts, producer)
    for around in producers:
        if around not in users and nodes[around].task.allow_failure:
            return f"{nodes[around].path!r} has `allow_failure`"
    for around in users:
        if around not in producers and nodes[around].task.run_if != "all_succeeded":
            return f"{nodes[around].path!r} has `run_if: {nodes[around].task.run_if}`"
    return ""


def _with_composites(facts: PlanFacts, node: int) -> list[int]:
    found: list[int] = []
    while node >= 0:
        found.append(node)
        node = facts.outline.nodes[node].parent
    return found
