"""Durability scenarios about limits, queues, cancelling, time limits and retries."""

# ruff: noqa: PLC0415

from __future__ import annotations

import time
from datetime import datetime

from bench import durability_work as work
from bench.durability_stage import Found, Stage, until

__all__ = [
    "blocking_genesis",
    "blocking_prefect",
    "cancelled_queue_genesis",
    "cancelled_queue_prefect",
    "crowded_genesis",
    "crowded_prefect",
    "nested_genesis",
    "nested_prefect",
    "retried_genesis",
    "retried_prefect",
    "suspended_genesis",
    "suspended_prefect",
]

_LONGEST_S = 90.0
_NOTICE_S = 2.0
"""How long a request to suspend or cancel may take to arrive."""
_BLOCKED_S = 3.0


def nested_genesis(stage: Stage) -> Found:
    """Call Prefect flows from leaves, one at a time."""
    count, name = stage.size(20, 5), stage.name("nested")
    tasks = [stage.leaf(name, f"l{at}", "call", inputs={"number": at}) for at in range(count)]
    run = stage.run(name, tasks, "--slots", "1")
    state = run.wait_for_end()
    return Found(state == "completed", f"{state} in {time.monotonic() - run.command.began:.0f} s")


def nested_prefect(stage: Stage) -> Found:
    count = stage.size(20, 5)
    found = stage.script("nested", wait_s=_LONGEST_S, count=count)
    return Found(found.get("value") == count, f"{found.get('value', found.get('state'))} in {found.get('seconds')} s")


def suspended_genesis(stage: Stage) -> Found:
    """Suspend a deployed run in the middle, and resume it."""
    from prefect.states import Scheduled, Suspended

    stage.workers(1)
    name = stage.name("suspended")
    tasks = [stage.leaf(name, f"l{at}", "single", 0.5) for at in range(20)]
    run = stage.deploy(name, tasks)
    run.wait_for_marks(3)
    stage.set_state(run.flow_run, Suspended(timeout_seconds=600))
    asked = time.time()
    time.sleep(8.0)
    late = sum(mark.at > asked + _NOTICE_S for mark in run.marks())
    before = len(run.marks())
    stage.set_state(run.flow_run, Scheduled(name="Resuming"))
    until(lambda: run.state() == "completed", _LONGEST_S, pause_s=0.5)
    state = run.state()
    right = late == 0 and before < len(tasks) and state == "completed"
    return Found(right, f"{late} began later than {_NOTICE_S:g} s after; {before} of {len(tasks)} before; then {state}")


def suspended_prefect(stage: Stage) -> Found:
    from prefect.states import Suspended

    pool, name, count = "stock-suspended", stage.name("suspended"), 40
    stage.stock(pool, "fan_flow")
    flow_run = stage.flow_run(f"fan_flow/{pool}", database=stage.database, run=name, count=count, seconds=1.0)
    until(lambda: len(work.marks(stage.database, name)) >= 3, _LONGEST_S)
    stage.set_state(flow_run.id, Suspended(timeout_seconds=600))
    asked = time.time()
    time.sleep(8.0)
    late = sum(mark.at > asked + _NOTICE_S for mark in work.marks(stage.database, name))
    return Found(late == 0, f"{late} tasks began later than {_NOTICE_S:g} s after")


def cancelled_queue_genesis(stage: Stage) -> Found:
    """Cancel a run of which nearly all waits for one slot."""
    stage.workers(1)
    count, name = stage.size(50, 15), stage.name("queued")
    run = stage.run(name, [stage.leaf(name, f"l{at}", "single", 0.5) for at in range(count)], "--pools")
    run.wait_for_marks(2)
    cancelled = stage.genesis("cancel", run.run_id)
    until(lambda: "cancel" in stage.state_of(run.flow_run).lower(), 60)
    asked = time.time()
    cancelled.wait()
    state = run.wait_for_end()
    time.sleep(5.0)
    late = sum(mark.at > asked + _NOTICE_S for mark in run.marks())
    right = late == 0 and state == "cancelled" and not stage.list_unfinished()
    return Found(right, f"{late} of {count} began later than {_NOTICE_S:g} s after; {state}, left {stage.unfinished()}")


