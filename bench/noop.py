"""One run of a DAG of tasks that do nothing, by Genesis or by a hand-written Prefect flow, in a fresh process.

    python -m bench.noop SIDE LEAVES [--server-pid PID]

`overhead` and `memory` start it and read the one JSON document that it prints. The sides are `genesis`; `persisted`, a
flow whose tasks persist their results; and `bare`, the same flow without that. All have the same tasks, edges, names
and retries, and sixteen tasks at once. Each side imports only what it uses: that is part of what is measured.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.server import Server, cpu_s

if TYPE_CHECKING:
    from genesis.model import Outcome, Program, Run
    from genesis.settings import Settings

__all__ = ["SIDES", "DagNode", "dag", "document", "nap", "program", "run_side", "work"]

SIDES = ("genesis", "persisted", "bare")
_AGENTS = ("build_agent", "qa_agent", "docs_agent", "ops_agent")
_SLOTS = 16
_RETRIES = 2
_DELAYS_S = [1.0, 2.0]
_CHILD_S = 600.0


@dataclass(frozen=True)
class DagNode:
    """One task of the DAG."""

    stage: str
    name: str
    agent: str
    after: tuple[int, ...]

    @property
    def path(self) -> str:
        return f"{self.stage}/{self.name}"


def dag(leaves: int, seed: int = 7) -> list[DagNode]:
    """Make a layered DAG in topological order: layers of varying width, one to three upstream tasks each."""
    rng = random.Random(seed)
    width = max(4, int(leaves**0.5))
    nodes: list[DagNode] = []
    before: list[int] = []
    while len(nodes) < leaves:
        size = min(leaves - len(nodes), rng.randint(max(1, width // 2), width * 3 // 2))
        layer = list(range(len(nodes), len(nodes) + size))
        stage = f"stage{len({node.stage for node in nodes})}"
        for number in layer:
            after = tuple(rng.sample(before, min(len(before), rng.randint(1, 3)))) if before else ()
            nodes.append(DagNode(stage, f"leaf{number}", _AGENTS[number % len(_AGENTS)], after))
        before = layer
    return nodes


def document(nodes: list[DagNode]) -> dict[str, Any]:
    """Return the DAG as a plan document, a composite task a layer."""
    stages: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        leaf = {
            "id": node.name,
            "type": node.agent.removesuffix("_agent"),
            "description": f"Do nothing as {node.path}",
            "depends_on": [nodes[source].path for source in node.after],
            "retries": _RETRIES,
            "estimate": {"seconds": 1},
        }
        stages.setdefault(node.stage, []).append(leaf)
    tasks = [
        {"id": stage, "description": f"All of {stage}", "subtasks": subtasks} for stage, subtasks in stages.items()
    ]
    return {"version": 1, "request": "Do nothing, many times", "tasks": tasks}


def registry_document() -> dict[str, Any]:
    agents = [
        {
            "name": name,
            "description": f"Does nothing for {name}",
            "task_types": [name.removesuffix("_agent")],
            "max_concurrency": _SLOTS,
            "executor": {"kind": "python", "call": "bench.noop:work"},
        }
        for name in _AGENTS
    ]
    return {"agents": agents}


def work() -> dict[str, bool]:
    """Do what every task does."""
    return {"done": True}


def nap(seconds: float) -> dict[str, float]:
    """Take some time and no processor, as a task does that waits for a service."""
    time.sleep(seconds)
    return {"seconds": seconds}


@dataclass
class Marks:
    """Points in time of a run: wall clock, processor time of this process and of the server."""

    server: int | None
    at: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def note(self, name: str) -> None:
        times = os.times()
        server = cpu_s(self.server) if self.server else 0.0
        self.at[name] = (time.perf_counter(), times.user + times.system, server)

    def between(self, first: str, last: str) -> tuple[float, float, float]:
        wall, cpu, server = (b - a for a, b in zip(self.at[first], self.at[last], strict=True))
        return round(wall, 4), round(cpu, 4), round(server, 4)


class Apart:
    """Seconds spent in what the comparison shows apart: the pre-flight and the artifacts."""

    def __init__(self) -> None:
        self.seconds = {"preflight": 0.0, "artifacts": 0.0}
        self._inside = False

    def install(self) -> None:
        """Time the calls of Genesis where it makes them."""
        from genesis.engine.observers.artifacts import Publisher
        from genesis.flows import orchestrate

        orchestrate.run_preflight = self._timed("preflight", orchestrate.run_preflight)
        for name in ("markdown", "table", "update"):
            setattr(Publisher, name, self._timed("artifacts", getattr(Publisher, name)))

    def _timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def time_call(*given: Any, **named: Any) -> Any:
            if part == "artifacts" and self._inside:
                return await call(*given, **named)
            self._inside = part == "preflight"
            start = time.perf_counter()
            try:
                return await call(*given, **named)
            finally:
                self._inside = False
                self.seconds[part] += time.perf_counter() - start

        return time_call


def run_genesis(leaves: int, marks: Marks) -> dict[str, Any]:
    """Run the DAG as `genesis run` does, ledger, pre-flight and artifacts included."""
    import asyncio

    from genesis.flows.launch import Launch, start_run
    from genesis.settings import Settings

    start = time.perf_counter()
    settings = Settings()
    compiled_program = program(leaves, settings)
    planned_s = time.perf_counter() - start
    apart = Apart()
    apart.install()
    marks.note("start")
    run = asyncio.run(start_run(compiled_program, Launch(settings, observer=_Watch(marks, leaves))))
    marks.note("end")
    done = sum(task.state == "completed" for task in run.tasks)
    return {"completed": done, "plan_s": round(planned_s, 4)} | {
        f"{part}_s": round(seconds, 4) for part, seconds in apart.seconds.items()
    }


def program(leaves: int, settings: Settings) -> Program:
    """Plan, route, check and compile the DAG."""
    from genesis.model import Registry
    from genesis.pipeline import compile_prepared, prepare
    from genesis.planning import load_plan

    plan = load_plan(document(dag(leaves)), limits=settings.limits)
    return compile_prepared(prepare(plan, Registry.model_validate(registry_document()), settings=settings), settings)


class _Watch:
    """Notes the first submit and the last final state."""

    def __init__(self, marks: Marks, leaves: int) -> None:
        self._marks = marks
        self._left = leaves

    def run_started(self, program: Program, run: Run, finished: object) -> None:
        """Wait for the first leaf."""

    def leaf_changed(self, outcome: Outcome) -> None:
        if outcome.state == "running":
            if "first" not in self._marks.at:
                self._marks.note("first")
            return
        self._left -= 1
        if not self._left:
            self._marks.note("last")

    def leaf_diverted(self, leaf: object, kind: str, reason: str) -> None:
        """No leaf is put back here."""

    def run_ended(self, run: Run) -> None:
        """Nothing is left to note."""


def run_prefect(leaves: int, marks: Marks, *, persist: bool) -> dict[str, Any]:
    """Run the DAG as a person would write it: submit every task after its upstream futures, then wait for all."""
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.task_runners import ThreadPoolTaskRunner

    nodes = dag(leaves)

    @task(
        task_run_name="{agent} · {path}",
        retries=_RETRIES,
        retry_delay_seconds=_DELAYS_S,
        persist_result=persist,
        cache_policy=NO_CACHE,
    )
    def leaf(agent: str, path: str) -> dict[str, bool]:  # noqa: ARG001 (they name the task run)
        return work()

    @flow(name="hand-written", task_runner=ThreadPoolTaskRunner(max_workers=_SLOTS))  # type: ignore[arg-type]
    def by_hand() -> int:
        marks.note("first")
        futures: list[Any] = []
        for node in nodes:
            upstream = [futures[source] for source in node.after]
            futures.append(leaf.submit(agent=node.agent, path=node.path, wait_for=upstream))
        for future in futures:
            future.wait()
        marks.note("last")
        return sum(future.state.is_completed() for future in futures)

    marks.note("start")
    completed = by_hand()
    marks.note("end")
    return {"completed": completed}


def _drain() -> None:
    """Wait until everything about the run has reached the server, as a process does before it ends."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    EventsWorker.drain_all()
    APILogWorker.drain_all()


