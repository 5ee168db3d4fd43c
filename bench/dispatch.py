"""From a flow run that is ready to one that is done: Prefect's process worker beside warm workers of type `genesis`.

    python -m bench.dispatch [--quick] [--json] [--data DIR]

On PostgreSQL, in one run, with all workers up and idle. In turns:

- `stock`: a process worker as `prefect worker start --type process` starts it, and a flow that does nothing.
- `stock, polling each second`: the same with `PREFECT_WORKER_QUERY_SECONDS=1`.
- `warm process`, `warm thread`: one worker of type `genesis` that serves two pools, one of each isolation, and on each
  the flow `agent_task` with one leaf that does nothing: reading the ledger, a task run, the leaf's record and its event
  are part of it.
- `warm process, plain flow`, `warm thread, plain flow`: the same pools with the very flow that `stock` runs, for the
  difference that the worker alone makes. Targets are for `agent_task`, which does more than the flow beside it.

*Ready* is the moment before the API is asked to create the flow run. *Started* is the time of its first Running state,
which the worker's side sets with the clock of this machine. *Done* is when the dispatcher receives its final state, by
one subscription to events for all sides and a poll each half second beside it, and *ended* the time of that state.
A pause of random length, up to the interval at which a side polls, keeps dispatches from falling into step with polls.
Eight at once are created together; *last done* is when the last of them is done. `of_turns` is the median of the ratios
of the turns, the other ratios are of the medians. Each side has been dispatched to
before, eight at once, so that nothing is started for the first time; the machine is waited for to be quiet.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bench.report import Bench, Target, arguments, percentile
from bench.server import wait_until_quiet
from bench.stack import Deployment, Stack, private_stack, use

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

__all__ = ["AGENTS", "SIDES", "DispatchSide", "Sample", "Watch", "report"]

_AT_ONCE = 8
_TAG = "genesis-bench"
_SEED = 3
_POLL_S = 0.5
_LONGEST_S = 240.0
_STOCK_S = 10.0
"""How often Prefect's worker polls."""

AGENTS: dict[str, Any] = {
    "agents": [
        {
            "name": "warm_process_agent",
            "task_types": ["process"],
            "max_concurrency": 16,
            "executor": {"kind": "python", "call": "bench.noop:work"},
        },
        {
            "name": "warm_thread_agent",
            "task_types": ["thread"],
            "max_concurrency": 16,
            "executor": {"kind": "rehearsal", "scale": 0},
        },
    ]
}
PLAN: dict[str, Any] = {
    "version": 1,
    "request": "Do nothing",
    "tasks": [
        {"id": "process", "type": "process", "description": "Do nothing in a process"},
        {"id": "thread", "type": "thread", "description": "Do nothing on a loop", "estimate": {"seconds": 0}},
    ],
}


@dataclass(frozen=True)
class DispatchSide:
    """One way to run a flow run."""

    name: str
    deployment: str
    leaf: str | None = None
    """The leaf that `agent_task` is to do."""
    pause_s: float = 0.2
    """Longest random pause before a dispatch."""
    times: int = 1
    """Dispatches, one at a time, in a turn."""


SIDES = (
    DispatchSide("stock", "noop/stock", pause_s=_STOCK_S),
    DispatchSide("stock, polling each second", "noop/stock-1s", pause_s=1.0),
    DispatchSide("warm process", "agent_task/warm-process", "process", times=4),
    DispatchSide("warm thread", "agent_task/warm-thread", "thread", times=4),
    DispatchSide("warm process, plain flow", "noop/warm-process", times=2),
    DispatchSide("warm thread, plain flow", "noop/warm-thread", times=2),
)


@dataclass(frozen=True)
class Sample:
    """One flow run, in milliseconds from ready."""

    started_ms: float
    ended_ms: float
    done_ms: float
    load: float = 0.0
    """Of the machine, as `uptime` says it."""


@dataclass
class _Waited:
    future: asyncio.Future[float]


@dataclass
class Watch:
    """Hears when flow runs are final."""

    client: PrefectClient
    _waited: dict[UUID, _Waited] = field(default_factory=dict)

    async def done(self, flow_run: UUID) -> float:
        """Wait until a flow run is final, and return the monotonic time at which that was received."""
        waited = self._waited.setdefault(flow_run, _Waited(asyncio.get_running_loop().create_future()))
        try:
            async with asyncio.timeout(_LONGEST_S):
                return await waited.future
        finally:
            self._waited.pop(flow_run, None)

    def record_end(self, flow_run: UUID) -> None:
        """Note that a flow run is final."""
        waited = self._waited.setdefault(flow_run, _Waited(asyncio.get_running_loop().create_future()))
        if not waited.future.done():
            waited.future.set_result(time.monotonic())

    async def listen(self) -> None:
        """Listen to the events of all flow runs of this bench."""
        from prefect.client.schemas.objects import StateType
        from prefect.events.clients import get_events_subscriber
        from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter

        wanted = EventFilter(
            event=EventNameFilter(prefix=["prefect.flow-run."]),
            related=EventRelatedFilter(id=[f"prefect.tag.{_TAG}"]),
        )
        final = {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}
        async with get_events_subscriber(wanted, reconnection_attempts=10) as subscriber:
            async for event in subscriber:
                kind = (event.payload.get("validated_state") or {}).get("type")
                if kind in {each.value for each in final}:
                    self.record_end(UUID(event.resource.id.rpartition(".")[2]))

    async def poll(self) -> None:
        """Ask for what the events may have missed."""
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        while True:
            await asyncio.sleep(_POLL_S)
            asked = [flow_run for flow_run, waited in self._waited.items() if not waited.future.done()]
            if not asked:
                continue
            found = await self.client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=asked)))
            for flow_run in found:
                if flow_run.state is not None and flow_run.state.is_final():
                    self.record_end(flow_run.id)


