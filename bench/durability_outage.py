"""Durability scenarios in which the API is away, or stands on SQLite."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench import durability_work as work
from bench.durability_stage import Command, Found, Stage, until

__all__ = [
    "cut_genesis",
    "cut_prefect",
    "late_genesis",
    "late_prefect",
    "sqlite_genesis",
    "sqlite_prefect",
]

_LARGE = {"GENESIS_LIMITS__LEAVES": "10000"}
_LONGEST_S = 1_200.0
_GROWTH = 1.5
_BOUND_S = 120.0


def cut_genesis(stage: Stage) -> Found:
    """Take the API away in the middle of a large run, and give it back."""
    count, name = stage.size(5_000, 200), stage.name("cut")
    run = stage.run(name, [stage.leaf(name, f"l{at}", "step", 0.2) for at in range(count)], **_LARGE)
    return _cut(stage, run.command, name, count, lambda: run.wait_for_end(_LONGEST_S) == "completed")


def cut_prefect(stage: Stage) -> Found:
    count, name = stage.size(5_000, 200), stage.name("cut")
    command = stage.start("fan", database=stage.database, run=name, count=count, seconds=0.2)
    return _cut(stage, command, name, count, lambda: command.document(_LONGEST_S).get("value") == count)


def _cut(stage: Stage, command: Command, name: str, count: int, ended: Callable[[], bool]) -> Found:
    away_s = stage.size(600, 20)
    until(lambda: len(work.marks(stage.database, name)) >= count // 10, 240, pause_s=0.5)
    before_mb = _rss_mb(command)
    stage.stack.kill_server()
    until(lambda: command.process.poll() is not None, away_s, pause_s=1.0)
    after_mb = _rss_mb(command)
    stage.stack.start_server()
    well = ended()
    done = len({mark.leaf for mark in work.marks(stage.database, name, "end")})
    grown = after_mb / before_mb if before_mb and after_mb else 0.0
    right = well and done == count and grown <= _GROWTH
    figure = f"{done} of {count} done, {'ended well' if well else 'failed'}; {before_mb:.0f} MB, then"
    return Found(right, f"{figure} {after_mb:.0f} MB after {away_s} s without API")


def _rss_mb(command: Command) -> float:
    """Read the resident memory of a process in MB; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{command.process.pid}/statm").read_text("utf-8").split()
    except OSError:
        return 0.0
    return int(fields[1]) * 4096 / 1e6


def late_genesis(stage: Stage) -> Found:
    """Start a run while the API is away; it comes after half a minute."""
    name = stage.name("late")
    stage.stack.kill_server()
    run = stage.run(name, [stage.leaf(name, "one", "step", 0.1)])
    return _late(stage, run.command)


def late_prefect(stage: Stage) -> Found:
    stage.stack.kill_server()
    return _late(stage, stage.start("fan", database=stage.database, run=stage.name("late"), count=1, seconds=0.1))


def _late(stage: Stage, command: Command) -> Found:
    away_s = stage.size(30, 15)
    until(lambda: command.process.poll() is not None, away_s, pause_s=0.5)
    gave_up = command.process.poll() is not None
    told = next((line for line in command.read_output().splitlines() if _is_reported(line)), "")
    stage.stack.start_server()
    document = command.document(_BOUND_S)
    well = command.process.poll() == 0 and document.get("state", document.get("value")) in {"completed", 1}
    how = "gave up" if gave_up else "waited" if well else f"ended {command.process.poll()}: {document}"[:80]
    return Found(well and bool(told), f"{how}; it said: {told.strip()[:70] or 'nothing'}")


def _is_reported(line: str) -> bool:
    return any(word in line.lower() for word in ("wait", "cannot be reached", "does not answer", "retry"))


def sqlite_genesis(stage: Stage) -> Found:
    """Have two workers serve all pools from a server on SQLite for a while."""
    stage.workers(2)
    until_s = time.monotonic() + stage.size(600, 30)
    runs = lost = done = 0
    while not runs or time.monotonic() < until_s:
        name = stage.name(f"sqlite{runs}")
        run = stage.run(name, [stage.leaf(name, f"l{at}", "step", 0.2) for at in range(10)], "--pools")
        state = run.wait_for_end()
        begun = {mark.leaf for mark in run.marks("end")}
        lost += 10 - len(begun) if state == "completed" else 10
        done += len(begun)
        runs += 1
    return Found(not lost, f"{runs} runs, {done} leaves done, {lost} lost")


def sqlite_prefect(stage: Stage) -> Found:
    """The same with two process workers, a flow of ten tasks at a time."""
    pool = "stock-sqlite"
    stage.stock(pool, "fan_flow", workers=2)
    until_s = time.monotonic() + stage.size(600, 30)
    runs = lost = done = 0
    while not runs or time.monotonic() < until_s:
        name = stage.name(f"sqlite{runs}")
        flow_run = stage.flow_run(f"fan_flow/{pool}", database=stage.database, run=name, count=10, seconds=0.2)
        until(lambda: stage.is_final(flow_run.id), 120, pause_s=0.5)  # noqa: B023
        begun = {mark.leaf for mark in work.marks(stage.database, name, "end")}
        lost += 10 - len(begun) if stage.state_of(flow_run.id) == "Completed" else 10
        done += len(begun)
        runs += 1
    return Found(not lost, f"{runs} runs, {done} tasks done, {lost} lost")
