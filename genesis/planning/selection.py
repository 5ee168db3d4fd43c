"""Make a plan of the tasks that are selected.

What is not selected is taken out of the plan. Tasks that only what was taken out put in an order keep that order.
"""

from __future__ import annotations

from collections.abc import Iterator

from genesis.errors import UsageError
from genesis.model import Plan, RoutedPlan, Selection
from genesis.planning.selectors import Selectors, find_selected
from genesis.structure import (
    DataFlow,
    Junctions,
    Node,
    Outline,
    dataflow,
    describe_wait,
    fillable,
    find_conditions,
    find_meaning,
    find_unused_names,
    junctions,
    move_names,
    outline,
    referring,
    value_names,
)
from genesis.structure.changes import Changes

__all__ = ["select_tasks"]


def select_tasks(routed: RoutedPlan, selectors: Selectors) -> RoutedPlan:
    """Take what is not selected out of a routed plan, with the variables and parameters that only this used.

    Args:
        routed: The plan; agents are those of its routes.
        selectors: What is to stay.

    Raises:
        UsageError: A selector cannot be read (`GEN-SELECT-SYNTAX`), names no task (`GEN-SELECT-UNKNOWN`), nothing is
            left (`GEN-SELECT-EMPTY`), or a task that stays uses a result of one that does not (`GEN-SELECT-INPUT`).
    """
    if not selectors.select and not selectors.except_:
        return routed
    plan = routed.plan
    tree = outline(plan)
    flow = dataflow(plan, tree)
    order = junctions(tree, _edges(plan, tree, flow))
    kept = find_selected(tree, order, routed.routes, selectors)
    dropped = _find_dropped(tree, kept)
    smaller = _Smaller(plan, tree, flow, order, dropped)
    made = smaller.make()
    before = plan.selection
    left_out = [node.path for node in tree.nodes if node.index in dropped and node.parent not in dropped]
    selection = Selection(
        select=selectors.select,
        except_=selectors.except_,
        left_out=(*(before.left_out if before else ()), *left_out),
    )
    kept_paths = {tree.nodes[index].path for index in kept}
    return routed.model_copy(
        update={
            "plan": made.model_copy(update={"selection": selection if selection.left_out else None}),
            "routes": {path: route for path, route in routed.routes.items() if path in kept_paths},
        }
    )


def _edges(plan: Plan, tree: Outline, flow: DataFlow) -> dict[int, tuple[int, ...]]:
    """Return the order that inputs, lists and conditions imply."""
    edges = flow.edges()
    for node, found in find_conditions(plan, tree).by_node.items():
        edges[node] = (*edges.get(node, ()), *found.sources.values())
    return edges


def _find_dropped(tree: Outline, kept: set[int]) -> set[int]:
    """Return the leaves that do not stay, and the composites in which nothing does."""
    dropped = set(tree.leaves) - kept
    for node in reversed(tree.nodes):
        if node.children and all(child in dropped for child in node.children):
            dropped.add(node.index)
    return dropped