@asynccontextmanager
async def _watching(client: PrefectClient) -> AsyncIterator[Watch]:
    watch = Watch(client)
    tasks = [asyncio.create_task(watch.listen()), asyncio.create_task(watch.poll())]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class _Dispatcher:
    """Creates flow runs and measures what becomes of them."""

    def __init__(self, client: PrefectClient, watch: Watch, run_id: str, fingerprints: dict[str, str]):
        self._client = client
        self._watch = watch
        self._run_id = run_id
        self._fingerprints = fingerprints
        self._deployments: dict[str, UUID] = {}

    async def prepare(self, sides: Sequence[DispatchSide]) -> None:
        for side in sides:
            self._deployments[side.name] = (await self._client.read_deployment_by_name(side.deployment)).id

    async def one(self, side: DispatchSide) -> Sample:
        """Dispatch once, and wait for the end.

        Raises:
            SystemExit: It did not complete.
        """
        ready, ready_at = time.monotonic(), datetime.now(UTC)
        flow_run = await self._client.create_flow_run_from_deployment(
            self._deployments[side.name], parameters=self._parameters(side), tags=[_TAG]
        )
        done = await self._watch.done(flow_run.id)
        ended = await self._client.read_flow_run(flow_run.id)
        if ended.state is None or not ended.state.is_completed() or ended.start_time is None or ended.end_time is None:
            raise SystemExit(f"a flow run of the side {side.name!r} ended {ended.state!r}")
        return Sample(
            started_ms=(ended.start_time - ready_at).total_seconds() * 1e3,
            ended_ms=(ended.end_time - ready_at).total_seconds() * 1e3,
            done_ms=(done - ready) * 1e3,
            load=os.getloadavg()[0],
        )

    async def at_once(self, side: DispatchSide, count: int) -> list[Sample]:
        """Dispatch several together."""
        return list(await asyncio.gather(*(self.one(side) for _ in range(count))))

    def _parameters(self, side: DispatchSide) -> dict[str, Any]:
        if side.leaf is None:
            return {}
        fingerprints = [self._fingerprints[side.leaf]]
        return {"run_id": self._run_id, "tasks": [side.leaf], "fingerprints": fingerprints, "attempt": 1}


async def _wait_for_begin() -> tuple[str, dict[str, str]]:
    """Write the ledger of the run whose leaves are dispatched; give its id and the leaves' fingerprints."""
    from genesis.ledger import Header, new_run_id, open_store
    from genesis.ledger.history import open_ledger
    from genesis.model import Registry
    from genesis.pipeline import compile_prepared, prepare
    from genesis.planning import load_plan, plan_document
    from genesis.settings import Settings

    settings = Settings()
    now = datetime.now(UTC)
    registry = Registry.model_validate(AGENTS)
    program = compile_prepared(prepare(load_plan(PLAN), registry, settings=settings), settings)
    ledger = open_ledger(await open_store(), new_run_id(now), settings)
    await ledger.begin(
        Header(
            genesis_version="bench",
            run_id=ledger.run_id,
            correlation_id="bench",
            created_at=now,
            document=plan_document(program.source),
            registry=program.registry,
            slots=16,
        )
    )
    return ledger.run_id, {leaf.path: leaf.fingerprint for leaf in program.leaves}


Found = dict[str, list[list[Sample]]]
"""Samples by side: a list a turn."""


