"""Durability scenarios in which a part is killed, frozen or ended: workers, orchestrators, leaves."""

# ruff: noqa: PLC0415

from __future__ import annotations

import math
import os
import random
import signal
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

from bench.durability_stage import Found, Stage, StageRun, until
from bench.processes import below, family

__all__ = [
    "cancelled_after_its_worker_genesis",
    "cancelled_after_its_worker_prefect",
    "claimed_by_the_dead_genesis",
    "claimed_by_the_dead_prefect",
    "frozen_genesis",
    "frozen_prefect",
    "killed_in_a_leaf_genesis",
    "killed_in_a_leaf_prefect",
    "many_workers_genesis",
    "many_workers_prefect",
    "stubborn_genesis",
    "stubborn_prefect",
    "terminated_genesis",
    "terminated_prefect",
]

_LONGEST_S = 90.0
_DEAD_S = 3.0
_STANDS_BY_S = 6.0
"""How long the other worker has been there when the first is lost."""


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    return ", ".join(f"{value:.1f}" for value in ordered) + " s" if ordered else "never"


def killed_in_a_leaf_genesis(stage: Stage) -> Found:
    """Kill the worker that does a leaf of a pool with one slot; another one stands by."""
    recovered, states = [], []
    for turn in range(stage.size(5, 1)):
        stage.workers(2)
        name = stage.name(f"slot{turn}")
        run = stage.run(name, [stage.leaf(name, "one", "single", 4.0)], "--pools")
        first = run.wait_for_marks()[0]
        time.sleep(0.5 * turn)
        stage.kill(stage.worker_of(first.pid))
        killed = time.time()
        recovered.append(run.wait_for_marks(2)[1].at - killed)
        states.append(run.wait_for_end())
    held = until(lambda: not stage.holders(), 20)
    right = bool(held) and set(states) == {"completed"}
    return Found(right, f"{states}; done again after {_spread(recovered)}; held {stage.holders()}", tuple(recovered))


def killed_in_a_leaf_prefect(stage: Stage) -> Found:
    pool, name = "stock-slot", stage.name("slot")
    (worker,) = stage.stock(pool, "step_flow", limit=1)
    flow_run = stage.stock_run("step_flow", pool, name, "one", 4.0)
    until(lambda: _wait_for_begin(stage, name), _LONGEST_S)
    stage.kill(worker)
    killed = time.monotonic()
    stage.stock_worker(pool)
    stage.stock_run("step_flow", pool, name, "behind", 0.0)
    wait_s = stage.size(90, 30)
    again = until(lambda: len(_wait_for_begin(stage, name)) > 1, wait_s)
    took_s = time.monotonic() - killed
    state = stage.state_of(flow_run.id)
    return Found(again, f"it is {state}; what waits for the slot {'began' if again else 'did not'} in {took_s:.0f} s")


def frozen_genesis(stage: Stage) -> Found:
    """Freeze a worker with its child until its work was given away, and thaw it; no state may change by that."""
    stage.workers(2)
    name = stage.name("frozen")
    tasks = [stage.leaf(name, "one", "step", 3.0), stage.leaf(name, "two", "step", 1.0, depends_on=["one"])]
    run = stage.run(name, tasks, "--pools")
    first = run.wait_for_marks()[0]
    worker = stage.worker_of(first.pid)
    frozen = family(worker.pid)
    begun = time.time()
    for one in frozen:
        os.kill(one.pid, signal.SIGSTOP)
    again = run.wait_for_marks(2, seconds=60)[1].at - begun
    until(lambda: len(run.outcomes()) > 1, stage.size(60, 20))
    time.sleep(max(0.0, begun + stage.size(60, 5) - time.time()))
    lost = {one["id"]: one["state_name"] for one in stage.flow_runs("CRASHED", run_id=run.run_id)}
    for one in frozen:
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGCONT)
    state = run.wait_for_end()
    time.sleep(6.0)  # the thawed process has time to write something
    result = run.outcomes().get("one", {}).get("result", {})
    changed = not lost or any(stage.state_of(UUID(one)) != name for one, name in lost.items())
    late = changed or result.get("pid") == first.pid
    figure = f"{state}; done again after {again:.1f} s; late result {'taken' if late else 'refused'}"
    return Found(state == "completed" and not late, figure, (again,))