def cancelled_queue_prefect(stage: Stage) -> Found:
    """Cancel the flow that dispatched flow runs to a pool with one slot."""
    from prefect.states import Cancelling

    pool, name, count = "stock-queued", stage.name("queued"), stage.size(50, 15)
    stage.stock(pool, "dispatch_flow", workers=0)
    stage.stock("stock-queued-one", "step_flow", limit=1)
    stage.stock_worker(pool)
    flow_run = stage.flow_run(
        f"dispatch_flow/{pool}", database=stage.database, run=name, count=count, deployment="step_flow/stock-queued-one"
    )
    until(lambda: len(work.marks(stage.database, name)) >= 2, _LONGEST_S)
    stage.set_state(flow_run.id, Cancelling())
    asked = time.time()
    time.sleep(stage.size(60, 30))
    late = sum(mark.at > asked + _NOTICE_S for mark in work.marks(stage.database, name))
    return Found(late == 0, f"{late} of {count} began later than {_NOTICE_S:g} s after")


def blocking_genesis(stage: Stage) -> Found:
    """Return a leaf that blocks for twenty seconds one second."""
    name = stage.name("blocking")
    run = stage.run(name, [stage.leaf(name, "one", "step", 20.0, timeout_s=1)])
    run.wait_for_end()
    outcome = run.outcomes().get("one", {})
    took = _seconds(outcome.get("started_at"), outcome.get("ended_at"))
    right = outcome.get("state") == "failed" and took <= _BLOCKED_S
    return Found(right, f"{outcome.get('state')} after {took:.1f} s")


def blocking_prefect(stage: Stage) -> Found:
    found = stage.script("slow", seconds=20.0, wait_s=_LONGEST_S)
    took = float(found.get("seconds", 99.0))
    return Found("Timeout" in str(found.get("value")) and took <= _BLOCKED_S, f"{found.get('value')} after {took} s")


def _seconds(begun: str | None, ended: str | None) -> float:
    if begun is None or ended is None:
        return 99.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()


def crowded_genesis(stage: Stage) -> Found:
    """Put one leaf of another agent behind many of an agent with one slot."""
    stage.workers(1)
    count, name = stage.size(300, 60), stage.name("crowded")
    tasks = [stage.leaf(name, f"a{at}", "single", 1.0) for at in range(count)]
    run = stage.run(name, [*tasks, stage.leaf(name, "b", "step", 0.1)], "--pools")
    first = run.wait_for_marks(1)[0].at
    found = until(lambda: [mark for mark in run.marks() if mark.leaf == "b"], 60)
    after = found[0].at - first if found else 99.0
    run.command.kill(15)
    run.command.wait(60)
    return Found(after <= _NOTICE_S, f"began {after:+.1f} s after the first of the {count}")


def crowded_prefect(stage: Stage) -> Found:
    """Put one flow run into another queue of the pool, behind many in a queue with a limit of one."""
    pool, name, count = "stock-crowded", stage.name("crowded"), stage.size(300, 60)
    stage.stock(pool, "step_flow", workers=0)
    stage.api(f"/work_pools/{pool}/queues", name="a", concurrency_limit=1, priority=1)
    stage.api(f"/work_pools/{pool}/queues", name="b", priority=2)
    for at in range(count):
        stage.enqueue(pool, "a", name, f"a{at}", 1.0)
    stage.stock_worker(pool)
    until(lambda: work.marks(stage.database, name), _LONGEST_S)
    asked = time.time()
    stage.enqueue(pool, "b", name, "b", 0.1)
    found = until(lambda: [mark for mark in work.marks(stage.database, name) if mark.leaf == "b"], 60)
    after = found[0].at - asked if found else 99.0
    return Found(after <= _NOTICE_S, f"began {after:.1f} s after it was created")


def retried_genesis(stage: Stage) -> Found:
    """Have a leaf fail once whose deployment has a limit of one flow run."""
    stage.workers(1)
    stage.limit_deployment("agent_task/single")
    name = stage.name("retried")
    run = stage.run(name, [stage.leaf(name, "one", "fail", 0.2, retries=2)], "--pools")
    state, times = run.wait_for_end(), len(run.marks())
    return Found(state == "completed" and times == 2, f"{state}, {times} attempts")


def retried_prefect(stage: Stage) -> Found:
    pool, name = "stock-retried", stage.name("retried")
    stage.stock(pool, "fail_once_flow")
    stage.limit_deployment(f"fail_once_flow/{pool}")
    flow_run = stage.stock_run("fail_once_flow", pool, name, "one", 0.2)
    until(lambda: stage.is_final(flow_run.id), _LONGEST_S, pause_s=0.5)
    state, times = stage.state_of(flow_run.id), len(work.marks(stage.database, name))
    return Found(state == "Completed" and times == 2, f"{state}, {times} attempts")
