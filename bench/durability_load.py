"""Durability scenarios with many leaves, large inputs, a busy machine, and what they cost the server."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx

from bench import durability_work as work
from bench.durability_stage import Found, Stage, until
from bench.report import percentile
from bench.server import wait_until_quiet

__all__ = [
    "counted_genesis",
    "counted_prefect",
    "counter_genesis",
    "counter_prefect",
    "events_genesis",
    "events_prefect",
    "forked_genesis",
    "forked_prefect",
    "heavy_input_genesis",
    "heavy_input_prefect",
    "latency_genesis",
    "latency_prefect",
    "many_runs_genesis",
    "many_runs_prefect",
    "page_genesis",
    "page_prefect",
    "saturated_genesis",
    "saturated_prefect",
]

_LARGE = {"GENESIS_LIMITS__LEAVES": "10000"}
_LONGEST_S = 900.0
_ANSWER_S = 2.0
"""What the server may take to answer, p95, while a large run continues; and a page of it afterwards."""
_ROWS_A_LEAF = 12.0
_MOST_PARAMETERS = 10_000
_TURNS = 5
_BURN = "while True: pass"


def _noops(stage: Stage, count: int, *words: str, what: str = "noops") -> tuple[Any, str]:
    name = stage.name(what)
    run = stage.run(name, [stage.leaf(name, f"l{at}", "noop") for at in range(count)], *words, **_LARGE)
    return run, run.wait_for_end(_LONGEST_S)


def many_runs_genesis(stage: Stage) -> Found:
    """Run many runs of ten leaves, four at a time, each with five slots."""
    runs, states = stage.size(100, 8), []
    for begin in range(0, runs, 4):
        mine = []
        for at in range(begin, min(begin + 4, runs)):
            name = stage.name(f"many{at}")
            mine.append(stage.run(name, [stage.leaf(name, f"l{n}", "noop") for n in range(10)], "--slots", "5"))
        states += [run.wait_for_end() for run in mine]
    left = until(lambda: not stage.list_unfinished(), 30, pause_s=0.5)
    right = bool(left) and set(states) == {"completed"}
    return Found(right, f"{states.count('completed')} of {runs} completed, {len(stage.unfinished())} left Running")


def many_runs_prefect(stage: Stage) -> Found:
    runs = stage.size(100, 8)
    found = stage.script("many", wait_s=_LONGEST_S, runs=runs, leaves=10)
    until(lambda: not stage.list_unfinished(), 30, pause_s=0.5)
    left = len(stage.list_unfinished())
    return Found(found.get("value") == 10 * runs and not left, f"{found.get('value')} tasks, {left} runs left Running")


def counted_genesis(stage: Stage) -> Found:
    """Count the task runs that the API has of a run of leaves that do nothing."""
    count = stage.size(1_000, 100)
    run, state = _noops(stage, count)
    until(lambda: stage.task_runs(run.flow_run, "COMPLETED") == count, 60, pause_s=1.0)
    found = stage.task_runs(run.flow_run, "COMPLETED")
    return Found(state == "completed" and found == count, f"{state}; {found} of {count} Completed in the API")


def counted_prefect(stage: Stage) -> Found:
    count = stage.size(1_000, 100)
    stage.script("map", wait_s=_LONGEST_S, count=count)
    latest = stage.api("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["COMPLETED"]}}}, limit=1,
                       sort="START_TIME_DESC")[0]["id"]  # fmt: skip
    until(lambda: stage.task_runs(latest, "COMPLETED") == count, 60, pause_s=1.0)
    found = stage.task_runs(latest, "COMPLETED")
    return Found(found == count, f"{found} of {count} Completed in the API")


@contextmanager
def _saturate() -> Iterator[None]:
    """Keep every core busy with two other processes."""
    burners = [subprocess.Popen([sys.executable, "-c", _BURN]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def saturated_genesis(stage: Stage) -> Found:
    """Run leaves that use the processor on a machine whose cores are busy."""
    stage.workers(1)
    count, name = stage.size(150, 30), stage.name("busy")
    with _saturate():
        run = stage.run(name, [stage.leaf(name, f"l{at}", "burn", 0.1) for at in range(count)], "--pools")
        state = run.wait_for_end(_LONGEST_S)
    crashed = stage.flow_runs("CRASHED", run_id=run.run_id)
    done = sum(outcome["state"] == "completed" for outcome in run.outcomes().values())
    return Found(state == "completed" and not crashed, f"{done} of {count} completed, {len(crashed)} Crashed")


def saturated_prefect(stage: Stage) -> Found:
    """Run flow runs of a process worker, fewer by five, since each starts a program."""
    pool, name, count = "stock-busy", stage.name("busy"), stage.size(150, 30) // 5
    stage.stock(pool, "step_flow")
    made = []
    with _saturate():
        made = [stage.stock_run("step_flow", pool, name, f"l{at}", 0.1).id for at in range(count)]
        until(lambda: not stage.list_unfinished(), stage.size(600, 150), pause_s=2.0)
    names = [stage.state_of(one) for one in made]
    done = names.count("Completed")
    return Found(done == count, f"{done} of {count} completed, {names.count('Crashed')} Crashed")


def counter_genesis(stage: Stage) -> Found:
    """Have three workers do leaves that each add one to a counter."""
    stage.workers(3)
    count, name = stage.size(500, 60), stage.name("counter")
    run = stage.run(name, [stage.leaf(name, f"l{at}", "step") for at in range(count)], "--pools")
    state = run.wait_for_end(_LONGEST_S)
    return Found(state == "completed" and len(run.marks()) == count, f"{state}, counter {len(run.marks())} of {count}")


def counter_prefect(stage: Stage) -> Found:
    """Have three process workers do flow runs, fewer by five, since each starts a program."""
    pool, name, count = "stock-counter", stage.name("counter"), stage.size(500, 60) // 5
    stage.stock(pool, "step_flow", workers=3)
    for at in range(count):
        stage.stock_run("step_flow", pool, name, f"l{at}", 0.0)
    until(lambda: not stage.list_unfinished(), _LONGEST_S, pause_s=2.0)
    found = len(work.marks(stage.database, name))
    return Found(found == count, f"counter {found} of {count}")


def heavy_input_genesis(stage: Stage) -> Found:
    """Return a leaf on a pool an input of five megabytes."""
    stage.workers(1)
    name, big = stage.name("large"), "x" * (5_000_000 if not stage.quick else 1_000_000)
    run = stage.run(name, [stage.leaf(name, "one", "step", inputs={"big": big})], "--pools")
    state = run.wait_for_end()
    sizes = [len(json.dumps(one["parameters"])) for one in stage.flow_runs(run_id=run.run_id)]
    most = max(sizes, default=0)
    right = state == "completed" and 0 < most < _MOST_PARAMETERS
    return Found(right, f"{state}; parameters of {most:,} bytes at most")


def heavy_input_prefect(stage: Stage) -> Found:
    pool, name, size = "stock-large", stage.name("large"), 5_000_000 if not stage.quick else 1_000_000
    stage.stock(pool, "step_flow")
    try:
        flow_run = stage.stock_run("step_flow", pool, name, "one", 0.0, big="x" * size)
    except Exception as error:  # noqa: BLE001  # the refusal is what this side is about
        return Found(right=False, figure=f"refused: {str(error).splitlines()[0]}"[:120])
    until(lambda: stage.is_final(flow_run.id), 60, pause_s=0.5)
    return Found(right=False, figure=f"{stage.state_of(flow_run.id)}; parameters of {size:,} bytes")


class _Prober:
    """Asks the server the same small question again and again, and notes how long the answer takes."""

    def __init__(self, stage: Stage):
        self._url = f"{stage.stack.api_url}/flow_runs/filter"
        self._headers = stage.stack.headers
        self._stop = threading.Event()
        self.took_s: list[float] = []
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        with httpx.Client(timeout=30, headers=self._headers) as client:
            while not self._stop.wait(0.2):
                begun = time.monotonic()
                try:
                    client.post(self._url, json={"limit": 10}).raise_for_status()
                    self.took_s.append(time.monotonic() - begun)
                except httpx.HTTPError:
                    self.took_s.append(30.0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def p95(self) -> float:
        return percentile(self.took_s, 95) if self.took_s else 99.0


def latency_genesis(stage: Stage) -> Found:
    """Ask the server while a large run continues."""
    count = stage.size(2_000, 200)
    with _Prober(stage) as prober:
        _, state = _noops(stage, count)
    right = state == "completed" and prober.p95() <= _ANSWER_S
    return Found(right, f"{state}, {count} leaves; p95 {prober.p95() * 1e3:.0f} ms")


def latency_prefect(stage: Stage) -> Found:
    count = stage.size(2_000, 200)
    with _Prober(stage) as prober:
        found = stage.script("map", wait_s=_LONGEST_S, count=count)
    right = found.get("value") == count and prober.p95() <= _ANSWER_S
    return Found(right, f"{found.get('value')} mapped; p95 {prober.p95() * 1e3:.0f} ms")


def page_genesis(stage: Stage) -> Found:
    """Ask what the page of a large run asks: the run, its graph, its tasks, its logs and artifacts."""
    count = stage.size(1_000, 100)
    run, state = _noops(stage, count)
    return _page(stage, str(run.flow_run), f"{state}, {count} leaves")


def page_prefect(stage: Stage) -> Found:
    count = stage.size(1_000, 100)
    stage.script("map", wait_s=_LONGEST_S, count=count)
    latest = stage.api("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["COMPLETED"]}}}, limit=1,
                       sort="START_TIME_DESC")[0]["id"]  # fmt: skip
    return _page(stage, latest, f"{count} mapped")


def _page(stage: Stage, flow_run: str, what: str) -> Found:
    wait_until_quiet(stage.stack.server_pid)
    mine = {"flow_runs": {"id": {"any_": [flow_run]}}}
    logs = {"logs": {"flow_run_id": {"any_": [flow_run]}}}
    took: dict[str, float] = {}
    with httpx.Client(timeout=60, base_url=stage.stack.api_url, headers=stage.stack.headers) as client:
        asked: dict[str, Callable[[], httpx.Response]] = {
            "run": lambda: client.get(f"/flow_runs/{flow_run}"),
            "graph": lambda: client.get(f"/flow_runs/{flow_run}/graph-v2"),
            "tasks": lambda: client.post("/task_runs/filter", json=mine | {"limit": 200}),
            "logs": lambda: client.post("/logs/filter", json=logs | {"limit": 200}),
            "artifacts": lambda: client.post("/artifacts/filter", json=mine | {"limit": 50}),
        }
        for name, ask in asked.items():
            turns = []
            for _ in range(_TURNS):
                begun = time.monotonic()
                ask().raise_for_status()
                turns.append(time.monotonic() - begun)
            took[name] = statistics.median(turns)
    slowest = max(took, key=lambda name: took[name])
    right = took[slowest] <= _ANSWER_S
    return Found(right, f"{what}; slowest of its requests: {slowest}, {took[slowest] * 1e3:.0f} ms")


def events_genesis(stage: Stage) -> Found:
    """Count the rows that runs leave in the table of events, and whether a larger one leaves more a leaf."""
    sizes = stage.size(200, 40), stage.size(600, 120)
    return _events(stage, lambda count: _noops(stage, count)[0], sizes)


def events_prefect(stage: Stage) -> Found:
    sizes = stage.size(200, 40), stage.size(600, 120)
    return _events(stage, lambda count: stage.script("map", wait_s=_LONGEST_S, count=count), sizes)


def _events(stage: Stage, run: Callable[[int], object], sizes: tuple[int, int]) -> Found:
    rows = []
    for count in sizes:
        before = _event_count(stage)
        run(count)
        wait_until_quiet(stage.stack.server_pid)
        rows.append((_event_count(stage) - before) / count)
    right = max(rows) <= _ROWS_A_LEAF and rows[1] <= 1.2 * rows[0]
    return Found(right, f"rows a leaf: {rows[0]:.1f} with {sizes[0]}, {rows[1]:.1f} with {sizes[1]}")


def _event_count(stage: Stage) -> int:
    return int(stage.api("/events/filter", limit=1)["total"])


def forked_genesis(stage: Stage) -> Found:
    """Do leaves whose module has started Prefect's event loop thread before the children were forked."""
    stage.workers(1)
    count, name = stage.size(20, 6), stage.name("fork")
    run = stage.run(name, [stage.leaf(name, f"l{at}", "fork", timeout_s=40) for at in range(count)], "--pools")
    state = run.wait_for_end()
    done = sum(outcome["state"] == "completed" for outcome in run.outcomes().values())
    return Found(state == "completed", f"{done} of {count} completed")


def forked_prefect(stage: Stage) -> Found:
    found = stage.script("forked", wait_s=120.0)
    return Found(found.get("ended") is True, "the child ended" if found.get("ended") else "the child hangs for 20 s")