async def measure(stack: Stack, turns: int, turns_at_once: int) -> tuple[Found, Found]:
    """Dispatch to all sides in turns; one at a time, and eight at once."""
    from prefect.client.orchestration import get_client

    rng = random.Random(_SEED)
    single: Found = {side.name: [] for side in SIDES}
    together: Found = {side.name: [] for side in SIDES}
    run_id, fingerprints = await _wait_for_begin()
    async with get_client() as client, _watching(client) as watch:
        dispatcher = _Dispatcher(client, watch, run_id, fingerprints)
        await dispatcher.prepare(SIDES)
        for side in SIDES:
            await dispatcher.at_once(side, _AT_ONCE if "warm" in side.name else 1)
        for turn in range(turns):
            for side in SIDES if turn % 2 else reversed(SIDES):
                await asyncio.to_thread(wait_until_quiet, stack.server_pid, 10.0)
                found: list[Sample] = []
                for _ in range(side.times):
                    await asyncio.sleep(rng.uniform(0.0, side.pause_s))
                    found.append(await dispatcher.one(side))
                single[side.name].append(found)
        for turn in range(turns_at_once):
            for side in SIDES if turn % 2 else reversed(SIDES):
                await asyncio.to_thread(wait_until_quiet, stack.server_pid, 10.0)
                await asyncio.sleep(rng.uniform(0.0, side.pause_s))
                together[side.name].append(await dispatcher.at_once(side, _AT_ONCE))
    return single, together


def report(bench: Bench, single: Found, together: Found) -> None:
    """Put what was measured into rows, and compare it with the targets."""
    for count, found in ((1, single), (_AT_ONCE, together)):
        for name, turns in found.items():
            bench.add(**_row(count, name, turns))
    one, all_eight = ({name: _make_done(turns) for name, turns in found.items()} for found in (single, together))
    last = {name: statistics.median(max(s.done_ms for s in turn) for turn in turns) for name, turns in together.items()}
    for name in one:
        if name != "stock":
            bench.add(
                stock_over=name,
                one_at_a_time=round(one["stock"] / one[name], 2),
                of_turns=round(_of_turns(single["stock"], single[name]), 2),
                eight_at_once=round(all_eight["stock"] / all_eight[name], 2),
                last_of_eight=round(last["stock"] / last[name], 2),
                each_second_over_it=round(one["stock, polling each second"] / one[name], 2),
            )
    warm = one["warm process"]
    bench.targets += [
        Target.at_least("stock over warm process, p50 to done, times", 15.0, one["stock"] / warm),
        Target.at_least(
            "stock polling each second over it, p50 to done, times", 5.0, one["stock, polling each second"] / warm
        ),
        Target.at_least(
            "stock over warm process, eight at once, p50 to done, times",
            8.0,
            all_eight["stock"] / all_eight["warm process"],
        ),
        Target.at_least(
            "the same, until the last of the eight is done, times", 8.0, last["stock"] / last["warm process"]
        ),
        Target.at_most("warm process, p50 to done, ms", 500.0, warm),
        Target.at_most("warm thread, p50 to done, ms", 500.0, one["warm thread"]),
    ]


def _row(count: int, name: str, turns: list[list[Sample]]) -> dict[str, Any]:
    samples = [sample for turn in turns for sample in turn]
    started, ended, done = (
        sorted(getattr(sample, part) for sample in samples) for part in ("started_ms", "ended_ms", "done_ms")
    )
    return {
        "at_once": count,
        "side": name,
        "flow_runs": len(samples),
        "started_p50_ms": round(percentile(started, 50), 1),
        "started_p95_ms": round(percentile(started, 95), 1),
        "ended_p50_ms": round(percentile(ended, 50), 1),
        "done_p50_ms": round(percentile(done, 50), 1),
        "done_p95_ms": round(percentile(done, 95), 1),
        "last_done_ms": round(statistics.median(max(sample.done_ms for sample in turn) for turn in turns), 1),
        "load": round(statistics.median(sample.load for sample in samples), 1),
    }


def _of_turns(over: list[list[Sample]], under: list[list[Sample]]) -> float:
    """Return the median of the ratios of the turns: what else the machine did is then on both sides."""
    pairs = zip(over, under, strict=True)
    return statistics.median(_make_done([above]) / _make_done([below]) for above, below in pairs)


def _make_done(turns: list[list[Sample]]) -> float:
    return statistics.median(sample.done_ms for turn in turns for sample in turn)


def main() -> None:
    chosen = arguments(__doc__ or "").parse_args()
    bench = Bench("dispatch")
    with private_stack() as stack:
        pools = [pool.name for pool in stack.sync(AGENTS).agent_pools]
        noop = "bench.noflow.noop"
        stack.deploy(
            [
                Deployment("noop", "stock", noop, "stock"),
                Deployment("noop", "stock-1s", noop, "stock-1s"),
                Deployment("noop", "warm-process", noop, "agent-warm-process"),
                Deployment("noop", "warm-thread", noop, "agent-warm-thread"),
            ]
        )
        stack.genesis_worker("warm", pools)
        stack.stock_worker("by-default", "stock")
        stack.stock_worker("each-second", "stock-1s", PREFECT_WORKER_QUERY_SECONDS="1")
        stack.wait_for_workers(dict.fromkeys(pools, "warm") | {"stock": "by-default", "stock-1s": "each-second"})
        with use(stack):
            single, together = asyncio.run(measure(stack, *((2, 1) if chosen.quick else (12, 5))))
    report(bench, single, together)
    bench.add(database="PostgreSQL" if stack.database else "SQLite", seed=_SEED)
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
