"""What Genesis adds to Prefect: a DAG of tasks that do nothing, beside the same DAG as a hand-written flow.

    python -m bench.overhead [--quick] [--json] [--data DIR]

Both sides run in fresh processes against one background server of the bench's own, in turns, after the server has
become quiet. The hand-written flow is the quickest plain one: synchronous, sixteen threads, every task submitted at
once with `wait_for` of its upstream futures. `persisted` has Prefect write every result to its local storage, as
Genesis writes every outcome to its ledger; `bare` writes nothing, and no run can be resumed from it.

The window is from the first submit to the last final state. Prefect delivers what it knows of a task run in the
background, within the window or after it as the threads happen to take turns; processor time is therefore also given
up to the end of the drain, without what comes before the first submit. Ratios are medians of the ratios of each turn.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.noop import SIDES, program, run_side
from bench.report import Bench, Target, arguments
from bench.server import private_server, wait_until_quiet
from genesis.agents.contract import Result, Work
from genesis.engine.attempts import LeafRun
from genesis.engine.run_context import RunContext
from genesis.ledger import FolderStore, Ledger
from genesis.ledger.program_state import ProgramState
from genesis.settings import Settings

RATIO = 1.15
HANDLING_PERCENT = 0.2
_REPEATS = {200: 7, 1_000: 5}
_QUICK_REPEATS = {200: 3, 1_000: 1}
_HAND_WRITTEN = tuple(side for side in SIDES if side != "genesis")


def fleets(bench: Bench, repeats: dict[int, int]) -> None:
    """Run all sides in turns at each size."""
    with private_server() as server:
        for side in SIDES:
            run_side(side, 20, server)
        for leaves, turns in repeats.items():
            found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
            for turn in range(turns):
                for side in SIDES if turn % 2 else reversed(SIDES):
                    wait_until_quiet(server.pid)
                    found[side].append(run_side(side, leaves, server))
            _report(bench, leaves, found)


def _report(bench: Bench, leaves: int, found: dict[str, list[dict[str, Any]]]) -> None:
    for side, runs in found.items():
        middle = {
            name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0] if name.endswith("_s")
        }
        bench.add(
            tasks=leaves, side=side, runs=len(runs),
            window_s=middle["window_s"], window_cpu_s=middle["window_cpu_s"],
            cpu_with_drain_s=round(statistics.median(map(cpu_with_drain, runs)), 3),
            window_server_cpu_s=middle["window_server_cpu_s"], whole_server_cpu_s=middle["whole_server_cpu_s"],
        )  # fmt: skip
    for side in _HAND_WRITTEN:
        pairs = list(zip(found["genesis"], found[side], strict=True))
        wall = statistics.median(ours["window_s"] / theirs["window_s"] for ours, theirs in pairs)
        cpu = statistics.median(ours["window_cpu_s"] / theirs["window_cpu_s"] for ours, theirs in pairs)
        drained = statistics.median(cpu_with_drain(ours) / cpu_with_drain(theirs) for ours, theirs in pairs)
        bench.add(
            tasks=leaves, genesis_over=side, window=round(wall, 3), window_cpu=round(cpu, 3),
            cpu_with_drain=round(drained, 3),
        )  # fmt: skip
        if side == "persisted":
            bench.targets += [
                Target.at_most(f"time over the persisted flow's, {leaves:,} tasks", RATIO, wall),
                Target.at_most(f"CPU time in the window over it, {leaves:,} tasks", RATIO, cpu),
                Target.at_most(f"CPU time up to the drain over it, {leaves:,} tasks", RATIO, drained),
            ]
    _apart(bench, leaves, found)


def cpu_with_drain(run: dict[str, Any]) -> float:
    """Return the processor seconds from the first submit until everything has reached the server."""
    return float(run["whole_cpu_s"] - run["before_cpu_s"])


def _apart(bench: Bench, leaves: int, found: dict[str, list[dict[str, Any]]]) -> None:
    """Show what is not part of the window."""
    for side, runs in found.items():
        names = ("plan_s", "before_s", "preflight_s", "artifacts_s", "after_s", "drain_s", "whole_s")
        middle = {name: round(statistics.median(run.get(name, 0.0) for run in runs), 3) for name in names}
        bench.add(apart_tasks=leaves, side=side, **middle)


class _Nothing:
    """An executor that does nothing."""

    async def execute(self, work: Work) -> Result:  # noqa: ARG002
        return Result({"done": True})


def handling(bench: Bench, repeats: int, pairs: int) -> None:
    """Time what an attempt adds to its executor: inputs, checks, errors as data, the ledger."""
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        rows = asyncio.run(_handling(Path(folder), repeats))
        second = asyncio.run(_seconds(Path(folder), pairs))
    whole, bare, ledger = (1e6 * statistics.median(row) for row in rows)
    percent = (whole - bare) / 1e6 * 100
    bench.add(
        attempts=repeats, attempt_us=round(whole, 1),
        of_it_executor_us=round(bare, 1), of_it_ledger_us=round(ledger, 1),
        percent_of_a_second=round(percent, 4), one_second_pairs=pairs, pairs_percent=round(100 * second, 4),
    )  # fmt: skip
    bench.targets.append(
        Target.at_most("an attempt's handling, percent of a one-second task", HANDLING_PERCENT, percent)
    )


def _session(folder: Path, executor: Any) -> RunContext:
    settings = Settings()
    return RunContext(
        program_state=ProgramState(program(20, settings)),
        ledger=Ledger(FolderStore(folder), "20260101-000000-bench"),
        correlation_id="bench",
        settings=settings,
        executor=lambda _leaf: executor,
        slots=1,
        files=folder,
    )


async def _handling(folder: Path, repeats: int) -> tuple[list[float], list[float], list[float]]:
    executor = _Nothing()
    session = _session(folder, executor)
    leaf = session.program.leaves[0]
    work = _work(session)
    done = LeafRun(session, leaf, {})
    outcome = await done.work()

    async def attempt() -> None:
        run = LeafRun(session, leaf, {})
        run.start()
        await run.work()

    calls: tuple[Callable[[], Awaitable[object]], ...] = (
        attempt,
        lambda: executor.execute(work),
        lambda: session.ledger.record(leaf, outcome),
    )
    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(repeats):
        for call, into in zip(calls, times, strict=True):
            start = time.perf_counter()
            await call()
            into.append(time.perf_counter() - start)
    return times


def _work(session: RunContext) -> Work:
    leaf = session.program.leaves[0]
    return Work(
        run_id=session.run_id,
        correlation_id=session.correlation_id,
        request=session.program.request,
        path=leaf.path,
        type=leaf.type,
        description=leaf.description,
        inputs={},
        outputs=(),
        agent=session.program.agents[leaf.agent],
    )


class _Second:
    """An executor that waits for a second."""

    async def execute(self, work: Work) -> Result:  # noqa: ARG002
        await asyncio.sleep(1)
        return Result({"ended": datetime.now(UTC).isoformat()})


async def _seconds(folder: Path, pairs: int) -> float:
    """Time real one-second attempts beside the bare call, in turns, and give the median of the differences."""
    executor = _Second()
    session = _session(folder, executor)
    work = _work(session)
    added: list[float] = []
    for _ in range(pairs):
        start = time.perf_counter()
        await executor.execute(work)
        middle = time.perf_counter()
        await LeafRun(session, session.program.leaves[0], {}).work()
        added.append((time.perf_counter() - middle) - (middle - start))
    return statistics.median(added) if added else 0.0


def main() -> None:
    options = arguments((__doc__ or "").splitlines()[0]).parse_args()
    bench = Bench("overhead")
    handling(bench, 300 if options.quick else 3_000, 0 if options.quick else 10)
    fleets(bench, _QUICK_REPEATS if options.quick else _REPEATS)
    bench.show(as_json=options.as_json)


if __name__ == "__main__":
    main()