def peak_mb() -> float:
    """Return the largest resident size of this process in MB. (`ru_maxrss` starts with that of the parent.)"""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii"))
        if found:
            return round(int(found[1]) / 1024, 1)
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 2**20), 1)


def run_side(side: str, leaves: int, server: Server) -> dict[str, Any]:
    """Run one side in a fresh process and give what it measured.

    Raises:
        SystemExit: It failed, or not every task completed.
    """
    argv = [sys.executable, "-m", "bench.noop", side, str(leaves), "--server-pid", str(server.pid)]
    environment = server.environment | {
        "GENESIS_LIMITS__LEAVES": str(max(leaves, 1_000)),
        "GENESIS_RUN__SLOTS": str(_SLOTS),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # as `genesis run` sets it; the same for all sides
    }
    root = Path(__file__).parent.parent
    done = subprocess.run(
        argv, env=environment, cwd=root, capture_output=True, text=True, timeout=_CHILD_S, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"side"')]
    if done.returncode or not lines:
        raise SystemExit(f"the {side} side failed with {leaves} tasks\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    if found["completed"] != leaves:
        raise SystemExit(f"the {side} side completed {found['completed']} of {leaves} tasks\n{done.stderr[-3000:]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("leaves", type=int)
    parser.add_argument("--server-pid", type=int)
    chosen = parser.parse_args()
    marks = Marks(chosen.server_pid)
    if chosen.side == "genesis":
        found = run_genesis(chosen.leaves, marks)
    else:
        found = run_prefect(chosen.leaves, marks, persist=chosen.side == "persisted")
    peak = peak_mb()
    _drain()
    marks.note("drained")
    spans = {"window": ("first", "last"), "before": ("start", "first"), "after": ("last", "end")}
    spans |= {"drain": ("end", "drained"), "whole": ("start", "drained")}
    row: dict[str, Any] = {"side": chosen.side, "leaves": chosen.leaves} | found
    for name, (first, last) in spans.items():
        row |= dict(
            zip((f"{name}_s", f"{name}_cpu_s", f"{name}_server_cpu_s"), marks.between(first, last), strict=True)
        )
    print(json.dumps(row | {"peak_at_end_mb": peak, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
