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
- `mixed`: a seeded layered plan of 60 leaves that take from 0.1 to 3 s, of eight agents, in turns on the pools and in
  the orchestrator's own process, and what was predicted for each.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.orchestrator import run_plan
from bench.plans import (
    Recorded,
    chains_plan,
    converted,
    layered_plan,
    lower_bound_s,
    recorded,
    registry,
    small_plan,
)
from bench.report import Bench, Target, arguments, percentile
from bench.server import wait_until_quiet
from bench.stack import Stack, private_stack, use

__all__ = ["PARTS", "Size", "makespan", "tenants", "throughput"]

_UNFUSED = {"GENESIS_POOLS__BATCH_LEAVES": "1"}
_SLOTS = 16
_FUNCTION = {"kind": "python", "call": "bench.noop:work"}
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


_FULL = Size(leaves=200, turns=3, large=1_000, tenants=100, workflows=4, bound_s=60.0)
_QUICK = Size(leaves=40, turns=1, large=0, tenants=8, workflows=2, bound_s=10.0)


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
                found[side].append(_measured(stack, plans[side[0]], **sides[side]))
    for (name, fusing), runs in found.items():
        bench.add(plan=name, fusing=fusing, runs=len(runs), **_middle(runs))
    rates = {side: statistics.median(run["leaves_a_second"] for run in runs) for side, runs in found.items()}
    bench.targets += [
        Target.at_least("leaves a second, random agents, fused", 6.0, rates["random", "fused"]),
        Target.at_least("leaves a second, agents in runs of four, fused", 12.0, rates["runs of four", "fused"]),
    ]


def _measured(stack: Stack, plan: Mapping[str, Any], **variables: str) -> dict[str, Any]:
    wait_until_quiet(stack.server_pid)
    before = stack.cpu_s()
    found = run_plan(stack, plan, **variables)
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
        found = _measured(stack, layered_plan(size.large))
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
        asyncio.run(_tenants(1))
        wait_until_quiet(stack.server_pid)
        before = stack.cpu_s()
        ended = asyncio.run(_tenants(size.tenants))
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


async def _tenants(count: int) -> list[tuple[str, float]]:
    """Give the state of each run, and its end in seconds after the first was created."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    async with get_client() as client:
        deployment = await client.read_deployment_by_name("orchestrate/default")
        gate = asyncio.Semaphore(8)

        async def create(number: int) -> UUID:
            async with gate:
                flow_run = await client.create_flow_run_from_deployment(
                    deployment.id, parameters={"plan": small_plan(number)}
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


def makespan(bench: Bench, size: Size, data: Path) -> None:
    """Rehearse recorded workflows on the pools."""
    workflows = recorded(data)[: size.workflows]
    ratios = []
    with _warm_fleet(_TIMER, _SLOTS) as stack:
        run_plan(stack, layered_plan(20), rehearse=0.0)
        for workflow in workflows:
            bound_s = lower_bound_s(workflow, _SLOTS)
            scale = size.bound_s / bound_s
            simulated_s = _simulated_s(workflow) * scale
            found = _measured(stack, converted(workflow), rehearse=scale, GENESIS_RUN__SLOTS=str(_SLOTS))
            ratios.append(found["window_s"] / size.bound_s)
            bench.add(
                workflow=workflow.name, tasks=len(workflow.tasks), slots=_SLOTS, scale=round(scale, 5),
                flow_runs=found["flow_runs"], bound_s=size.bound_s, simulated_s=round(simulated_s, 2),
                makespan_s=found["window_s"], over_bound=round(ratios[-1], 3),
                scheduling_s=round(simulated_s - size.bound_s, 2),
                overhead_s=round(found["window_s"] - simulated_s, 2),
                overhead_ms_a_task=round(1e3 * (found["window_s"] - simulated_s) / len(workflow.tasks), 1),
            )  # fmt: skip


def _simulated_s(workflow: Recorded) -> float:
    """Give the makespan by the real scheduler on virtual time, unscaled."""
    from genesis import simulate
    from genesis.model import Registry
    from genesis.pipeline import compiled, prepare
    from genesis.planning import load_plan
    from genesis.settings import Settings

    settings = Settings()
    plan = load_plan(converted(workflow), limits=settings.limits)
    prepared = prepare(plan, Registry.model_validate(registry(_TIMER, _SLOTS)), settings=settings, keep=True)
    return float(simulate(compiled(prepared, settings), slots=_SLOTS).makespan_s)


@contextmanager
def _warm_fleet(executor: Mapping[str, Any], max_concurrency: int) -> Iterator[Stack]:
    """Start a stack whose five agents have one executor, with one worker for all pools."""
    with private_stack() as stack:
        pools = [pool.name for pool in stack.sync(registry(executor, max_concurrency)).pools]
        stack.genesis_worker("worker", pools)
        stack.wait_for_workers(dict.fromkeys(pools, "worker"))
        yield stack


PARTS = ("throughput", "large", "tenants", "makespan")


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
    }
    for name in chosen.part or PARTS:
        parts[name]()
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
