"""The stock side of the durability scenarios: flows as one writes them by hand, and scripts that run them.

    python -m bench.durability_flows SCRIPT [JSON]

A script gets its keyword arguments as one JSON object, and prints one JSON document. The flows are also deployed to
pools of type `process`.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.concurrency.sync import concurrency
from prefect.deployments import run_deployment
from prefect.states import State
from prefect.task_runners import ThreadPoolTaskRunner

from bench import durability_work as work

__all__ = [
    "call_flow",
    "dispatch_flow",
    "fail_once_flow",
    "fan_flow",
    "ignore_flow",
    "limited_flow",
    "main",
    "parent_flow",
    "persisted_flow",
    "step_flow",
]

_FORK_S = 20


@task(persist_result=False)
def step_task(database: str, run: str, leaf: str, seconds: float, kind: str = "step") -> dict[str, int]:
    """Do a step as a task."""
    todo: dict[str, Callable[..., dict[str, int]]] = {"step": work.step, "burn": work.burn}
    return todo[kind](database, run, leaf, seconds)


@task(persist_result=True)
def kept_task(database: str, run: str, leaf: str, seconds: float) -> dict[str, int]:
    """Do a step whose result is kept."""
    return work.step(database, run, leaf, seconds)


@task(persist_result=False)
def noop_task(number: int) -> int:
    """Do nothing."""
    return number


@flow(persist_result=False)
def step_flow(database: str, run: str, leaf: str, seconds: float, big: str = "") -> dict[str, int]:
    """Do one step."""
    return work.step(database, run, leaf, seconds, big)


@flow(persist_result=False)
def ignore_flow(database: str, run: str, leaf: str, seconds: float) -> dict[str, int]:
    """Do one step that ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return work.ignore(database, run, leaf, seconds)


@flow(persist_result=False)
def limited_flow(database: str, run: str, leaf: str, seconds: float, limit: str) -> dict[str, int]:
    """Do one step under a global concurrency limit."""
    with concurrency(limit, occupy=1):
        return work.step(database, run, leaf, seconds)


@flow(persist_result=False, retries=1, retry_delay_seconds=2)
def fail_once_flow(database: str, run: str, leaf: str, seconds: float) -> dict[str, int]:
    """Fail the first time."""
    return work.fail_once(database, run, leaf, seconds)


@flow(persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=5))  # type: ignore[arg-type]  # its own type
def fan_flow(database: str, run: str, count: int, seconds: float, kind: str = "step") -> int:
    """Submit many tasks at once."""
    futures = [step_task.submit(database, run, f"l{number}", seconds, kind) for number in range(count)]
    return sum("pid" in future.result() for future in futures)


@flow(persist_result=False)
def dispatch_flow(database: str, run: str, count: int, deployment: str) -> None:
    """Dispatch flow runs, and wait."""
    for number in range(count):
        given = {"database": database, "run": run, "leaf": f"l{number}", "seconds": 0.5}
        run_deployment(deployment, parameters=given, timeout=0)
    time.sleep(600)


@flow(persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=2))  # type: ignore[arg-type]  # its own type
def parent_flow(database: str, run: str, count: int, seconds: float) -> int:
    """Call a flow, and submit tasks."""
    step_flow(database, run, "sub", seconds)
    futures = [step_task.submit(database, run, f"l{number}", seconds) for number in range(count)]
    return sum("pid" in future.result() for future in futures)


@flow(persist_result=True, task_runner=ThreadPoolTaskRunner(max_workers=2))  # type: ignore[arg-type]  # its own type
def persisted_flow(database: str, run: str, count: int, seconds: float) -> int:
    """Submit tasks whose results are kept."""
    futures = [kept_task.submit(database, run, f"l{number}", seconds) for number in range(count)]
    return sum("pid" in future.result() for future in futures)


@flow(persist_result=False)
def quick_flow(number: int) -> int:
    """Do nothing, as a flow."""
    return number


def call_flow(number: int) -> dict[str, int]:
    """Call a Prefect flow from a leaf."""
    return {"number": quick_flow(number)}


@task(persist_result=False)
def calling_task(number: int) -> int:
    """Call a Prefect flow from a task."""
    return quick_flow(number)


@flow(persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=1))  # type: ignore[arg-type]  # its own type
def nested_flow(count: int) -> int:
    """Call flows from tasks, one at a time."""
    return sum(future.result() >= 0 for future in [calling_task.submit(number) for number in range(count)])


@flow(persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=5))  # type: ignore[arg-type]  # its own type
def many_flow(count: int) -> int:
    """Map a task that does nothing."""
    return len(noop_task.map(range(count)).result())


@task(persist_result=False, timeout_seconds=1)
def slow_task(seconds: float) -> None:
    """Block for longer than is allowed."""
    time.sleep(seconds)


@flow(persist_result=False)
def slow_flow(seconds: float) -> None:
    """Submit a task that blocks."""
    slow_task.submit(seconds).result()


@task(persist_result=True, cache_policy=INPUTS)
def cached_task(number: int) -> int:
    """Return a number that is cached by its inputs."""
    return number


@flow(persist_result=True)
def cached_flow(count: int) -> list[Any]:
    """Submit cached tasks."""
    futures = [cached_task.submit(number) for number in range(count)]
    states: list[State[Any]] = [(future.wait(), future.state)[1] for future in futures]
    return [state.name for state in states]


@task(persist_result=True, cache_policy=TASK_SOURCE + INPUTS)
def partly_task(number: int, lock: Any) -> int:
    """Return a number; a part of its key cannot be computed, because a lock has no hash that lasts."""
    del lock
    return number


@flow(persist_result=True)
def keys_flow() -> list[int]:
    """Return what each of two calls gave whose inputs differ."""
    return [partly_task(number, threading.Lock()) for number in (1, 2)]


def _time(call: Callable[[], Any]) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        value = call()
    except Exception as error:  # noqa: BLE001  # what a script came to is its answer
        value = f"{type(error).__name__}: {error}"[:300]
    return {"value": value, "seconds": round(time.monotonic() - begun, 2)}


def _many(runs: int, leaves: int) -> dict[str, Any]:
    return _time(lambda: sum(many_flow(leaves) for _ in range(runs)))


def _make_cached(count: int) -> dict[str, Any]:
    return {"first": cached_flow(count), "second": Counter(cached_flow(count))}


def _make_forked() -> dict[str, Any]:
    """Use Prefect, fork, and use it in the child, which has none of the threads of its parent."""
    from bench.durability_loop import use_prefect

    use_prefect()
    child = os.fork()
    if not child:
        use_prefect()
        os._exit(0)
    until = time.monotonic() + _FORK_S
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return {"ended": True}
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return {"ended": False}


_SCRIPTS: dict[str, Callable[..., dict[str, Any]]] = {
    "nested": lambda count: _time(lambda: nested_flow(count)),
    "many": _many,
    "map": lambda count: _time(lambda: many_flow(count)),
    "fan": lambda **given: _time(lambda: fan_flow(**given)),
    "slow": lambda seconds: _time(lambda: slow_flow(seconds)),
    "cached": _make_cached,
    "keys": lambda: _time(keys_flow),
    "forked": _make_forked,
}


def main() -> None:
    name, *rest = sys.argv[1:]
    print(json.dumps(_SCRIPTS[name](**json.loads(rest[0] if rest else "{}"))), flush=True)


if __name__ == "__main__":
    main()