def frozen_prefect(stage: Stage) -> Found:
    """Freeze a flow run, have it marked as crashed as an automation for zombies does, and thaw it."""
    from prefect.states import Crashed

    pool, name = "stock-frozen", stage.name("frozen")
    stage.stock(pool, "step_flow")
    flow_run = stage.stock_run("step_flow", pool, name, "one", 3.0)
    first = until(lambda: _wait_for_begin(stage, name), _LONGEST_S)[0]
    os.kill(first.pid, signal.SIGSTOP)
    time.sleep(stage.size(60, 5))
    stage.set_state(flow_run.id, Crashed(message="no heartbeat"), force=True)
    os.kill(first.pid, signal.SIGCONT)
    until(lambda: stage.state_of(flow_run.id) == "Completed", 15)
    state = stage.state_of(flow_run.id)
    return Found(state == "Crashed", f"marked as crashed, {state} after it thawed")


def terminated_genesis(stage: Stage) -> Found:
    """End orchestrators at random moments, those of commands and those of workers; then lose two with their host."""
    moments, rng = stage.size(50, 5), random.Random(8)
    stage.workers(1)
    settled, stuck = [], []
    for turn in range(moments):
        name = stage.name(f"term{turn}")
        tasks = _chain(stage, name)
        run = stage.run(name, tasks, "--pools") if turn % 2 == 0 else stage.deploy(name, tasks)
        time.sleep(rng.uniform(0.5, 7.0))
        _terminate(run, deployed=turn % 2 == 1)
        at = time.monotonic()
        left = until(lambda: not stage.list_unfinished(), _LONGEST_S, pause_s=0.5)
        settled.append(time.monotonic() - at)
        stuck += [] if left else stage.list_unfinished()
    lost = [_lose_host(stage) for _ in range(stage.size(5, 1))]
    right = not stuck and math.inf not in lost
    figure = f"{moments} ended, all settled within {max(settled):.0f} s; {len(stuck)} stuck"
    return Found(right, f"{figure}; host lost: continues after {_spread(lost)}", tuple(lost))


def _chain(stage: Stage, name: str, count: int = 6, seconds: float = 0.5) -> list[dict[str, Any]]:
    return [
        stage.leaf(name, f"l{at}", "step", seconds, depends_on=[f"l{at - 2}"] if at > 1 else []) for at in range(count)
    ]


def _terminate(run: StageRun, *, deployed: bool) -> None:
    if not deployed:
        run.command.kill(signal.SIGTERM)
    elif (run.ledger is not None) and (owner := run.owner()):
        with suppress(ProcessLookupError):
            os.kill(owner["pid"], signal.SIGTERM)


def _lose_host(stage: Stage) -> float:
    """Kill a worker that orchestrates, with all that it has started; give after how many s another one continues."""
    (worker,) = [one for one in stage.workers(1) if one.process.poll() is None][-1:]
    name = stage.name("host")
    run = stage.deploy(name, _chain(stage, name, count=60, seconds=1.0))
    run.wait_for_marks(3)
    stage.workers(2)
    time.sleep(_STANDS_BY_S)
    stage.kill(worker)
    killed = time.time()
    found = until(lambda: [mark for mark in run.marks() if mark.at > killed + 0.2], _LONGEST_S)
    from prefect.states import Cancelling

    stage.set_state(run.flow_run, Cancelling())
    until(lambda: not stage.list_unfinished(), _LONGEST_S, pause_s=0.5)
    return found[0].at - killed if found else math.inf


def terminated_prefect(stage: Stage) -> Found:
    pool, moments, rng = "stock-term", stage.size(50, 5), random.Random(8)
    (worker,) = stage.stock(pool, "parent_flow")
    for turn in range(moments):
        known = {one.pid for one in below(worker.pid)}
        flow_run = stage.flow_run(
            f"parent_flow/{pool}", database=stage.database, run=f"term{turn}", count=6, seconds=0.5
        )
        started = until(lambda: [one for one in below(worker.pid) if one.pid not in known], 30)  # noqa: B023
        time.sleep(rng.uniform(0.5, 7.0))
        for one in started[:1]:
            if one.lives():
                os.kill(one.pid, signal.SIGTERM)
        del flow_run
    until(lambda: not stage.list_unfinished(), stage.size(90, 30), pause_s=1.0)
    stuck = stage.list_unfinished()
    tasks = stage.api("/task_runs/count", task_runs={"state": {"type": {"any_": ["RUNNING", "PENDING"]}}})
    return Found(not stuck and not tasks, f"{moments} ended; stuck: {len(stuck)} flow runs, {tasks} task runs")


