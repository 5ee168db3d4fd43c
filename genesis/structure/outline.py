"""The outline of a plan: every task with its path, parent and resolved dependencies, in document order.

It tolerates every fault (duplicates, unknown names, cycles) and records them, so that checks can report them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genesis.model import Plan, Task

__all__ = ["Node", "Outline", "Unresolved", "outline"]


@dataclass(slots=True)
class Node:
    """One task at its place in the plan. Never changed; to freeze it would take half of the time of an outline."""

    index: int
    """Position in document order (depth first)."""
    path: str
    """Ids from the root, joined by `/`."""
    task: Task
    parent: int
    """Index of the composite that holds it, -1 at the top."""
    depth: int
    """1 at the top."""
    children: tuple[int, ...]
    """Indexes of the subtasks; empty for a leaf."""

    @property
    def is_leaf(self) -> bool:
        """Whether it runs."""
        return not self.children


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A `depends_on` entry that names no task."""

    node: int
    name: str


@dataclass(frozen=True, slots=True)
class Outline:
    """All tasks of a plan, flat."""

    nodes: tuple[Node, ...]
    by_path: dict[str, int]
    """First node of each path."""
    before: tuple[tuple[int, ...], ...]
    """For each node the nodes that its `depends_on` names, resolved, without repeats."""
    leaves: tuple[int, ...]
    """Indexes of the leaves in document order."""
    duplicates: tuple[int, ...] = ()
    """Nodes whose path an earlier node has."""
    unresolved: tuple[Unresolved, ...] = ()

    def resolve(self, node: Node, name: str) -> int | None:
        """Find the task that a name stands for at a node: a sibling by id, else any task by its path."""
        if node.parent >= 0:
            sibling = self.by_path.get(f"{self.nodes[node.parent].path}/{name}")
            if sibling is not None:
                return sibling
        return self.by_path.get(name)

    def leaf_nodes(self) -> list[Node]:
        """Return the leaves in document order."""
        return [self.nodes[index] for index in self.leaves]


@dataclass(slots=True)
class _Walk:
    nodes: list[Node] = field(default_factory=list)
    by_path: dict[str, int] = field(default_factory=dict)
    duplicates: list[int] = field(default_factory=list)


def outline(plan: Plan) -> Outline:
    """Make the outline of a plan, in time linear in its tasks and edges."""
    walk = _collect(plan.tasks)
    nodes, by_path = walk.nodes, walk.by_path
    partial = Outline(tuple(nodes), by_path, (), ())
    before: list[tuple[int, ...]] = []
    unresolved: list[Unresolved] = []
    for node in nodes:
        names = node.task.depends_on
        if not names:
            before.append(())
            continue
        found: dict[int, None] = {}
        for name in names:
            target = partial.resolve(node, name)
            if target is None:
                unresolved.append(Unresolved(node.index, name))
            else:
                found[target] = None
        before.append(tuple(found))
    return Outline(
        nodes=partial.nodes,
        by_path=by_path,
        before=tuple(before),
        leaves=tuple(node.index for node in nodes if not node.children),
        duplicates=tuple(walk.duplicates),
        unresolved=tuple(unresolved),
    )


def _collect(tasks: tuple[Task, ...]) -> _Walk:
    """List all tasks depth first, without recursion; a node's children are known once it is left."""
    walk = _Walk()
    waiting: list[tuple[Task, int, str, int]] = [(task, -1, "", 1) for task in reversed(tasks)]
    rows: list[tuple[Task, str, int, int]] = []
    children: dict[int, list[int]] = {}
    while waiting:
        task, parent, prefix, depth = waiting.pop()
        index, path = len(rows), f"{prefix}{task.id}"
        rows.append((task, path, parent, depth))
        if parent >= 0:
            children[parent].append(index)
        if path in walk.by_path:
            walk.duplicates.append(index)
        else:
            walk.by_path[path] = index
        if task.subtasks:
            children[index], inside = [], f"{path}/"
            waiting += [(child, index, inside, depth + 1) for child in reversed(task.subtasks)]
    walk.nodes = [
        Node(index, path, task, parent, depth, tuple(children.get(index, ())))
        for index, (task, path, parent, depth) in enumerate(rows)
    ]
    return walk
