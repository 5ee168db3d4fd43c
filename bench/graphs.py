"""What networkx costs in place of the loops in `genesis.graph.order` and `genesis.validation.reachability`.

    python -m bench.graphs [--quick] [--json] [--data DIR]

The plans are those of `bench.pipeline`. Each row compares one question by our loop and by networkx, in turns: medians
of processor milliseconds, and the ratio. networkx's side includes building its graph, once a question, since no other
part of planning needs one. Of redundant dependencies it finds those as well that follow from a composite's. The import
is measured in processes of their own, with its files cached.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import networkx as nx

from bench.pipeline import plan_document
from bench.report import Bench, arguments
from genesis.graph import build_digraph, find_longest_chains, topological_order
from genesis.model import Plan
from genesis.structure import Outline, dataflow, junctions, outline
from genesis.validation.reachability import ancestor_bits

_SIZES = (1_000, 5_000)
_IMPORT = """
import time, importlib.metadata, inspect, json, logging, re, xml.etree.ElementTree
start = time.process_time()
import networkx
print((time.process_time() - start) * 1e3)
"""

Before = list[tuple[int, ...]]


def _order_by_networkx(before: Before) -> list[int]:
    return list(nx.topological_sort(build_digraph(before)))


def _chains_by_networkx(before: Before) -> list[float]:
    graph = build_digraph(before)
    rest = [0.0] * len(before)
    for vertex in reversed(list(nx.topological_sort(graph))):
        rest[vertex] = 1.0 + max((rest[target] for target in graph.successors(vertex)), default=0.0)
    return rest


def _chains(before: Before) -> list[float]:
    return find_longest_chains(before, [1.0] * len(before), topological_order(before) or [])


def _redundant(tree: Outline, before: Before) -> set[tuple[int, int]]:
    """Find the dependencies that follow from others, as `GEN-DEPENDENCY-REDUNDANT` does."""
    ends = [2 * node.index + 1 if node.children else 2 * node.index for node in tree.nodes]
    joins = [index for index, sources in enumerate(tree.before) if len(sources) > 1]
    asked = dict.fromkeys(ends[source] for index in joins for source in tree.before[index])
    found: set[tuple[int, int]] = set()
    for own, strict in ancestor_bits(before, topological_order(before) or [], asked):
        for index in joins:
            implied = 0
            for source in tree.before[index]:
                implied |= strict[ends[source]]
            found |= {(index, source) for source in tree.before[index] if own.get(ends[source], 0) & implied}
    return found


def _redundant_by_networkx(tree: Outline, before: Before) -> set[tuple[int, int]]:
    reduced = nx.transitive_reduction(build_digraph(before))
    ends = [2 * node.index + 1 if node.children else 2 * node.index for node in tree.nodes]
    stated = ((index, source) for index, sources in enumerate(tree.before) for source in sources)
    return {(index, source) for index, source in stated if not reduced.has_edge(ends[source], 2 * index)}


def _cpu_ms(call: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    start = time.process_time()
    found = call()
    return (time.process_time() - start) * 1e3, found


def measure_import(repeats: int) -> dict[str, Any]:
    """Measure how long `import networkx` takes, beyond what planning imports anyway."""
    argv = [sys.executable, "-c", _IMPORT]
    times = [float(subprocess.run(argv, capture_output=True, check=True, text=True).stdout) for _ in range(repeats + 1)]
    return {"what": "import networkx", "cpu_ms": round(statistics.median(times[1:]), 1)}


def measure(size: int, repeats: int) -> list[dict[str, Any]]:
    """Compare both sides of each question on a plan of this size."""
    plan = Plan.model_validate(plan_document(size))
    tree = outline(plan)
    before = list(junctions(tree, dataflow(plan, tree).edges()).before)
    questions: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "order": (lambda: topological_order(before), lambda: _order_by_networkx(before)),
        "longest chains": (lambda: _chains(before), lambda: _chains_by_networkx(before)),
        "redundant": (lambda: _redundant(tree, before), lambda: _redundant_by_networkx(tree, before)),
    }
    rows = []
    for name, (ours, theirs) in questions.items():
        pairs = [(_cpu_ms(ours), _cpu_ms(theirs)) for _ in range(repeats + 1)][1:]
        assert all(len(own[1]) <= len(other[1]) for own, other in pairs)
        own_ms, other_ms = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        rows.append(
            {
                "tasks": size,
                "question": name,
                "own_ms": round(own_ms, 2),
                "networkx_ms": round(other_ms, 2),
                "ratio": round(other_ms / own_ms, 1),
            }
        )
    return rows


def main() -> None:
    chosen = arguments(__doc__ or "").parse_args()
    repeats = 3 if chosen.quick else 9
    rows = [measure_import(repeats), *(row for size in _SIZES for row in measure(size, repeats))]
    Bench("graphs", rows=rows).show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
