"""How well the levels that need no model find the steps of a request and their order.

Against gold graphs of two public sets (WorFBench, arXiv:2410.07869; UltraTool's requests as in GNN4TaskPlan,
arXiv:2405.19119), beside three trivial planners: one task, a chain of the sentences, the sentences in parallel.

**Matching.** WorFBench compares a predicted node with a gold one by the similarity of sentence embeddings, which need a
model. Here two nodes are as similar as the sets of their stemmed content words (Dice coefficient). Pairs are taken
greedily, the most similar first, ties by position, one to one, while the similarity is at least 0.35. Node
precision, recall and F1 count matched nodes. An edge is right when both its ends are matched and the gold graph has it
between their partners. Counts are pooled over the records of a source, so a planner without edges scores 0 on edges.

**What cannot be found.** Many gold nodes are in no word of the request (`lumos` questions, `os` problems); every
planner here scores low there. AsyncHow is left out: its requests are titles, and its steps are not in them.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import Bench, arguments
from genesis.model import Plan
from genesis.planning.heuristic import HeuristicPlanner
from genesis.planning.levels import make_plan
from genesis.planning.minimal import MinimalPlanner
from genesis.planning.planner import Planner, PlanningContext
from genesis.planning.playbook import load_playbooks
from genesis.planning.sentences import mask, sentences
from genesis.planning.words import content_stems
from genesis.settings import Limits
from genesis.structure import outline

THRESHOLD = 0.35


@dataclass(frozen=True)
class TaskGraph:
    """Steps in words, and edges between their positions."""

    nodes: tuple[str, ...]
    edges: frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Record:
    source: str
    request: str
    gold: TaskGraph


@dataclass
class Score:
    predicted_nodes: int = 0
    gold_nodes: int = 0
    matched_nodes: int = 0
    predicted_edges: int = 0
    gold_edges: int = 0
    matched_edges: int = 0
    records: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, predicted: TaskGraph, gold: TaskGraph) -> None:
        partner = match(predicted.nodes, gold.nodes)
        self.records += 1
        self.predicted_nodes += len(predicted.nodes)
        self.gold_nodes += len(gold.nodes)
        self.matched_nodes += len(partner)
        self.predicted_edges += len(predicted.edges)
        self.gold_edges += len(gold.edges)
        self.matched_edges += sum((partner.get(a), partner.get(b)) in gold.edges for a, b in predicted.edges)


def f1(matched: int, predicted: int, gold: int) -> tuple[float, float, float]:
    precision = matched / predicted if predicted else 0.0
    recall = matched / gold if gold else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if matched else 0.0


def match(predicted: Iterable[str], gold: Iterable[str]) -> dict[int, int]:
    """Pair predicted with gold nodes, the most similar first."""
    left = [set(content_stems(text)) for text in predicted]
    right = [set(content_stems(text)) for text in gold]
    pairs = sorted(
        ((_dice(a, b), i, j) for i, a in enumerate(left) for j, b in enumerate(right)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for likeness, i, j in pairs:
        if likeness >= THRESHOLD and i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return partner


def _dice(left: set[str], right: set[str]) -> float:
    return 2 * len(left & right) / (len(left) + len(right)) if left and right else 0.0


def records(data: Path) -> list[Record]:
    found: list[Record] = []
    for row in _rows(data / "worfbench" / "worfbench_eval.jsonl"):
        edges = frozenset((a, b) for a, b in row["edges"])
        found.append(Record(f"worfbench/{row['source']}", row["task"], TaskGraph(tuple(row["nodes"]), edges)))
    for row in _rows(data / "gnn4taskplan" / "ultratool_gold.jsonl"):
        steps = tuple(step.partition(" to ")[2] or step for step in row["task_steps"])
        chain = frozenset((i, i + 1) for i in range(len(steps) - 1))
        found.append(Record("gnn4taskplan", row["user_request"], TaskGraph(steps, chain)))
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        sys.exit(f"there is no file {path}; name the folder of the data sets with --data")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def graph_of(plan: Plan) -> TaskGraph:
    """Return the leaves of a plan, and the edges between them."""
    shape = outline(plan)
    number = {index: position for position, index in enumerate(shape.leaves)}
    edges = {(number[a], number[b]) for b in shape.leaves for a in shape.before[b] if a in number}
    return TaskGraph(tuple(node.task.description for node in shape.leaf_nodes()), frozenset(edges))


def one_task(request: str) -> TaskGraph:
    return TaskGraph((request,), frozenset())


def chain(request: str) -> TaskGraph:
    parts = tuple(sentence.text for sentence in sentences(mask(request))) or (request,)
    return TaskGraph(parts, frozenset((i, i + 1) for i in range(len(parts) - 1)))


def parallel(request: str) -> TaskGraph:
    return TaskGraph(chain(request).nodes, frozenset())


def measure(bench: Bench, everything: list[Record]) -> None:
    context = PlanningContext(limits=Limits(request_characters=1_000_000))
    planners: list[Planner] = [HeuristicPlanner(load_playbooks()), MinimalPlanner()]
    seen: dict[str, tuple[str, bool]] = {}

    def genesis(request: str) -> TaskGraph:
        plan = make_plan(request, planners=planners, context=context)
        seen[request] = (plan.planner, plan.planner_note.startswith("heuristic: playbook "))
        return graph_of(plan)

    systems: dict[str, Callable[[str], TaskGraph]] = {
        "genesis": genesis, "one task": one_task, "sentences, chain": chain, "sentences, parallel": parallel,
    }  # fmt: skip
    sources = ["gnn4taskplan", *sorted({each.source for each in everything if "/" in each.source}), "worfbench"]
    for source in sources:
        chosen = [each for each in everything if each.source == source or each.source.startswith(f"{source}/")]
        for name, system in systems.items():
            _row(bench, source, name, system, chosen)
    levels = Counter(level for level, _ in seen.values())
    by_playbook = sum(is_playbook for _, is_playbook in seen.values())
    bench.add(
        requests=len(seen), by_heuristic=levels["heuristic"], by_minimal=levels["minimal"], by_a_playbook=by_playbook
    )


def _row(bench: Bench, source: str, name: str, system: Callable[[str], TaskGraph], chosen: list[Record]) -> None:
    score = Score()
    for record in chosen:
        start = time.perf_counter()
        predicted = system(record.request)
        score.seconds.append(time.perf_counter() - start)
        score.add(predicted, record.gold)
    node = f1(score.matched_nodes, score.predicted_nodes, score.gold_nodes)
    edge = f1(score.matched_edges, score.predicted_edges, score.gold_edges)
    bench.add(
        source=source, planner=name, records=score.records,
        node_p=round(node[0], 3), node_r=round(node[1], 3), node_f1=round(node[2], 3),
        edge_p=round(edge[0], 3), edge_r=round(edge[1], 3), edge_f1=round(edge[2], 3),
        median_ms=round(1000 * sorted(score.seconds)[len(score.seconds) // 2], 3) if score.seconds else 0.0,
    )  # fmt: skip


def main() -> None:
    options = arguments(__doc__.splitlines()[0]).parse_args()
    everything = records(options.data)
    bench = Bench("planning")
    measure(bench, everything[::5] if options.quick else everything)
    bench.show(as_json=options.as_json)


if __name__ == "__main__":
    main()
