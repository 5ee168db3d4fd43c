"""Selectors of tasks, by the node selection of dbt: `build+`, `+report`, `2+test`, `agent:qa`, `lint*`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate

from genesis.document import close_matches
from genesis.errors import UsageError
from genesis.graph import find_successors
from genesis.model import Route
from genesis.model.scalars import canonical
from genesis.structure import Junctions, Node, Outline

__all__ = ["Selectors", "find_selected"]

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


def find_selected(tree: Outline, order: Junctions, routes: Mapping[str, Route], selectors: Selectors) -> set[int]:
    """Find the leaves that are selected.

    Args:
        tree: The plan's outline.
        order: Its order, results that are used included.
        routes: The agents of the leaves.
        selectors: What is to stay.

    Raises:
        UsageError: A selector cannot be read (`GEN-SELECT-SYNTAX`), names no task (`GEN-SELECT-UNKNOWN`), or nothing is
            left (`GEN-SELECT-EMPTY`).
    """
    matcher = _Matcher(tree, order, routes)
    found = matcher.find(selectors.select, "--select") if selectors.select else set(tree.leaves)
    found -= matcher.find(selectors.except_, "--except")
    if not found:
        raise UsageError(
            "nothing is selected: no task is in all that was asked for",
            hint=f"its tasks: {_list_paths(tree)}; commas mean and, spaces mean or",
            code="GEN-SELECT-EMPTY",
        )
    return found


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
        """Return the leaves within a number of steps, -1 for any number; only a step to a leaf counts."""
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