def cancelled_after_its_worker_genesis(stage: Stage) -> Found:
    """Kill the worker of a leaf, then cancel: where a command orchestrates, and where the same worker does.

    Each is done with another worker that stands by, and then with none, where the command that cancels is alone.
    """
    took, left = [], []
    for deployed, others in ((False, 1), (True, 1), (False, 0), (True, 0)):
        for one in stage.stack.workers:
            one.end()
        stage.stack.workers.clear()
        (worker,) = stage.workers(1)
        name = stage.name("gone")
        tasks = [stage.leaf(name, "one", "single", 60.0)]
        run = stage.deploy(name, tasks) if deployed else stage.run(name, tasks, "--pools")
        run.wait_for_marks()
        if others:
            stage.workers(1 + others)
            time.sleep(_STANDS_BY_S)
        stage.kill(worker)
        killed = time.monotonic()
        stage.genesis("cancel", run.run_id)
        until(lambda: not stage.holders(), _LONGEST_S, pause_s=0.5)
        took.append(time.monotonic() - killed)
        left += stage.holders()
        states = {one["state_name"] for one in stage.flow_runs(run_id=run.run_id)}
        states |= {stage.state_of(run.flow_run)}
        left += sorted(states - {"Cancelled", "Crashed"})
    figure = f"slot free after {_spread(took[:2])}, where no other worker lives {_spread(took[2:])}; left {left}"
    return Found(not left, figure, tuple(took))


def cancelled_after_its_worker_prefect(stage: Stage) -> Found:
    from prefect.states import Cancelling

    pool, name = "stock-gone", stage.name("gone")
    (worker,) = stage.stock(pool, "step_flow", limit=1)
    flow_run = stage.stock_run("step_flow", pool, name, "one", 60.0)
    until(lambda: _wait_for_begin(stage, name), _LONGEST_S)
    stage.kill(worker)
    stage.set_state(flow_run.id, Cancelling())
    stage.stock_worker(pool)
    wait_s = stage.size(90, 30)
    freed = until(lambda: not stage.holders(), wait_s, pause_s=0.5)
    return Found(freed, f"{stage.state_of(flow_run.id)} after {wait_s} s")


def stubborn_genesis(stage: Stage) -> Found:
    """Cancel leaves that do not end when asked to: a function and a program."""
    stage.workers(1)
    took = []
    for kind in ("ignore", "program"):
        for _ in range(stage.size(5, 1)):
            name = stage.name(kind)
            run = stage.run(name, [stage.leaf(name, "one", kind, 60.0)], "--pools")
            pid = run.wait_for_marks()[0].pid
            stage.genesis("cancel", run.run_id)
            asked = until(lambda: _is_cancelling(stage, run), 60, pause_s=0.02)  # noqa: B023
            at = time.monotonic()
            until(lambda: not _lives(pid), 30, pause_s=0.02)  # noqa: B023
            took.append(time.monotonic() - at if asked else 99.0)
            run.wait_for_end()
    return Found(max(took) <= _DEAD_S, f"dead {_spread(took)} after the request")


def _is_cancelling(stage: Stage, run: StageRun) -> bool:
    return "cancel" in stage.state_of(run.flow_run).lower()


def stubborn_prefect(stage: Stage) -> Found:
    from prefect.states import Cancelling

    pool, name = "stock-stubborn", stage.name("stubborn")
    stage.stock(pool, "ignore_flow")
    flow_run = stage.stock_run("ignore_flow", pool, name, "one", 60.0)
    pid = until(lambda: _wait_for_begin(stage, name), _LONGEST_S)[0].pid
    stage.set_state(flow_run.id, Cancelling())
    at = time.monotonic()
    dead = until(lambda: not _lives(pid), 45)
    took = time.monotonic() - at
    return Found(took <= _DEAD_S, f"dead {took:.1f} s after the request" if dead else f"alive after {took:.0f} s")