class _Smaller:
    """Makes the plan without what is left out."""

    def __init__(self, plan: Plan, tree: Outline, flow: DataFlow, order: Junctions, dropped: set[int]) -> None:
        self._plan = plan
        self._tree = tree
        self._flow = flow
        self._before = order.before
        self._dropped = dropped
        self._touched = self._find_touched()

    def _find_touched(self) -> set[int]:
        """Return the composites that stay without some of their tasks."""
        touched: set[int] = set()
        for index in self._dropped:
            parent = self._tree.nodes[index].parent
            while parent >= 0 and parent not in touched and parent not in self._dropped:
                touched.add(parent)
                parent = self._tree.nodes[parent].parent
        return touched

    def make(self) -> Plan:
        """Return the plan.

        Raises:
            UsageError: A task that stays uses a result of one that does not.
        """
        changes = Changes(dropped=set(self._dropped))
        for node in self._tree.nodes:
            if node.index not in self._dropped:
                self._set_dependencies(node, changes)
        made = changes.apply(self._plan, self._tree)
        made = _without_unused_values(self._plan, self._tree, made)
        view = outline(made)
        self._refuse_lost_results(made, view)
        return self._with_text(made, view)

    def _set_dependencies(self, node: Node, changes: Changes) -> None:
        """Put what comes before the tasks that are left out in their place."""
        sources = self._flow.sources.get(node.index, {}).values()
        targets = (*self._tree.before[node.index], *sources)
        if not any(target in self._dropped or target in self._touched for target in targets):
            return
        names = [name for name in node.task.depends_on if self._tree.resolve(node, name) not in self._dropped]
        around = set(self._with_above(node.index))
        found = {self._lift(each, around) for each in self._find_before(node, around)}
        known = {node.index, *(each for each in targets if each not in self._dropped)}
        for each in sorted(found - known):
            _, *above = self._with_above(each)
            if not any(composite in found or composite in known for composite in above):
                names.append(self._tree.name_at(node, each))
        if names != list(node.task.depends_on):
            changes.set(node.index, depends_on=tuple(names))

    def _find_before(self, node: Node, around: set[int]) -> set[int]:
        """Return the nearest tasks before a task that stay, on all ways through those that do not.

        Args:
            node: The task.
            around: It and the composites around it; what comes before these is not its own.
        """
        found: set[int] = set()
        waiting = [*self._before[2 * node.index]]
        seen = {2 * each for each in around}
        while waiting:
            vertex = waiting.pop()
            if vertex in seen:
                continue
            seen.add(vertex)
            each = vertex >> 1
            is_end = vertex & 1 or not self._tree.nodes[each].children
            if is_end and each not in self._dropped and each not in around:
                found.add(each)
                if each not in self._touched:
                    continue
            waiting += self._before[vertex]
        return found

    def _with_above(self, index: int) -> Iterator[int]:
        """Yield a task and the composites around it, from the inside."""
        while index >= 0:
            yield index
            index = self._tree.nodes[index].parent

    def _lift(self, index: int, around: set[int]) -> int:
        """Return a task, or the outermost `for_each` task around it alone: what is in there has no name outside."""
        found = index
        for each in self._with_above(index):
            if each in around:
                break
            if self._tree.nodes[each].task.for_each is not None:
                found = each
        return found

    def _refuse_lost_results(self, made: Plan, view: Outline) -> None:
        """Refuse references to results of tasks that were left out.

        Raises:
            UsageError: It names the first of them, and what to select, too.
        """
        was, now = _results(self._plan, self._tree), _results(made, view)
        lost = [
            (path, name, producer)
            for path, found in was.items()
            if path in view.by_path
            for name, producer in found.items()
            if now.get(path, {}).get(name) != producer
        ]
        if not lost:
            return
        path, name, producer = lost[0]
        more = f", and {len(lost) - 1} more are missing" if len(lost) > 1 else ""
        raise UsageError(
            f"task {path!r} uses {{{name}}} of {producer!r}, which is not selected{more}",
            hint=f"select what it needs, too, as +{path}, or leave it out as well",
            code="GEN-SELECT-INPUT",
            data={"missing": [{"task": each[0], "reference": each[1], "producer": each[2]} for each in lost]},
        )

    def _with_text(self, made: Plan, view: Outline) -> Plan:
        """Write names in doubled braces, which were known and are not any more, in single ones."""
        changes = Changes()
        was_values, values = value_names(self._plan), value_names(made)
        for node in view.nodes:
            old = self._tree.nodes[self._tree.by_path[node.path]]
            if "{{" not in f"{node.task.description}{referring(node.task)}":
                continue

            def was(name: str, old: Node = old) -> bool:
                return name in was_values or find_meaning(self._tree, old, name) is not None

            def is_now(name: str, node: Node = node) -> bool:
                return name in values or find_meaning(view, node, name) is not None

            wait = node.task.wait_for
            changes.set(
                node.index,
                wait_for=wait and wait.model_copy(update=move_names(describe_wait(wait), lambda _: None, was, is_now)),
                description=move_names(
                    node.task.description, lambda _: None, was_values.__contains__, values.__contains__
                ),
                inputs={**node.task.inputs, **move_names(dict(fillable(node.task)), lambda _: None, was, is_now)},
                env=move_names(dict(node.task.env), lambda _: None, was, is_now),
            )
        return changes.apply(made, view)


def _results(plan: Plan, tree: Outline) -> dict[str, dict[str, str]]:
    """Return for each task the results that it uses, with the paths of the tasks that are to give them."""
    flow = dataflow(plan, tree)
    found: dict[str, dict[str, str]] = {}
    sources = [
        *flow.sources.items(),
        *((node, each.sources) for node, each in find_conditions(plan, tree).by_node.items()),
    ]
    for node, names in sources:
        for name, producer in names.items():
            found.setdefault(tree.nodes[node].path, {})[name] = tree.nodes[producer].path
    for missing in flow.missing:
        target = tree.resolve(tree.nodes[missing.node], missing.task)
        path = missing.task if target is None else tree.nodes[target].path
        found.setdefault(tree.nodes[missing.node].path, {})[missing.reference] = path
    return found


def _without_unused_values(plan: Plan, tree: Outline, made: Plan) -> Plan:
    """Leave out the variables and parameters that only tasks use that are left out."""
    names, view = value_names(plan), outline(made)
    gone = set(find_unused_names(names, view, find_conditions(made, view)))
    gone -= set(find_unused_names(names, tree, find_conditions(plan, tree)))
    return made.model_copy(
        update={
            "vars": {name: each for name, each in made.vars.items() if name not in gone},
            "params": {name: each for name, each in made.params.items() if name not in gone},
        }
    )
