"""The formats in which other tools read a graph of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from genesis.graph.dot import dump_dot
from genesis.graph.graphml import dump_graphml
from genesis.graph.mermaid import dump_mermaid

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["GRAPH_FORMATS"]

GRAPH_FORMATS: Mapping[str, Callable[[DiGraph[str]], str]] = {
    "dot": dump_dot,
    "graphml": dump_graphml,
    "mmd": dump_mermaid,
}
"""The writer of each format, by name, which is also the file ending."""
