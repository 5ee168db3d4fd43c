"""The hierarchy in a graph of tasks: which composite holds which task, as brackets around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["Step", "walk_clusters"]

Step = tuple[Literal["open", "task", "close"], str, int]
"""The kind of step, its path, and the number of enclosing clusters."""


def walk_clusters(graph: DiGraph[str]) -> Iterator[Step]:
    """Iterate over the tasks in document order, with an opening and a closing step around each composite's tasks.

    Without recursion: a plan may be of any depth. A composite need not be a node itself, as in a program's graph.
    """
    is_open: list[str] = []
    for path, attributes in graph.nodes.items():
        around = _around(path, attributes.get("parent", ""), is_composite=attributes.get("composite", False))
        while is_open and is_open != around[: len(is_open)]:
            yield "close", is_open.pop(), len(is_open)
        for cluster in around[len(is_open) :]:
            yield "open", cluster, len(is_open)
            is_open.append(cluster)
        yield "task", path, len(is_open)
    while is_open:
        yield "close", is_open.pop(), len(is_open)


def _around(path: str, parent: str, *, is_composite: bool) -> list[str]:
    """List the composites around a task, outermost first; a composite is inside its own cluster."""
    inner = path if is_composite else parent
    parts = inner.split("/") if inner else []
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
