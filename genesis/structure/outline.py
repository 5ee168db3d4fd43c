"""The outline of a plan: every task with its path, parent and resolved dependencies, in document order.

It tolerates every fault (duplicates, unknown names, cycles) and records them, so that checks can report them.
A plan with `for_each` has two: as it is written, with each such task once, and as it runs, with the copies.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genesis.model import ExpandedTask, Plan, Task, TaskCopy

__all__ = ["Node", "Outline", "Unresolved", "outline"]


@dataclass(slots=True)
class Node:
    """One task at its place in the plan. Never changed later; to freeze it would double the time of an outline."""

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
    scopes: dict[int, int] = field(default_factory=dict)
    """For each node inside of a `for_each` task, itself included: that task or, as it runs, the copy that it is in."""
    as_run: bool = False
    """Whether `for_each` tasks have their copies, and nothing where these are not known yet."""

    def resolve(self, node: Node, name: str) -> int | None:
        """Find the task that a name stands for at a node: a sibling by id, else any task by its path.

        A path that begins with `/` is never a sibling. In a copy, a path through the `for_each` task leads into the
        same copy.
        """
        if name.startswith("/"):
            name = name[1:]
        elif node.parent >= 0:
            sibling = self.by_path.get(f"{self.nodes[node.parent].path}/{name}")
            if sibling is not None:
                return sibling
        found = self.by_path.get(name)
        if found is None and self.as_run and node.index in self.scopes:
            return self._resolve_in_copy(node, name)
        return found

    def name_at(self, node: Node, target: int) -> str:
        """Return a name by which `resolve` finds a task at a node: the id of a sibling, else a path."""
        wanted = self.nodes[target]
        names = [wanted.path, f"/{wanted.path}"]
        if wanted.parent == node.parent:
            names.insert(0, wanted.task.id)
        return next((name for name in names if self.resolve(node, name) == target), names[0])

    def _resolve_in_copy(self, node: Node, name: str) -> int | None:
        copy = self.scopes.get(node.index)
        while copy is not None:
            written = self.written_path(copy)
            if name.startswith(f"{written}/"):
                return self.by_path.get(self.nodes[copy].path + name[len(written) :])
            copy = self.scopes.get(self.nodes[copy].parent)
        return None

    def written_path(self, index: int) -> str:
        """Return the path that a task has in the plan as it is written: that of its node without the ids of copies."""
        ids: list[str] = []
        while index >= 0:
            task = self.nodes[index].task
            if not isinstance(task, TaskCopy):
                ids.append(task.id)
            index = self.nodes[index].parent
        return "/".join(reversed(ids))

    def leaf_nodes(self) -> list[Node]:
        """Return the leaves in document order."""
        return [self.nodes[index] for index in self.leaves]


@dataclass(slots=True)
class _Walk:
    nodes: list[Node] = field(default_factory=list)
    by_path: dict[str, int] = field(default_factory=dict)
    duplicates: list[int] = field(default_factory=list)
    scopes: dict[int, int] = field(default_factory=dict)


def outline(plan: Plan, *, as_run: bool = False) -> Outline:
    """Make the outline of a plan, in time linear in its tasks and edges.

    Args:
        plan: The plan.
        as_run: List the copies of `for_each` tasks, and none of the task itself; by default the plan as it is written.
    """
    walk = _collect(plan.tasks, as_run=as_run)
    nodes, by_path = walk.nodes, walk.by_path
    partial = Outline(tuple(nodes), by_path, (), (), scopes=walk.scopes, as_run=as_run)
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
        scopes=walk.scopes,
        as_run=as_run,
    )


def _collect(tasks: tuple[Task, ...], *, as_run: bool) -> _Walk:
    """List all tasks depth first, without recursion; a node's children are known once it is left."""
    walk = _Walk()
    waiting: list[tuple[Task, int, str, int]] = [(task, -1, "", 1) for task in reversed(tasks)]
    nodes, by_path, scopes = walk.nodes, walk.by_path, walk.scopes
    children: dict[int, list[int]] = {}
    while waiting:
        task, parent, prefix, depth = waiting.pop()
        is_copied = task.for_each is not None
        if is_copied and not as_run and isinstance(task, ExpandedTask):
            task = task.template
        index, path = len(nodes), f"{prefix}{task.id}"
        nodes.append(Node(index, path, task, parent, depth, ()))
        if parent >= 0:
            children[parent].append(index)
        if by_path.setdefault(path, index) != index:
            walk.duplicates.append(index)
        if isinstance(task, TaskCopy) if as_run else is_copied:
            scopes[index] = index
        elif scopes and parent in scopes:
            scopes[index] = scopes[parent]
        if task.subtasks and not (as_run and is_copied and not isinstance(task, ExpandedTask)):
            children[index], inside = [], f"{path}/"
            waiting += [(child, index, inside, depth + 1) for child in reversed(task.subtasks)]
    for index, found in children.items():
        nodes[index].children = tuple(found)
    return walk
