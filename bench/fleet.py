"""What a fleet on work pools gets done: leaves a second, a large run's memory, many runs at once, makespans.

    python -m bench.fleet [--quick] [--json] [--data DIR] [--part NAME]…

On PostgreSQL, with one worker process for all pools, and every orchestrator in a process of its own:

- `throughput`: a seeded random layered plan of 200 leaves (at most three parents each, agents drawn from five), and a
  plan whose agents come in runs of four; both with leaves that do nothing, as Python functions in pools with process
  isolation, and with and without fusing (`GENESIS_POOLS__BATCH_LEAVES=1`), in turns. The window is from the moment at
  which leaves may be dispatched to the last final state. Processor time of all parts is given a leaf, because it
  varies less with what else the machine does.
- `large`: 1,000 leaves of the random plan in one run, and the peak memory of its orchestrator.
- `tenants`: 100 small runs, created together as flow runs of `orchestrate/default`; when each of them ended, counted
  from the creation of the first. Ten are orchestrated at once, as the settings have it.
- `makespan`: recorded workflows (WfInstances), rehearsed at a scale that brings their lower bound, max(critical path,
  work ÷ slots), to the same length; over that bound, and with what the scheduler loses (the same program simulated)
  apart from what the pools add.
- `idle`, `turns` and `shown`: what idle workers cost the server, when runs of many tenants start, and whether the API
  has every task run of a large run; see `fleet_idle`, `fleet_turns` and `fleet_shown`.
- `mixed`: a seeded layered plan of 60 leaves that take from 0.1 to 3 s, of eight agents, in turns on the pools and in
  the orchestrator's own process, and what was predicted for each.
- `crowd`: 30 runs of ten leaves that do nothing, created together, with two workers; when the last ended, and how many
  processes the workers had at most and what memory these took, in proportion to what they share.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.fleet_idle import idle
from bench.fleet_shown import measure_views
from bench.fleet_turns import turns
from bench.orchestrator import run_plan
from bench.plans import (
    AGENTS,
    MIXED_AGENTS,
    chains_plan,
    convert,
    layered_plan,
    lower_bound_s,
    mixed_plan,
    read_recorded,
    registry,
    small_plan,
    ten_plan,
)
from bench.processes import family_pss_mb
from bench.report import Bench, Target, arguments, percentile
from bench.server import wait_until_quiet
from bench.stack import Stack, private_stack, use
from genesis.schedule import PoolCosts

__all__ = ["PARTS", "Size", "crowd", "makespan", "run_mixed", "tenants", "throughput"]

_UNFUSED = {"GENESIS_POOLS__BATCH_LEAVES": "1"}
_SLOTS = 16
_FUNCTION = {"kind": "python", "call": "bench.noop:work"}
_NAP = {"kind": "python", "call": "bench.noop:nap"}
_TIMER = {"kind": "rehearsal", "scale": 1.0}
_POLL_S = 1.0
_LONGEST_S = 1_500.0
_PAGE = 200


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    leaves: int
    turns: int
    large: int
    tenants: int
    workflows: int
    bound_s: float
    """To which the recorded workflows are scaled."""
    mixed: int
    crowd: int


_FULL = Size(leaves=200, turns=3, large=1_000, tenants=100, workflows=4, bound_s=60.0, mixed=60, crowd=30)
_QUICK = Size(leaves=40, turns=1, large=0, tenants=8, workflows=2, bound_s=10.0, mixed=20, crowd=6)


def throughput(bench: Bench, size: Size) -> None:
    """Run both plans with and without fusing, in turns."""
    plans = {"random": layered_plan(size.leaves), "runs of four": chains_plan(size.leaves)}
    sides: dict[tuple[str, str], dict[str, str]] = {
        (name, fusing): variables for name in plans for fusing, variables in (("fused", {}), ("one by one", _UNFUSED))
    }
    found: dict[tuple[str, str], list[dict[str, Any]]] = {side: [] for side in sides}
    with _warm_fleet(_FUNCTION, 10) as stack:
        run_plan(stack, layered_plan(20))
        for turn in range(size.turns):
            for side in sides if turn % 2 else reversed(sides):
                found[side].append(_measure(stack, plans[side[0]], **sides[side]))
    for (name, fusing), runs in found.items():
        bench.add(plan=name, fusing=fusing, runs=len(runs), **_middle(runs))
    rates = {side: statistics.median(run["leaves_a_second"] for run in runs) for side, runs in found.items()}
    bench.targets += [
        Target.at_least("leaves a second, random agents, fused", 6.0, rates["random", "fused"]),
        Target.at_least("leaves a second, agents in runs of four, fused", 12.0, rates["runs of four", "fused"]),
    ]


def _measure(stack: Stack, plan: Mapping[str, Any], *, local: bool = False, **variables: str) -> dict[str, Any]:
    wait_until_quiet(stack.server_pid)
    before = stack.cpu_s()
    found = run_plan(stack, plan, local=local, **variables)
    wait_until_quiet(stack.server_pid)
    cpu = {part: seconds - before[part] for part, seconds in stack.cpu_s().items()}
    found |= {f"{part}_cpu_ms": 1e3 * seconds / found["leaves"] for part, seconds in cpu.items()}
    found["orchestrator_cpu_ms"] = 1e3 * found["window_cpu_s"] / found["leaves"]
    found["leaves_a_second"] = found["leaves"] / found["window_s"]
    return found | {"load": os.getloadavg()[0]}


def _middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    parts = [name for name in runs[0] if name.endswith("_cpu_ms")]
    names = ["leaves", "flow_runs", "window_s", "leaves_a_second", "before_s", "after_s", *parts, "load"]
    middle = {name: round(statistics.median(run[name] for run in runs), 2) for name in names}
    return middle | {"cpu_ms": round(sum(middle[name] for name in parts), 1)}


def large(bench: Bench, size: Size) -> None:
    """Run a thousand leaves in one run."""
    if not size.large:
        return
    with _warm_fleet(_FUNCTION, 10) as stack:
        found = _measure(stack, layered_plan(size.large))
    bench.add(
        large=found["leaves"], completed=found["completed"], flow_runs=found["flow_runs"],
        window_s=found["window_s"], leaves_a_second=round(found["leaves_a_second"], 2), peak_mb=found["peak_mb"],
    )  # fmt: skip
    bench.targets += [
        Target.at_least("leaves of the large run completed", size.large, found["completed"]),
        Target.at_most("peak memory of its orchestrator, MB", 400.0, found["peak_mb"]),
    ]


def tenants(bench: Bench, size: Size) -> None:
    """Create many small runs at once, and see when each ends."""
    with _warm_fleet(_FUNCTION, 10) as stack, use(stack):
        asyncio.run(_tenants(1, small_plan))
        wait_until_quiet(stack.server_pid)
        before = stack.cpu_s()
        ended = asyncio.run(_tenants(size.tenants, small_plan))
        wait_until_quiet(stack.server_pid)
        cpu = {part: seconds - before[part] for part, seconds in stack.cpu_s().items()}
    completed = sorted(seconds for state, seconds in ended if state == "COMPLETED")
    states = {state: sum(1 for each, _ in ended if each == state) for state, _ in ended}
    if completed:
        bench.add(
            tenants=len(ended), completed=len(completed),
            first_s=round(completed[0], 1), median_s=round(statistics.median(completed), 1),
            p95_s=round(percentile(completed, 95), 1), last_s=round(completed[-1], 1),
            spread_s=round(completed[-1] - completed[0], 1),
            runs_a_minute=round(60 * len(completed) / completed[-1], 1),
            **{f"{part}_cpu_s_a_run": round(seconds / len(ended), 2) for part, seconds in cpu.items()},
            states=", ".join(f"{state.lower()} {count}" for state, count in sorted(states.items())),
        )  # fmt: skip
    bench.targets.append(Target.at_least("small runs completed", size.tenants, len(completed)))


async def _tenants(count: int, plan: Callable[[int], dict[str, Any]]) -> list[tuple[str, float]]:
    """Return the state of each run, and its end in seconds after the first was created."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    async with get_client() as client:
        deployment = await client.read_deployment_by_name("orchestrate/default")
        gate = asyncio.Semaphore(8)

        async def create(number: int) -> UUID:
            async with gate:
                flow_run = await client.create_flow_run_from_deployment(
                    deployment.id, parameters={"plan": plan(number)}
                )
                created.append(flow_run.created)
                return flow_run.id

        created: list[Any] = []
        left = set(await asyncio.gather(*(create(number) for number in range(count))))
        begun: datetime = min(created)
        ended: list[tuple[str, float]] = []
        until = time.monotonic() + _LONGEST_S
        while left and time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
            asked = FlowRunFilter(id=FlowRunFilterId(any_=sorted(left)))
            for flow_run in await client.read_flow_runs(flow_run_filter=asked, limit=_PAGE):
                if flow_run.state is not None and flow_run.state.is_final():
                    left.discard(flow_run.id)
                    ended.append((flow_run.state.type.value, (flow_run.state.timestamp - begun).total_seconds()))
        return ended + [("UNFINISHED", _LONGEST_S) for _ in left]


