"""Select a part of a plan, by the node selection of dbt: `build+`, `+report`, `2+test`, `agent:qa`, `lint*`.

What is not selected is taken out of the plan. Tasks that only what was taken out put in an order keep that order.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate

from genesis.document import close_matches
from genesis.errors import UsageError
from genesis.graph import find_successors
from genesis.model import Plan, Route, RoutedPlan, Selection
from genesis.model.scalars import canonical
from genesis.structure import (
    DataFlow,
    Junctions,
    Node,
    Outline,
    dataflow,
    fillable,
    find_conditions,
    find_meaning,
    junctions,
    list_used_names,
    move_names,
    outline,
    value_names,
)
from genesis.structure.changes import Changes

__all__ = ["Selectors", "select_tasks"]

_CRITERION = re.compile(
    r"(?P<at>@)?(?:(?P<before>[0-9]{0,6})\+)?(?:(?P<method>[a-z]+):(?!$)|(?![a-z]*:))(?P<pattern>[^+@,\s]+?)"
    r"(?:\+(?P<after>[0-9]{0,6}))?"
)
_NAMED = 10
"""Tasks that an error lists."""


@dataclass(frozen=True, slots=True)
class Selectors:
    """What is to be in a plan, and what is not; each text has criteria with `,` for and, and spaces for or."""

    select: tuple[str, ...] = ()
    """Everything if empty."""
    except_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Criterion:
    """One criterion: some tasks, and how much before and after them."""

    text: str
    method: str
    pattern: str
    before: int | None
    """Steps to what comes before; -1 for all of them."""
    after: int | None
    is_whole: bool
    """`@`: what comes after, with all that this comes after."""


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
    matcher = _Matcher(tree, order, routed.routes)
    kept = matcher.find(selectors.select, "--select") if selectors.select else set(tree.leaves)
    kept -= matcher.find(selectors.except_, "--except")
    if not kept:
        raise UsageError(
            "nothing is selected: no task is in all that was asked for",
            hint=f"its tasks: {_list_paths(tree)}; commas mean and, spaces mean or",
            code="GEN-SELECT-EMPTY",
        )
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


def _list_paths(tree: Outline) -> str:
    paths = [node.path for node in tree.nodes[:_NAMED]]
    return ", ".join(paths) + (f" and {len(tree.nodes) - _NAMED} more" if len(tree.nodes) > _NAMED else "")


class _Matcher:
    """Finds the leaves that selectors stand for."""

    def __init__(self, tree: Outline, order: Junctions, routes: Mapping[str, Route]) -> None:
        self._tree = tree
        self._before = [self._nearest(vertex, sources) for vertex, sources in enumerate(order.before)]
        self._after = find_successors(self._before)
        self._routes = routes
        self._methods: dict[str, Callable[[Node, re.Pattern[str]], bool]] = {
            "type": lambda node, wanted: node.is_leaf and wanted.match(node.task.type) is not None,
            "agent": lambda node, wanted: node.is_leaf and wanted.match(self._agent(node)) is not None,
            "label": _has_label,
        }

    def _nearest(self, vertex: int, sources: tuple[int, ...]) -> tuple[int, ...]:
        """Leave out what comes before the whole composite, where something inside of it comes before a task."""
        nodes = self._tree.nodes
        parent = nodes[vertex >> 1].parent

        def is_inside(source: int) -> bool:
            index = nodes[source >> 1].parent
            while index > parent:
                index = nodes[index].parent
            return index == parent

        if vertex & 1 or parent < 0 or not any(map(is_inside, sources)):
            return sources
        return tuple(source for source in sources if source != 2 * parent)

    def find(self, texts: Iterable[str], option: str) -> set[int]:
        """Return the leaves of any of these texts.

        Raises:
            UsageError: One cannot be read, or names no task.
        """
        found: set[int] = set()
        for text in texts:
            for criteria in self._parse(text, option):
                leaves = [self._leaves_of(criterion, option) for criterion in criteria]
                found |= set.intersection(*leaves)
        return found

    def _parse(self, text: str, option: str) -> Iterator[list[_Criterion]]:
        words = re.sub(r"\s*,\s*", ",", canonical(text)).split()
        if not words:
            raise UsageError(f"{option} is empty", hint=f'for example: {option} "build+"', code="GEN-SELECT-SYNTAX")
        for word in words:
            yield [self._parse_criterion(part, word, option) for part in word.split(",")]

    def _parse_criterion(self, text: str, word: str, option: str) -> _Criterion:
        found = _CRITERION.fullmatch(text)
        has_steps = found is not None and (found["before"] is not None or found["after"] is not None)
        if found is None or (found["at"] and has_steps) or (found["method"] or "id") not in {"id", *self._methods}:
            what = f"{text!r} in {word!r}" if text != word else repr(text)
            raise UsageError(
                f"{option}: {what} cannot be read",
                hint="write an id or a path, which may have `*`, or type:, agent: or label: and a value; "
                "`+x` with all before it, `x+` with all after it, `2+x` in two steps, `@x`",
                code="GEN-SELECT-SYNTAX",
            )
        before, after = (None if each is None else int(each or -1) for each in (found["before"], found["after"]))
        return _Criterion(text, found["method"] or "id", found["pattern"], before, after, is_whole=bool(found["at"]))

    def _leaves_of(self, criterion: _Criterion, option: str) -> set[int]:
        named = self._match(criterion)
        if not named:
            raise self._unknown(criterion, option)
        found = set(named)
        if criterion.is_whole:
            found |= self._reach(named, self._after, -1)
            found |= self._reach(found, self._before, -1)
        if criterion.before is not None:
            found |= self._reach(named, self._before, criterion.before)
        if criterion.after is not None:
            found |= self._reach(named, self._after, criterion.after)
        return found

    def _match(self, criterion: _Criterion) -> set[int]:
        """Return the leaves that a criterion names, and those inside of the composites that it names."""
        wanted = re.compile(translate(criterion.pattern.removeprefix("/")))
        by_path = "/" in criterion.pattern
        inside: set[int] = set()
        for node in self._tree.nodes:
            if criterion.method == "id":
                is_named = wanted.match(node.path if by_path else node.task.id) is not None
            else:
                is_named = self._methods[criterion.method](node, wanted)
            if is_named or node.parent in inside:
                inside.add(node.index)
        return inside.intersection(self._tree.leaves)

    def _reach(self, leaves: set[int], edges: Iterable[Iterable[int]], steps: int) -> set[int]:
        """Return the leaves that are reached in so many steps, -1 for any number; only a step to a leaf counts."""
        graph = [*edges]
        steps = len(graph) if steps < 0 else steps
        distance = dict.fromkeys((2 * leaf for leaf in leaves), 0)
        waiting = deque(distance)
        while waiting:
            vertex = waiting.popleft()
            for after in graph[vertex]:
                is_leaf = not after & 1 and not self._tree.nodes[after >> 1].children
                reached = distance[vertex] + is_leaf
                if reached <= steps and reached < distance.get(after, steps + 1):
                    distance[after] = reached
                    (waiting.append if is_leaf else waiting.appendleft)(after)
        return {vertex >> 1 for vertex in distance if not vertex & 1}.intersection(self._tree.leaves)

    def _agent(self, node: Node) -> str:
        route = self._routes.get(node.path)
        return (route.agent if route else node.task.agent) or ""

    def _unknown(self, criterion: _Criterion, option: str) -> UsageError:
        nodes = self._tree.nodes
        known = {
            "id": [each for node in nodes for each in (node.task.id, node.path)],
            "type": [node.task.type for node in nodes if node.is_leaf],
            "agent": [self._agent(node) for node in nodes if node.is_leaf],
            "label": [name for node in nodes for name in node.task.labels],
        }[criterion.method]
        guess = close_matches(criterion.pattern[:200], dict.fromkeys(known))
        listed = (
            ", ".join(dict.fromkeys([*known][: 3 * _NAMED])) if criterion.method != "id" else _list_paths(self._tree)
        )
        return UsageError(
            f"{option}: {criterion.text!r} names no task of the plan",
            hint=guess or f"there are: {listed or 'none'}",
            code="GEN-SELECT-UNKNOWN",
        )


def _has_label(node: Node, wanted: re.Pattern[str]) -> bool:
    labels = node.task.labels.items()
    return any(wanted.match(name) or wanted.match(f"{name}={value}") for name, value in labels)


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
            if "{{" not in f"{node.task.description}{node.task.inputs}{node.task.env}":
                continue

            def was(name: str, old: Node = old) -> bool:
                return name in was_values or find_meaning(self._tree, old, name) is not None

            def is_now(name: str, node: Node = node) -> bool:
                return name in values or find_meaning(view, node, name) is not None

            changes.set(
                node.index,
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
    view = outline(made)
    used = list_used_names(view, find_conditions(made, view))
    gone = list_used_names(tree, find_conditions(plan, tree)) - used
    return made.model_copy(
        update={
            "vars": {name: each for name, each in made.vars.items() if name not in gone},
            "params": {name: each for name, each in made.params.items() if name not in gone},
        }
    )
