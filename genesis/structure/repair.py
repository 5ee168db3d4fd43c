"""Deterministic repair: turn a plan with structural faults into a valid one, losing as little as possible.

What planners write, above all small language models, names tasks that do not exist, depends on itself or has
cycles. Each fault is fixed in one fixed way and each repair is recorded. The result is always valid, a valid plan is
left as it is, and repairing twice is repairing once.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from genesis.model import Plan, Task
from genesis.settings import Limits
from genesis.structure.changes import Changes, Repair
from genesis.structure.dataflow import DataFlow, Missing, dataflow
from genesis.structure.feedback_arcs import Edge, feedback_edges
from genesis.structure.outline import Node, Outline, outline
from genesis.structure.references import WHOLE_RESULT, as_text, rename_references
from genesis.structure.trim import within_limits

__all__ = ["Repair", "Repaired", "repair", "slug", "unique_slugs"]

_MATCH_AMONG = 64
"""Siblings among which a misspelt dependency is sought: difflib is slow."""
_MATCH_CUTOFF = 0.8
"""Similarity at which a dependency counts as misspelt (difflib's ratio)."""
_SLUG_LENGTH = 60
"""Most characters of an id that is made from a text."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A valid plan and its repairs."""

    plan: Plan
    repairs: tuple[Repair, ...]


def repair(plan: Plan, limits: Limits | None = None) -> Repaired:
    """Fix the structure of a plan.

    In this order: what is beyond the limits is left out; the later of two siblings with one id gets another;
    dependencies and references on unknown tasks are matched to a close one or dropped; those on the task itself, on a
    task that holds it or on one within it are dropped; cycles are cut where the fewest edges are lost, edges back in
    document order first.

    Args:
        plan: Any plan; its hierarchy may be of any depth.
        limits: Bounds on depth, fan-out and leaves; none if omitted.
    """
    repairs: list[Repair] = []
    if limits is not None:
        plan = within_limits(plan, limits, repairs)
    plan = _with_unique_ids(plan, repairs)
    plan = _with_known_dependencies(plan, repairs)
    plan = _with_known_references(plan, repairs)
    plan = _without_cycles(plan, repairs)
    return Repaired(plan, tuple(repairs))


def slug(text: str, fallback: str = "task") -> str:
    """Turn any text into an id: letters, digits, `_`, `-` and `.`, at most 60 characters."""
    words = re.sub(r"[^\w.\-]+", "-", text.strip().lower())
    return words.strip("-.")[:_SLUG_LENGTH].strip("-.") or fallback


def unique_slugs(names: Sequence[str]) -> tuple[list[str], list[Repair]]:
    """Turn the names of siblings into ids that are allowed and unique; the first of several keeps its id."""
    ids: list[str] = []
    taken = {slug(name) for name in names}
    seen: set[str] = set()
    repairs: list[Repair] = []
    for name in names:
        wanted = slug(name)
        chosen = wanted if wanted not in seen else _free(wanted, taken)
        seen.add(chosen)
        taken.add(chosen)
        ids.append(chosen)
        if chosen != wanted:
            repairs.append(Repair("GEN-REPAIR-DUPLICATE", chosen, f"a second {name!r} was renamed {chosen!r}"))
        elif chosen != name:
            repairs.append(Repair("GEN-REPAIR-ID", chosen, f"the id {name[:80]!r} became {chosen!r}"))
    return ids, repairs


def _free(wanted: str, taken: Iterable[str]) -> str:
    number = 2
    while f"{wanted}-{number}" in taken:
        number += 1
    return f"{wanted}-{number}"


def _with_unique_ids(plan: Plan, repairs: list[Repair]) -> Plan:
    """Rename the later of two siblings with one id; what refers to the id keeps meaning the first."""
    view = outline(plan)
    if not view.duplicates:
        return plan
    named = {name for node in view.nodes for name in node.task.depends_on}
    groups: dict[int, list[Node]] = {}
    for node in view.nodes:
        groups.setdefault(node.parent, []).append(node)
    changes = Changes()
    for group in groups.values():
        taken = {node.task.id for node in group} | named
        seen: set[str] = set()
        for node in group:
            if node.task.id in seen:
                chosen = _free(node.task.id[:190], taken)
                taken.add(chosen)
                changes.set(node.index, id=chosen)
                repairs.append(
                    Repair("GEN-REPAIR-DUPLICATE", node.path, f"a second {node.path!r} was renamed {chosen!r}")
                )
            seen.add(node.task.id)
    return changes.apply(plan, view)


def _with_known_dependencies(plan: Plan, repairs: list[Repair]) -> Plan:
    """Match or drop unknown names in `depends_on`, and drop those that cannot be waited for."""
    view = outline(plan)
    finder = _Finder(view)
    changes = Changes()
    for node in view.nodes:
        if not node.task.depends_on:
            continue
        kept = [_dependency(view, finder, node, name, repairs) for name in node.task.depends_on]
        if tuple(kept) != node.task.depends_on:
            changes.set(node.index, depends_on=tuple(dict.fromkeys(name for name in kept if name is not None)))
    return changes.apply(plan, view)


def _dependency(view: Outline, finder: _Finder, node: Node, name: str, repairs: list[Repair]) -> str | None:
    """Return the name that a dependency should have, or None to drop it."""
    target, wanted = view.resolve(node, name), name
    if target is None:
        target = finder.close(node, name)
        if target is None:
            text = f"{node.path!r} no longer waits for {name[:80]!r}, which is not there"
            repairs.append(Repair("GEN-REPAIR-UNKNOWN", node.path, text))
            return None
        other = view.nodes[target]
        wanted = other.task.id if other.parent == node.parent else other.path
    reason = _cannot_wait(view, node.index, target)
    if reason:
        text = f"{node.path!r} no longer waits for {name[:80]!r}: {reason}"
        repairs.append(Repair("GEN-REPAIR-SELF" if target == node.index else "GEN-REPAIR-NESTED", node.path, text))
        return None
    if wanted != name:
        text = f"{node.path!r} waits for {wanted!r}, written {name[:80]!r}"
        repairs.append(Repair("GEN-REPAIR-MATCHED", node.path, text))
    return wanted


def _cannot_wait(view: Outline, node: int, target: int) -> str:
    """Return why a task cannot wait for another; empty when it can."""
    if node == target:
        return "a task cannot wait for itself"
    if _holds(view, target, node):
        return "it is a part of that task"
    if _holds(view, node, target):
        return "that task is a part of it"
    return ""


def _holds(view: Outline, outer: int, inner: int) -> bool:
    while inner > outer:
        inner = view.nodes[inner].parent
    return inner == outer


class _Finder:
    """Finds the task that a misspelt name means."""

    def __init__(self, view: Outline) -> None:
        self._siblings: dict[int, list[Node]] = {}
        for node in view.nodes:
            self._siblings.setdefault(node.parent, []).append(node)
        self._plain: dict[int, dict[str, int | None]] = {}

    def close(self, node: Node, name: str) -> int | None:
        """Return the one sibling that is spelled like the name, or that is alone in being close to it."""
        siblings = self._siblings[node.parent]
        if node.parent not in self._plain:
            plain: dict[str, int | None] = {}
            for sibling in siblings:
                key = _letters(sibling.task.id)
                plain[key] = None if key in plain else sibling.index
            self._plain[node.parent] = plain
        wanted = _letters(name.rpartition("/")[2])
        if not wanted:
            return None
        plain = self._plain[node.parent]
        if wanted in plain:
            return plain[wanted]
        if len(siblings) > _MATCH_AMONG or len(wanted) > 2 * _SLUG_LENGTH:
            return None
        found = get_close_matches(wanted, plain, n=2, cutoff=_MATCH_CUTOFF)
        return plain[found[0]] if len(found) == 1 else None


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _with_known_references(plan: Plan, repairs: list[Repair]) -> Plan:
    """Turn references that nothing produces into plain text.

    One that names a leaf but not a result that the leaf promises takes the leaf's whole result.
    """
    view = outline(plan)
    faults: dict[int, dict[str, str | None]] = {}
    flow = dataflow(plan, view)
    for missing in flow.missing:
        node = view.nodes[missing.node]
        better = _whole_result(view, node, missing)
        faults.setdefault(missing.node, {})[missing.reference] = better
        if better:
            text = f"{node.path!r} uses {{{better}}} where it asked for {{{missing.reference}}}: {missing.reason}"
        else:
            text = f"{{{missing.reference}}} in {node.path!r} became plain text: {missing.reason}"
        repairs.append(Repair("GEN-REPAIR-REFERENCE", node.path, text))
    changes = _without_unknown_files(view, flow, repairs)
    for index, names in faults.items():
        task = view.nodes[index].task
        files = changes.updates.get(index, {})
        task = task.model_copy(update=files) if files else task
        texts = {name for name, better in names.items() if better is None}
        plain = task.model_copy(update=as_text(task, texts.__contains__))
        changes.set(index, **rename_references(plain, names.get))
    return changes.apply(plan, view)


def _without_unknown_files(view: Outline, flow: DataFlow, repairs: list[Repair]) -> Changes:
    """Drop what tasks ask for in `files.in` and no task promises."""
    changes = Changes()
    unknown: dict[int, set[str]] = {}
    for missing in flow.missing_files:
        path = view.nodes[missing.node].path
        unknown.setdefault(missing.node, set()).add(missing.reference)
        text = f"{path!r} does not get the file {{{missing.reference}}}: {missing.reason}"
        repairs.append(Repair("GEN-REPAIR-REFERENCE", path, text))
    for index, names in unknown.items():
        changes.set(index, files=_drop_files(view.nodes[index].task, names))
    return changes


def _drop_files(task: Task, names: Container[str]) -> dict[str, object]:
    """Return the `files` of a task without those that it asks for by these references."""
    kept = {path: text for path, text in task.files.get("in", {}).items() if text[1:-1] not in names}
    return {name: value for name, value in {**task.files, "in": kept}.items() if value}


def _whole_result(view: Outline, node: Node, missing: Missing) -> str | None:
    """Return the reference to the whole result of the leaf that a reference names, if it names one."""
    target = view.resolve(node, missing.task)
    if target is None or target == node.index or view.nodes[target].children:
        return None
    return f"{missing.task}.{WHOLE_RESULT}"


def _without_cycles(plan: Plan, repairs: list[Repair]) -> Plan:
    """Cut cycles at dependencies and references.

    Each task has a start and an end; a composite's start comes before, and its end after, those of its subtasks.
    """
    view = outline(plan)
    flow = dataflow(plan, view)
    fixed: list[Edge] = []
    rank = [0] * (2 * len(view.nodes))
    for place, vertex in enumerate(_natural_order(view)):
        rank[vertex] = place
    for node in view.nodes:
        fixed.append((2 * node.index, 2 * node.index + 1))
        if node.parent >= 0:
            fixed.append((2 * node.parent, 2 * node.index))
            fixed.append((2 * node.index + 1, 2 * node.parent + 1))
    waits = [(2 * source + 1, 2 * node) for node, sources in enumerate(view.before) for source in sources]
    uses = [(2 * source + 1, 2 * node) for node, sources in flow.edges().items() for source in sources]
    cut = feedback_edges(2 * len(view.nodes), fixed, list(dict.fromkeys((*waits, *uses))), rank)
    changes = Changes()
    for source_end, target_start in cut:
        _cut(view, flow.sources, changes, (source_end // 2, target_start // 2), repairs)
    return changes.apply(plan, view)


def _natural_order(view: Outline) -> list[int]:
    """List starts and ends of all tasks in document order, as brackets."""
    order: list[int] = []
    still_open: list[int] = []
    for node in view.nodes:
        while still_open and still_open[-1] != node.parent:
            order.append(2 * still_open.pop() + 1)
        order.append(2 * node.index)
        still_open.append(node.index)
    order.extend(2 * index + 1 for index in reversed(still_open))
    return order


def _cut(
    view: Outline, sources: Mapping[int, Mapping[str, int]], changes: Changes, edge: Edge, repairs: list[Repair]
) -> None:
    """Remove one edge: the dependency and the references that create it."""
    source, target = view.nodes[edge[0]], view.nodes[edge[1]]
    earlier = changes.updates.get(target.index, {})
    names = earlier.get("depends_on", target.task.depends_on)
    kept = tuple(name for name in _texts(names) if view.resolve(target, name) != source.index)
    if kept != names:
        changes.set(target.index, depends_on=kept)
    used = {name for name, producer in sources.get(target.index, {}).items() if producer == source.index}
    if used:
        task = target.task.model_copy(
            update={name: earlier[name] for name in ("inputs", "env", "files") if name in earlier}
        )
        changes.set(target.index, **as_text(task, used.__contains__))
        if task.files:
            changes.set(target.index, files=_drop_files(task, used))
    repairs.append(
        Repair("GEN-REPAIR-CYCLE", target.path, f"{target.path!r} no longer waits for {source.path!r}: it was a cycle")
    )


def _texts(names: object) -> tuple[str, ...]:
    return tuple(str(name) for name in names) if isinstance(names, tuple) else ()
