"""Structural faults: while they exist, there is no order in which the plan can run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from pydantic import JsonValue

from genesis.graph import find_cycles
from genesis.structure import Node, is_unread
from genesis.text.scripts import find_script_fault, skeleton
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts
from genesis.validation.limits import GUESSES
from genesis.validation.reachability import ancestor_bits

__all__ = [
    "confusable_ids",
    "cycle",
    "dangling_dependency",
    "dependency_repeated",
    "duplicate_id",
    "empty_plan",
    "mixed_scripts",
    "redundant_dependencies",
    "single_subtask",
    "unconnected_leaf",
    "unread_plan",
    "within_itself",
]

_CYCLES = 20
"""Cycles that are reported."""
_SHOWN = 8
"""Tasks of a cycle that a message names."""
_KEPT = 2_000
"""Tasks of a cycle that the evidence lists."""
_FEW = 3
"""Edges that a message names."""


@check("GEN-PLAN-EMPTY", "error", finds="a plan without tasks", remedy="add at least one task")
def empty_plan(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find a plan that has nothing to run."""
    if not facts.plan.tasks:
        yield CheckFinding(None, "the plan has no tasks")


@check(
    "GEN-ID-DUPLICATE",
    "error",
    finds="two siblings with one id",
    remedy="give one of them another id, and correct the tasks that depend on it",
)
def duplicate_id(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find siblings of one id: a name in `depends_on` could mean either.

    What is inside the second of two composites of one id has the paths of what is inside the first; that follows from
    the one fault and is not reported again.
    """
    repeated = set(facts.outline.duplicates)
    for index in facts.outline.duplicates:
        node = facts.outline.nodes[index]
        first = facts.outline.nodes[facts.outline.by_path[node.path]]
        if first.parent != node.parent and node.parent in repeated:
            continue
        evidence: dict[str, JsonValue] = {
            "id": node.task.id,
            "descriptions": [first.task.description[:200], node.task.description[:200]],
        }
        yield CheckFinding(
            index, f"two sibling tasks have the id {node.task.id!r} (path {node.path!r})", evidence=evidence
        )


@check(
    "GEN-ID-SCRIPT",
    "error",
    finds="a task's id with letters of several scripts or in full width, which can pass for another id",
    remedy="write the id in one script",
)
def mixed_scripts(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find ids that are not of one script."""
    for node in facts.outline.nodes:
        if not node.task.id.isascii() and (fault := find_script_fault(node.task.id)) is not None:
            yield CheckFinding(node.index, f"the id of task {node.path!r} can pass for another: {fault}")


@check(
    "GEN-ID-CONFUSABLE",
    "error",
    finds="two siblings whose ids look alike, such as one in Latin and one in Cyrillic letters",
    remedy="give one of them another id, and correct the tasks that depend on it",
)
def confusable_ids(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find siblings whose ids differ and look the same."""
    groups: dict[tuple[int, str], Node] = {}
    if all(node.task.id.isascii() for node in facts.outline.nodes):
        return
    for node in facts.outline.nodes:
        first = groups.setdefault((node.parent, skeleton(node.task.id)), node)
        if first.task.id != node.task.id and not (first.task.id.isascii() and node.task.id.isascii()):
            ids = f"{first.task.id!a} and {node.task.id!a}"
            yield CheckFinding(node.index, f"two sibling tasks have ids that look alike: {ids} (path {node.path!r})")


@check(
    "GEN-DEPENDENCY-DANGLING",
    "error",
    finds="a `depends_on` that names no task",
    remedy="name a sibling by its id or any task by its full path, or remove the entry",
)
def dangling_dependency(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find dependencies on tasks that do not exist, with the closest name that does."""
    for count, fault in enumerate(facts.outline.unresolved):
        node = facts.outline.nodes[fault.node]
        guess = facts.guess(fault.name, _siblings(facts, node), facts.outline.by_path) if count < GUESSES else ""
        yield CheckFinding(
            fault.node,
            f"task {node.path!r} depends on {fault.name!r}, which does not exist",
            hint=guess,
            evidence={"depends_on": fault.name},
        )


def _siblings(facts: PlanFacts, node: Node) -> Iterable[str]:
    """Return the ids that a task can name without a path."""
    nodes = facts.outline.nodes
    if node.parent < 0:
        return (task.id for task in facts.plan.tasks if task.id != node.task.id)
    return (nodes[child].task.id for child in nodes[node.parent].children if child != node.index)


@check(
    "GEN-USE-UNREAD",
    "error",
    finds="a task that uses a plan file where files are not read: in a planner's, an agent's or a flow's plan",
    remedy="only a plan file can use others: put the tasks there, or write the whole with `genesis plan FILE -o NEW`",
)
def unread_plan(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find uses of plan files that nobody has put in place."""
    if "use" not in facts.given:
        return
    for node in facts.outline.leaf_nodes():
        if is_unread(node.task):
            message = f"task {node.path!r} uses the plan file {node.task.use!r}, which was not read"
            yield CheckFinding(node.index, message, evidence={"use": node.task.use})


@check(
    "GEN-DEPENDENCY-WITHIN",
    "error",
    finds="a composite that depends on its own subtask, or a subtask on its own composite",
    remedy="remove the entry: a composite is done when its subtasks are, so the wait would never end",
)
def within_itself(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find dependencies between a composite and what is inside it."""
    for node, target in _within(facts):
        own, other = facts.path(node), facts.path(target)
        inside = facts.outline.nodes[node].depth > facts.outline.nodes[target].depth
        relation = "the composite that it is part of" if inside else "its own subtask"
        yield CheckFinding(node, f"task {own!r} depends on {other!r}, {relation}", evidence={"depends_on": other})


def _within(facts: PlanFacts) -> Iterator[tuple[int, int]]:
    """Return the edges between a task and one of its ancestors, in either direction.

    Document order is depth first, so the tasks inside a composite are the run of numbers that follows its own.
    """
    nodes = facts.outline.nodes
    ends: list[int] | None = None
    for node, targets in enumerate(facts.outline.before):
        is_composite = bool(nodes[node].children)
        for target in targets:
            if node != target and (is_composite or nodes[target].children):
                ends = ends or _last_inside(facts)
                low, high = min(node, target), max(node, target)
                if high <= ends[low]:
                    yield node, target


def _last_inside(facts: PlanFacts) -> list[int]:
    """Return for each node the last node inside it, itself where it is a leaf."""
    last = list(range(len(facts.outline.nodes)))
    for node in reversed(facts.outline.nodes):
        if node.parent >= 0:
            last[node.parent] = max(last[node.parent], last[node.index])
    return last


@check(
    "GEN-CYCLE",
    "error",
    finds="tasks that wait for each other in a cycle, by `depends_on` or by the results that they use",
    remedy="remove one of these dependencies",
)
def cycle(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find cycles, one finding for each of the first separate ones, with its path."""
    if facts.order is not None:
        return
    before = [list(sources) for sources in facts.before]
    for node, target in _within(facts):
        end = 2 * target + 1 if facts.outline.nodes[target].children else 2 * target
        before[2 * node] = [source for source in before[2 * node] if source != end]
    for found in islice(find_cycles(before), _CYCLES):
        yield _cycle_finding(facts, found)


def _cycle_finding(facts: PlanFacts, vertices: list[int]) -> CheckFinding:
    """Return the tasks on a cycle of vertices; each comes before the next, and the last before the first."""
    named = list(dict.fromkeys(vertex >> 1 for vertex in vertices))
    paths = [facts.path(node) for node in named]
    if len(paths) == 1:
        message = f"task {paths[0]!r} depends on itself"
    else:
        shown = (
            paths if len(paths) <= _SHOWN else [*paths[: _SHOWN - 2], f"… {len(paths) - _SHOWN + 1} more …", paths[-1]]
        )
        message = f"{len(paths)} tasks wait for each other: {' → '.join([*shown, paths[0]])}"
    closed: list[JsonValue] = [*paths[:_KEPT], paths[0]]
    return CheckFinding(min(named), message, evidence={"cycle": closed, "length": len(paths)})


@check(
    "GEN-DEPENDENCY-REPEATED",
    "warning",
    finds="a task that names one dependency twice",
    remedy="keep one of them; perhaps another task was meant",
)
def dependency_repeated(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find `depends_on` lists that resolve to fewer tasks than they name."""
    for node in facts.outline.nodes:
        names = node.task.depends_on
        if len(names) < 2 or len(names) == len(facts.outline.before[node.index]):  # noqa: PLR2004 - one cannot repeat
            continue
        seen: dict[int, str] = {}
        for name in names:
            target = facts.outline.resolve(node, name)
            if target is None:
                continue
            if target in seen:
                also = "" if seen[target] == name else f", also as {seen[target]!r}"
                yield CheckFinding(
                    node.index, f"task {node.path!r} names the dependency {name!r} twice{also}", evidence={"name": name}
                )
            seen.setdefault(target, name)


@check(
    "GEN-DEPENDENCY-REDUNDANT",
    "info",
    finds="dependencies that follow from others",
    remedy="no action is needed; without them the plan is easier to read",
)
def redundant_dependencies(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find edges that longer paths imply (a transitive reduction would drop them), as one finding."""
    if facts.order is None or facts.schedule is None:
        return
    outline, level = facts.outline, facts.schedule.level
    ends = [2 * node.index + 1 if node.children else 2 * node.index for node in outline.nodes]
    joins = [index for index, sources in enumerate(outline.before) if len(sources) > 1]
    asked: list[int] = []
    for index in joins:
        sources = outline.before[index]
        most = max([level[ends[source]] for source in sources])
        # What comes before a leaf ends a shorter chain than that leaf; it may end the longest one in a composite.
        most += any(outline.nodes[source].children for source in sources)
        asked += [ends[source] for source in sources if level[ends[source]] < most]
    found: list[tuple[int, int]] = []
    for own, strict in ancestor_bits(facts.before, facts.order, asked):
        for index in joins:
            implied = 0
            for source in outline.before[index]:
                implied |= strict[ends[source]]
            if implied:
                found += [(index, s) for s in outline.before[index] if own.get(ends[s], 0) & implied]
    if found:
        found.sort()
        edges = [f"{facts.path(node)} → {facts.path(source)}" for node, source in found]
        shown = ", ".join(edges[:_FEW])
        more = f" and {len(edges) - _FEW} more" if len(edges) > _FEW else ""
        verb = "dependency follows" if len(edges) == 1 else "dependencies follow"
        evidence: dict[str, JsonValue] = {"edges": [*edges[:_KEPT]]}
        yield CheckFinding(None, f"{len(edges)} {verb} from others: {shown}{more}", evidence=evidence)


@check(
    "GEN-COMPOSITE-SINGLE",
    "info",
    finds="a composite with one subtask",
    remedy="replace it by the subtask, unless more are planned",
)
def single_subtask(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find composites that add a level and nothing else."""
    for node in facts.outline.nodes:
        if len(node.children) == 1 and node.task.use is None:
            yield CheckFinding(
                node.index, f"composite {node.path!r} has the single subtask {facts.path(node.children[0])!r}"
            )


@check(
    "GEN-LEAF-UNCONNECTED",
    "info",
    finds="a leaf that neither waits for a task nor is waited for, in a plan where most are connected",
    remedy="check whether a dependency is missing",
)
def unconnected_leaf(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find isolated leaves; a plan of mostly independent leaves is intended."""
    outline = facts.outline
    alone = [n for n in outline.nodes if n.parent < 0 and not n.children and not outline.before[n.index]]
    if not alone or len(facts.leaves) < _FEW:
        return
    linked = {source for sources in outline.before for source in sources}
    for index, found in facts.flow.sources.items():
        linked.update(found.values(), (index,))
    apart = [node for node in alone if node.index not in linked]
    if len(apart) * 4 <= len(outline.nodes):
        for node in apart:
            yield CheckFinding(node.index, f"task {node.path!r} waits for no task, and none waits for it")
