"""Directed graphs: order, cycles, generations, reduction. `graph.formats` writes one as DOT, GraphML or Mermaid."""

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
