"""The rules of a plan with `run_if`, `when` or `allow_failure`: when each leaf and each composite starts.

A composite has two gates. Its own keys count for the composite as a whole: its start opens by its `run_if` and `when`,
and its end has failed where anything in it failed. So a task after a composite sees one end, and not those of its last
tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from genesis.model import Task
from genesis.model.program import Gate, StartRule, WhenCondition
from genesis.structure import Conditions, DataFlow, Node, Outline

__all__ = ["Rules", "compile_rules", "uses_rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a plan; empty where no task has one of the keys."""

    of_leaf: dict[int, StartRule]
    """By the outline's node."""
    gates: tuple[Gate, ...]
    allowed: frozenset[int]
    """Leaves whose failure is allowed, their own or that of a composite around them."""
    by_ends: frozenset[int]
    """Leaves with another `run_if` than `all_succeeded`, their own or that of a composite around them."""
    always: frozenset[int]
    """Leaves that run after the run was stopped, too."""


def uses_rules(task: Task) -> bool:
    """Whether a task has one of the keys that make a rule."""
    return task.run_if != "all_succeeded" or task.when is not None or task.allow_failure


def compile_rules(tree: Outline, flow: DataFlow, conditions: Conditions) -> Rules:
    """Compile the rules of a plan, in time linear in its tasks and edges.

    Args:
        tree: The plan's outline, without faults.
        flow: Its data flow: a reference is an edge like one of `depends_on`.
        conditions: Its conditions, without faults.
    """
    if not any(uses_rules(node.task) for node in tree.nodes):
        return Rules({}, (), frozenset(), frozenset(), frozenset())
    number = {leaf: index for index, leaf in enumerate(tree.leaves)}
    composites = [node.index for node in tree.nodes if node.children]
    start = {index: -1 - 2 * place for place, index in enumerate(composites)}
    ends = {**number, **{index: start[index] - 1 for index in composites}}
    edges = flow.edges()
    of_node: dict[int, StartRule] = {}
    for node in tree.nodes:
        before = dict.fromkeys((*tree.before[node.index], *edges.get(node.index, ())))
        of_node[node.index] = StartRule(
            after=tuple(ends[source] for source in before),
            within=start.get(node.parent),
            run_if=node.task.run_if,
            when=_when(conditions, node, number),
            allow_failure=node.task.allow_failure,
        )
    gates: list[Gate] = []
    for index in composites:
        node, rule = tree.nodes[index], of_node[index]
        inside = tuple(ends[child] for child in node.children)
        end = StartRule(after=inside, within=start[index], allow_failure=rule.allow_failure)
        opening = rule.model_copy(update={"allow_failure": False})
        gates += [Gate(path=node.path, is_end=False, rule=opening), Gate(path=node.path, is_end=True, rule=end)]
    return Rules(
        of_leaf={leaf: of_node[leaf] for leaf in tree.leaves},
        gates=tuple(gates),
        allowed=_inherit(tree, lambda task: task.allow_failure),
        by_ends=_inherit(tree, lambda task: task.run_if != "all_succeeded"),
        always=_inherit(tree, lambda task: task.run_if == "always"),
    )


def _when(conditions: Conditions, node: Node, number: Mapping[int, int]) -> WhenCondition | None:
    found = conditions.by_node.get(node.index)
    if found is None:
        return None
    sources = {reference: number[leaf] for reference, leaf in found.sources.items()}
    return WhenCondition(text=found.condition.text, sources=sources, keys=found.keys)


def _inherit(tree: Outline, has: Callable[[Task], bool]) -> frozenset[int]:
    """Return the leaves of which something holds, or of a composite around them; these come first in document order."""
    holds: list[bool] = []
    for node in tree.nodes:
        holds.append(has(node.task) or (node.parent >= 0 and holds[node.parent]))
    return frozenset(leaf for leaf in tree.leaves if holds[leaf])
