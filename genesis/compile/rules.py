"""The rules of a plan with `run_if`, `when`, `allow_failure` or `for_each`: when each leaf and each composite starts.

A composite has two gates. Its own keys count for the composite as a whole: its start opens by its `run_if` and `when`,
and its end has failed where anything in it failed. So a task after a composite sees one end, and not those of its last
tasks.

A `for_each` task with copies is such a composite. Its last leaf is its own, which gathers what the copies gave once all
of them have ended; only that one is before its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from genesis.model import Task, TaskCopy
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
    """Leaves with another `run_if` than `all_succeeded`, their own or that of a composite around them, and those that
    gather copies."""
    always: frozenset[int]
    """Leaves that run after the run was stopped, too."""


def uses_rules(task: Task) -> bool:
    """Whether a task has one of the keys that make a rule."""
    return task.run_if != "all_succeeded" or task.when is not None or task.allow_failure or task.for_each is not None


def compile_rules(
    tree: Outline,
    flow: DataFlow,
    conditions: Conditions,
    number: Mapping[int, int],
    added: Mapping[int, int],
) -> Rules:
    """Compile the rules of a plan, in time linear in its tasks and edges.

    Args:
        tree: The plan's outline as it runs, without faults.
        flow: Its data flow: a reference is an edge like one of `depends_on`.
        conditions: Its conditions, without faults.
        number: The index in the program of each leaf, and of each `for_each` task.
        added: For each composite that an amendment has made, the amendment; its gates come after those before it.
    """
    if not any(uses_rules(node.task) for node in tree.nodes):
        return Rules({}, (), frozenset(), frozenset(), frozenset())
    composites = [node.index for node in tree.nodes if node.children]
    composites.sort(key=lambda index: (added.get(index, 0), index))
    start = {index: -1 - 2 * place for place, index in enumerate(composites)}
    ends = {**number, **{index: start[index] - 1 for index in composites}}
    edges = _list_edges(tree, flow)
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
        if index in number:
            of_node[index] = StartRule(after=inside, within=start[index], run_if="all_done")
            inside = (number[index],)
        end = StartRule(after=inside, within=start[index], allow_failure=rule.allow_failure)
        opening = rule.model_copy(update={"allow_failure": False})
        gates += [Gate(path=node.path, is_end=False, rule=opening), Gate(path=node.path, is_end=True, rule=end)]
    return Rules(
        of_leaf={leaf: of_node[leaf] for leaf in number},
        gates=tuple(gates),
        allowed=_inherit(tree, number, lambda task: task.allow_failure),
        by_ends=_inherit(tree, number, lambda task: task.run_if != "all_succeeded")
        | {leaf for leaf in number if tree.nodes[leaf].children},
        always=_inherit(tree, number, lambda task: task.run_if == "always"),
    )


def _list_edges(tree: Outline, flow: DataFlow) -> dict[int, dict[int, None]]:
    """List what comes before each task by its references; those of a copy are those of its `for_each` task.

    So the rule of that task counts for them, as it does for its `depends_on`.
    """
    edges: dict[int, dict[int, None]] = {}
    for node, sources in flow.edges().items():
        user = tree.nodes[node].parent if isinstance(tree.nodes[node].task, TaskCopy) else node
        edges.setdefault(user, {}).update(dict.fromkeys(sources))
    return edges


def _when(conditions: Conditions, node: Node, number: Mapping[int, int]) -> WhenCondition | None:
    found = conditions.by_node.get(node.index)
    if found is None:
        return None
    sources = {reference: number[leaf] for reference, leaf in found.sources.items()}
    return WhenCondition(text=found.condition.text, sources=sources, keys=found.keys, items=found.items)


def _inherit(tree: Outline, leaves: Iterable[int], has: Callable[[Task], bool]) -> frozenset[int]:
    """Return the leaves of which something holds, or of a composite around them; these come first in document order."""
    holds: list[bool] = []
    for node in tree.nodes:
        holds.append(has(node.task) or (node.parent >= 0 and holds[node.parent]))
    return frozenset(leaf for leaf in leaves if holds[leaf])
