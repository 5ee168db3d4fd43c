"""Durability scenarios about caching, and about continuing a run somewhere else."""

# ruff: noqa: PLC0415

from __future__ import annotations

import time

from bench import durability_work as work
from bench.durability_stage import Found, Stage, StageRun, until

__all__ = [
    "cached_genesis",
    "cached_prefect",
    "keys_genesis",
    "keys_prefect",
    "other_host_genesis",
    "other_host_prefect",
]

_CACHE = {"cache": {"ttl_s": 3600}}


def cached_genesis(stage: Stage) -> Found:
    """Run a plan twice whose leaves are cached across runs."""
    name, count = stage.name("cached"), 10
    tasks = [stage.leaf(name, f"l{at}", "step", **_CACHE) for at in range(count)]
    states = []
    for _ in range(2):
        run = stage.run(name, tasks)
        document = run.command.document()
        states.append([task["state"] for task in document.get("tasks", [])])
    right = states[0] == ["completed"] * count and states[1] == ["cached"] * count
    return Found(right and len(run.marks()) == count, f"second run: {states[1].count('cached')} of {count} cached")


def cached_prefect(stage: Stage) -> Found:
    count = 10
    found = stage.script("cached", count=count)
    cached = dict(found.get("second", {})).get("Cached", 0)
    return Found(cached == count, f"second run: {cached} of {count} cached")


def keys_genesis(stage: Stage) -> Found:
    """Run plans that differ in one thing each: a nested input, and the upstream's result."""
    name = stage.name("keys")
    runs = []
    for at in range(2):
        first = stage.leaf(name, "first", "step", inputs={"big": f"x{at}"}, outputs=["pid"], **_CACHE)
        nested = stage.leaf(name, "nested", "step", inputs={"big": f"a{at}"}, description="Do nested", **_CACHE)
        after = stage.leaf(name, "after", "step", inputs={"big": "{first.pid}"}, depends_on=["first"], **_CACHE)
        document = stage.run(name, [first, nested, after]).command.document()
        runs.append({task["id"]: task["state"] for task in document.get("tasks", [])})
    wrong = [task for task, state in runs[1].items() if state == "cached"]
    right = len(runs[1]) == 3 and not wrong
    return Found(right, f"{len(wrong)} of {len(runs[1])} reused although they differ")


def keys_prefect(stage: Stage) -> Found:
    found = stage.script("keys")
    return Found(found.get("value") == [1, 2], f"two calls whose key is partly unknown gave {found.get('value')}")


def other_host_genesis(stage: Stage) -> Found:
    """Kill a run, and continue with it from another home that shares the result storage."""
    repeated, states, recovered, recorded = 0, [], [], 0
    for turn in range(stage.size(3, 1)):
        name = stage.name(f"host{turn}")
        tasks = [
            stage.leaf(name, f"l{at}", "step", 0.5, side_effects=at % 2 == 0, depends_on=[f"l{at - 1}"] if at else [])
            for at in range(8)
        ]
        run = stage.run(name, tasks)
        run.wait_for_marks(4)
        run.command.kill()
        killed = time.time()
        finished = {leaf for leaf, outcome in run.outcomes().items() if outcome["state"] == "completed"}
        storage = stage.stack.environment["PREFECT_HOME"] + "/storage"
        home = str(stage.folder / name)
        elsewhere = {
            "HOME": home, "GENESIS_HOME": f"{home}/genesis", "PREFECT_HOME": f"{home}/prefect",
            "PREFECT_LOCAL_STORAGE_PATH": storage,
        }  # fmt: skip
        resumed = StageRun(stage, name, stage.genesis("resume", run.run_id, **elsewhere))
        states.append(resumed.wait_for_end())
        again = [mark for mark in run.marks() if mark.at > killed]
        recovered += [again[0].at - killed] if again else []
        repeated += sum(mark.leaf in finished for mark in again)
        recorded += len(finished)
    right = bool(recorded) and not repeated and set(states) == {"completed"}
    return Found(right, f"{repeated} of {recorded} finished repeated; {', '.join(states)}", tuple(recovered))


def other_host_prefect(stage: Stage) -> Found:
    """Kill a flow run with kept results, and have another worker take it, with the same result storage."""
    from prefect.states import AwaitingRetry

    pool, name, count = "stock-host", stage.name("host"), 8
    (worker,) = stage.stock(pool, "persisted_flow")
    flow_run = stage.flow_run(f"persisted_flow/{pool}", database=stage.database, run=name, count=count, seconds=1.0)
    until(lambda: len(work.marks(stage.database, name, "end")) >= 3, 90)
    time.sleep(0.3)
    stage.kill(worker)
    killed = time.time()
    finished = {mark.leaf for mark in work.marks(stage.database, name, "end")}
    stage.set_state(flow_run.id, AwaitingRetry(), force=True)
    stage.stock_worker(pool)
    until(lambda: stage.is_final(flow_run.id), 90, pause_s=0.5)
    again = {mark.leaf for mark in work.marks(stage.database, name) if mark.at > killed}
    state = stage.state_of(flow_run.id)
    repeated = len(again & finished)
    figure = f"{repeated} of {len(finished)} finished repeated; {state}, set to AwaitingRetry by hand"
    return Found(not repeated and state == "Completed", figure)
