"""Plans for the benches of fleets: random ones from a seed, small ones, and workflows that were recorded elsewhere."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.noop import dag

__all__ = [
    "AGENTS", "MIXED_AGENTS", "Recorded", "chains_plan", "convert", "layered_plan", "lower_bound_s", "mixed_plan",
    "read_recorded", "registry", "small_plan", "ten_plan",
]  # fmt: skip

AGENTS = ("build_agent", "qa_agent", "docs_agent", "ops_agent", "research_agent")
MIXED_AGENTS = (*AGENTS, "data_agent", "mail_agent", "test_agent")
_RUN_OF = 4
_SHORTEST_S, _LONGEST_S = 0.1, 3.0


@dataclass(frozen=True)
class Recorded:
    """A workflow that really ran somewhere."""

    name: str
    tasks: tuple[tuple[str, str, float, tuple[int, ...]], ...]
    """Id, kind, seconds and the places of its parents, parents first."""

    @property
    def work_s(self) -> float:
        return sum(task[2] for task in self.tasks)

    @property
    def critical_path_s(self) -> float:
        """Seconds of the longest chain."""
        ends: list[float] = []
        for _, _, seconds, parents in self.tasks:
            ends.append(seconds + max((ends[parent] for parent in parents), default=0.0))
        return max(ends, default=0.0)


def layered_plan(leaves: int, seed: int = 7) -> dict[str, Any]:
    """Make a layered plan: at most three parents a leaf, each leaf's agent drawn from five."""
    rng = random.Random(seed)
    nodes = dag(leaves, seed)
    given = [(node.name, rng.choice(AGENTS), [nodes[source].name for source in node.after]) for node in nodes]
    return _plan(f"Do nothing {leaves} times", given)


def chains_plan(leaves: int, seed: int = 7) -> dict[str, Any]:
    """Make a plan whose agents come in runs of four: each node of the layered plan is a chain of four of one agent."""
    rng = random.Random(seed)
    nodes = dag(-(-leaves // _RUN_OF), seed)
    given: list[tuple[str, str, list[str]]] = []
    for node in nodes:
        agent = rng.choice(AGENTS)
        before = [f"{nodes[source].name}-{_RUN_OF - 1}" for source in node.after]
        for step in range(_RUN_OF):
            given.append((f"{node.name}-{step}", agent, before))
            before = [f"{node.name}-{step}"]
    return _plan(f"Do nothing {leaves} times, four in a row", given[:leaves])


def mixed_plan(leaves: int, seed: int = 7) -> dict[str, Any]:
    """Make a layered plan of tasks that take from 0.1 to 3 s, as their estimates say, of agents drawn from eight."""
    rng = random.Random(seed)
    nodes = dag(leaves, seed)
    given = [(node.name, rng.choice(MIXED_AGENTS), [nodes[source].name for source in node.after]) for node in nodes]
    document = _plan(f"Take {leaves} naps", given)
    for task in document["tasks"]:
        seconds = round(rng.uniform(_SHORTEST_S, _LONGEST_S), 2)
        task |= {"inputs": {"seconds": seconds}, "estimate": {"seconds": seconds}}
    return document


def small_plan(number: int, seed: int = 7) -> dict[str, Any]:
    """Make a plan of three leaves: one, and two after it, of agents drawn from five."""
    rng = random.Random(seed * 10_000 + number)
    first, *others = (rng.choice(AGENTS) for _ in range(3))
    given = [("first", first, []), *((f"then{at}", agent, ["first"]) for at, agent in enumerate(others))]
    return _plan(f"Small run {number}", given)


def ten_plan(number: int, seed: int = 7) -> dict[str, Any]:
    """Make a layered plan of ten leaves that do nothing, of agents drawn from five."""
    return layered_plan(10, seed * 10_000 + number) | {"request": f"Run {number} of ten"}


def _plan(request: str, leaves: Sequence[tuple[str, str, list[str]]]) -> dict[str, Any]:
    tasks = [
        {
            "id": name,
            "type": agent.removesuffix("_agent"),
            "description": f"Do nothing as {name}",
            "depends_on": after,
            "estimate": {"seconds": 0},
        }
        for name, agent, after in leaves
    ]
    return {"version": 1, "request": request, "tasks": tasks}


def registry(executor: Mapping[str, Any], max_concurrency: int = 10, names: Sequence[str] = AGENTS) -> dict[str, Any]:
    """Make the registry of some agents, the five where none are named, all with one executor."""
    return {
        "agents": [
            {
                "name": name,
                "description": f"Does the work of {name}",
                "task_types": [name.removesuffix("_agent")],
                "max_concurrency": max_concurrency,
                "executor": dict(executor),
            }
            for name in names
        ]
    }


def read_recorded(data: Path) -> list[Recorded]:
    """Read the recorded workflows of a data folder, the smallest first."""
    folder = data / "wfinstances"
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not files:
        sys.exit(f"there are no workflows in {folder}; name the folder of the data sets with --data")
    found = [_workflow(file.stem, json.loads(file.read_text("utf-8"))) for file in files]
    return sorted(found, key=lambda workflow: len(workflow.tasks))


def _workflow(name: str, record: Mapping[str, Any]) -> Recorded:
    """Take a record over, its tasks with parents first; ties keep the record's order."""
    by_id = {task["id"]: task for task in record["tasks"]}
    order: dict[str, int] = {}
    while len(order) < len(by_id):
        ready = [key for key, task in by_id.items() if key not in order and all(p in order for p in task["parents"])]
        if not ready:
            sys.exit(f"the workflow {name!r} has a circle")
        for key in ready:
            order[key] = len(order)
    tasks = (
        (
            key,
            by_id[key]["name"].partition("_")[0],
            float(by_id[key]["runtime_s"]),
            tuple(order[p] for p in by_id[key]["parents"]),
        )
        for key in order
    )
    return Recorded(name, tuple(tasks))


def convert(workflow: Recorded) -> dict[str, Any]:
    """Write a workflow as a plan; each kind of task has an agent, in turn, and a task's runtime is its estimate."""
    kinds = list(dict.fromkeys(kind for _, kind, _, _ in workflow.tasks))
    names = [f"t{place}" for place in range(len(workflow.tasks))]
    tasks = [
        {
            "id": names[place],
            "type": AGENTS[kinds.index(kind) % len(AGENTS)].removesuffix("_agent"),
            "description": f"{kind}: {key}",
            "depends_on": [names[parent] for parent in parents],
            "estimate": {"seconds": seconds},
        }
        for place, (key, kind, seconds, parents) in enumerate(workflow.tasks)
    ]
    return {"version": 1, "request": f"The workflow {workflow.name}", "tasks": tasks}


def lower_bound_s(workflow: Recorded, slots: int) -> float:
    """Return a lower bound of the makespan on this number of slots, in seconds."""
    return max(workflow.critical_path_s, workflow.work_s / slots)