def crowd(bench: Bench, size: Size) -> None:
    """Create many runs of ten leaves at once, with two workers, and see when the last ends and what memory it takes."""
    with _warm_fleet(_FUNCTION, 10, workers=2) as stack, use(stack):
        asyncio.run(_tenants(2, ten_plan))
        wait_until_quiet(stack.server_pid)
        before = stack.cpu_s()
        with _memory_of_workers(stack) as memory:
            ended = asyncio.run(_tenants(size.crowd, ten_plan))
        cpu = {part: seconds - before[part] for part, seconds in stack.cpu_s().items()}
    completed = sorted(seconds for state, seconds in ended if state == "COMPLETED")
    processes, peak_mb = max(memory, key=lambda one: one[1], default=(0, 0.0))
    bench.add(
        crowd=len(ended), completed=len(completed), leaves=10 * len(completed),
        median_s=round(statistics.median(completed), 1) if completed else None, last_s=round(completed[-1], 1),
        leaves_a_second=round(10 * len(completed) / completed[-1], 2),
        **{f"{part}_cpu_s_a_run": round(seconds / len(ended), 2) for part, seconds in cpu.items()},
        processes=processes, pss_mb=round(peak_mb), load=round(os.getloadavg()[0], 1),
    )  # fmt: skip
    bench.targets += [
        Target.at_least("runs of ten leaves completed", size.crowd, len(completed)),
        Target.at_most("proportional memory of 40 processes of workers, MB", 1_000.0, 40 * peak_mb / max(1, processes)),
    ]