def many_workers_genesis(stage: Stage) -> Found:
    """Kill all workers at once while ten leaves run; a new one is started a second later."""
    count = stage.size(10, 3)
    workers = stage.workers(count)
    name = stage.name("many")
    tasks = [stage.leaf(name, f"l{at}", "step", 6.0) for at in range(10)]
    run = stage.run(name, tasks, "--pools", GENESIS_POOLS__BATCH_LEAVES="1")
    before = run.wait_for_marks(10)
    for worker in workers:
        stage.kill(worker)
    killed = time.time()
    freed = until(lambda: not stage.flow_runs("RUNNING", "PENDING", run_id=run.run_id), _LONGEST_S, pause_s=0.5)
    freed_s = time.time() - killed
    stage.workers(1)
    state = run.wait_for_end()
    held = until(lambda: not stage.holders(), 20, pause_s=0.5)
    right = bool(freed) and bool(held) and state == "completed"
    figure = f"{count} killed, {len(before)} slots free after {freed_s:.1f} s; run {state}, then held {stage.holders()}"
    return Found(right, figure, (freed_s,))


def many_workers_prefect(stage: Stage) -> Found:
    pool, name, count = "stock-many", stage.name("many"), stage.size(10, 3)
    workers = stage.stock(pool, "limited_flow", workers=count)
    stage.api("/v2/concurrency_limits/", name="many", limit=10)
    for at in range(count):
        stage.stock_run("limited_flow", pool, name, f"l{at}", 60.0, limit="many")
    until(lambda: len(_wait_for_begin(stage, name)) >= count, _LONGEST_S)
    for worker in workers:
        stage.kill(worker)
    stage.stock_worker(pool)
    wait_s = stage.size(90, 30)
    freed = until(lambda: not stage.holders(), wait_s, pause_s=0.5)
    return Found(freed, f"{count} killed; after {wait_s} s still held by {len(stage.holders())}")


def claimed_by_the_dead_genesis(stage: Stage) -> Found:
    """Leave what a worker leaves that dies between its claim and the start: a heartbeat and a Pending flow run.

    The worker that lives is frozen meanwhile, so that it is not the one that claims it.
    """
    (worker,) = stage.workers(1)
    recovered = []
    for _ in range(stage.size(3, 1)):
        for deployed in (False, True):
            os.kill(worker.pid, signal.SIGSTOP)
            name = stage.name("claimed")
            tasks = [stage.leaf(name, "one", "single", 1.0)]
            run = stage.deploy(name, tasks) if deployed else stage.run(name, tasks, "--pools")
            pool = next(name for name in stage.pools if name.startswith("agent-single" if not deployed else "genesis"))
            claimed = until(lambda: _claim(stage, pool), 200)  # noqa: B023
            at = time.time()
            os.kill(worker.pid, signal.SIGCONT)
            marks = run.wait_for_marks()
            recovered += [marks[0].at - at] if claimed else []
            until(lambda: run.state() == "completed", 60)  # noqa: B023
    until(lambda: not stage.holders(), 20)
    right = len(recovered) == 2 * stage.size(3, 1) and not stage.holders()
    return Found(right, f"begun by another after {_spread(recovered)}; held {stage.holders()}", tuple(recovered))


def _claim(stage: Stage, pool: str) -> bool:
    """Claim what is scheduled on a pool, in the name of a worker that gives no further sign of life."""
    from prefect.states import Pending

    waiting = [one for one in stage.flow_runs("SCHEDULED") if one["work_pool_name"] == pool]
    if not waiting:
        return False
    stage.api(f"/work_pools/{pool}/workers/heartbeat", name="ghost")
    stage.set_state(waiting[0]["id"], Pending(message="claimed by ghost"))
    return True


def claimed_by_the_dead_prefect(stage: Stage) -> Found:
    from prefect.states import Pending

    pool, name = "stock-claimed", stage.name("claimed")
    stage.stock(pool, "step_flow", limit=1, workers=0)
    flow_run = stage.stock_run("step_flow", pool, name, "one", 0.0)
    stage.set_state(flow_run.id, Pending())
    stage.stock_worker(pool)
    stage.stock_run("step_flow", pool, name, "behind", 0.0)
    wait_s = stage.size(90, 30)
    begun = until(lambda: _wait_for_begin(stage, name), wait_s)
    return Found(bool(begun), f"it is {stage.state_of(flow_run.id)}, and holds the slot after {wait_s} s")


def _wait_for_begin(stage: Stage, name: str) -> list[Any]:
    from bench import durability_work as work

    return work.marks(stage.database, name)


def _lives(pid: int) -> bool:
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] not in "ZX"  # noqa: PTH123
    except OSError:
        return False
