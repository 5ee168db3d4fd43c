"""Directed graphs: order, cycles, generations, reduction; and graphs of tasks written as DOT, GraphML and Mermaid."""

from genesis.graph.formats import GRAPH_FORMATS
from genesis.graph.networks import (
    build_digraph,
    find_components,
    find_cycle,
    find_cycles,
    new_digraph,
    number_generations,
    reduce_transitively,
)
from genesis.graph.order import Before, find_ancestors, find_longest_chains, find_successors, topological_order

__all__ = [
    "GRAPH_FORMATS",
    "Before",
    "build_digraph",
    "find_ancestors",
    "find_components",
    "find_cycle",
    "find_cycles",
    "find_longest_chains",
    "find_successors",
    "new_digraph",
    "number_generations",
    "reduce_transitively",
    "topological_order",
]