@contextmanager
def _memory_of_workers(stack: Stack) -> Iterator[list[tuple[int, float]]]:
    """Look every second how many processes the workers have and what memory these take in all, in MB."""
    found: list[tuple[int, float]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(_POLL_S):
            each = [mb for worker in stack.workers for mb in family_pss_mb(worker.pid)]
            found.append((len(each), sum(each)))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield found
    finally:
        stop.set()
        looking.join()


def run_mixed(bench: Bench, size: Size) -> None:
    """Run tasks that take from 0.1 to 3 s on the pools and in one process, in turns."""
    plan, sides = mixed_plan(size.mixed), ("local", "pools")
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    with _warm_fleet(_NAP, 10, names=MIXED_AGENTS) as stack:
        run_plan(stack, mixed_plan(8, seed=1))
        for turn in range(size.turns):
            for side in sides if turn % 2 else reversed(sides):
                load = os.getloadavg()[0]
                costs = None if side == "local" else PoolCosts().on_busy_machine(load / (os.cpu_count() or 1))
                predicted_s = _simulate_s(plan, registry(_NAP, 10, MIXED_AGENTS), costs)
                found[side].append(_measure(stack, plan, local=side == "local") | {"predicted_s": predicted_s})
    for side, runs in found.items():
        predicted_s = statistics.median(run["predicted_s"] for run in runs)
        bench.add(mixed=size.mixed, side=side, runs=len(runs), **_middle(runs), predicted_s=round(predicted_s, 1))
    local_s, pools_s = (statistics.median(run["window_s"] for run in found[side]) for side in sides)
    predicted_s = statistics.median(run["predicted_s"] for run in found["pools"])
    bench.targets += [
        Target.at_most("mixed tasks, time on pools over time locally", 2.0, pools_s / local_s),
        Target.at_most("time on pools over what was predicted", 1.5, pools_s / predicted_s),
    ]


def makespan(bench: Bench, size: Size, data: Path) -> None:
    """Rehearse recorded workflows on the pools."""
    workflows = read_recorded(data)[: size.workflows]
    ratios = []
    with _warm_fleet(_TIMER, _SLOTS) as stack:
        run_plan(stack, layered_plan(20), rehearse=0.0)
        for workflow in workflows:
            bound_s = lower_bound_s(workflow, _SLOTS)
            scale = size.bound_s / bound_s
            simulated_s = _simulate_s(convert(workflow), registry(_TIMER, _SLOTS)) * scale
            found = _measure(stack, convert(workflow), rehearse=scale, GENESIS_RUN__SLOTS=str(_SLOTS))
            ratios.append(found["window_s"] / size.bound_s)
            bench.add(
                workflow=workflow.name, tasks=len(workflow.tasks), slots=_SLOTS, scale=round(scale, 5),
                flow_runs=found["flow_runs"], bound_s=size.bound_s, simulated_s=round(simulated_s, 2),
                makespan_s=found["window_s"], over_bound=round(ratios[-1], 3),
                scheduling_s=round(simulated_s - size.bound_s, 2),
                overhead_s=round(found["window_s"] - simulated_s, 2),
                overhead_ms_a_task=round(1e3 * (found["window_s"] - simulated_s) / len(workflow.tasks), 1),
            )  # fmt: skip


def _simulate_s(document: Mapping[str, Any], agents: Mapping[str, Any], pools: PoolCosts | None = None) -> float:
    """Return the makespan by the real scheduler on virtual time, unscaled."""
    from genesis import simulate
    from genesis.model import Registry
    from genesis.pipeline import compile_prepared, prepare
    from genesis.planning import load_plan
    from genesis.settings import Settings

    settings = Settings()
    plan = load_plan(document, limits=settings.limits)
    prepared = prepare(plan, Registry.model_validate(agents), settings=settings, keep=True)
    return float(simulate(compile_prepared(prepared, settings), slots=_SLOTS, pools=pools).makespan_s)


@contextmanager
def _warm_fleet(
    executor: Mapping[str, Any], max_concurrency: int, *, workers: int = 1, names: Sequence[str] = AGENTS
) -> Iterator[Stack]:
    """Start a stack whose agents, the five where none are named, have one executor, with workers for all pools."""
    with private_stack() as stack:
        pools = [pool.name for pool in stack.sync(registry(executor, max_concurrency, names)).pools]
        for number in range(workers):
            stack.genesis_worker(f"worker{number}", pools)
            stack.wait_for_workers(dict.fromkeys(pools, f"worker{number}"))
        yield stack


PARTS = ("throughput", "large", "tenants", "makespan", "mixed", "crowd", "idle", "turns", "shown")


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    chosen = parser.parse_args()
    size = _QUICK if chosen.quick else _FULL
    bench = Bench("fleet")
    parts: dict[str, Callable[[], None]] = {
        "throughput": lambda: throughput(bench, size),
        "large": lambda: large(bench, size),
        "tenants": lambda: tenants(bench, size),
        "makespan": lambda: makespan(bench, size, chosen.data),
        "idle": lambda: idle(bench, 15.0 if chosen.quick else 60.0),
        "turns": lambda: turns(bench, 6 if chosen.quick else 30),
        "shown": lambda: measure_views(bench, 200 if chosen.quick else 5_000),
        "mixed": lambda: run_mixed(bench, size),
        "crowd": lambda: crowd(bench, size),
    }
    for name in chosen.part or PARTS:
        parts[name]()
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
