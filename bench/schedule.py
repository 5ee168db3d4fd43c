"""Makespan of the scheduler over the best known one, on the Standard Task Graph Set, beside plain critical path first.

    python -m bench.schedule [--quick] [--json] [--data DIR]

Each graph is ranked and simulated as `genesis simulate` does it, on 2, 4, 8 and 16 slots, without limits of agents. The
rule beside it gives every task its longest remaining chain as priority and is simulated by the same machine. Ratios are
to the makespans that the set lists. Time is the processor time of ranking and simulating one graph, in one thread, the
better of two runs. The second run must give the same schedule.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import Bench, Target, arguments
from genesis.schedule import ScheduleJob, ScheduleLimits, Timeline, simulate_jobs

SLOTS = (2, 4, 8, 16)
TARGETS = {2: 1.007, 4: 1.0095, 8: 1.0105, 16: 1.001}
STRETCH = 1.003
_QUICK_STEP = 6


@dataclass(frozen=True)
class JobGraph:
    """One task graph, its entry and exit dropped, with the makespans that its set lists."""

    name: str
    jobs: tuple[ScheduleJob, ...]
    listed: dict[int, float]


@dataclass(frozen=True)
class ScheduleCase:
    """One graph on one number of slots."""

    slots: int
    jobs: int
    listed: float
    genesis: float
    critical_path: float
    seconds: float
    repeated: bool
    """Whether the second run gave the same schedule."""


def graphs(data: Path) -> list[JobGraph]:
    path = data / "stg" / "stg_50_100.jsonl"
    if not path.is_file():
        sys.exit(f"there is no file {path}; name the folder of the data sets with --data")
    return [_graph(json.loads(line)) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _graph(record: dict[str, object]) -> JobGraph:
    tasks: list[tuple[int, float, list[int]]] = record["tasks"]  # type: ignore[assignment]
    real = [task for task in tasks if task[1] > 0]
    number = {task[0]: index for index, task in enumerate(real)}
    jobs = tuple(
        ScheduleJob(float(seconds), tuple(number[source] for source in after if source in number))
        for _, seconds, after in real
    )
    listed: dict[str, float] = record["opt_makespan"]  # type: ignore[assignment]
    return JobGraph(str(record["file"]), jobs, {int(slots): float(value) for slots, value in listed.items()})


def chains(jobs: Sequence[ScheduleJob]) -> list[float]:
    """Return the seconds of the longest chain that each job heads; the jobs are in topological order."""
    longest = [job.duration_s for job in jobs]
    for index in range(len(jobs) - 1, -1, -1):
        for source in jobs[index].after:
            longest[source] = max(longest[source], jobs[source].duration_s + longest[index])
    return longest


def case(graph: JobGraph, slots: int) -> ScheduleCase:
    """Schedule a graph by both rules."""
    limits = ScheduleLimits(slots)
    plain = simulate_jobs(graph.jobs, limits, chains(graph.jobs))
    first_s, first = _time(graph.jobs, limits)
    second_s, second = _time(graph.jobs, limits)
    return ScheduleCase(
        slots=slots,
        jobs=len(graph.jobs),
        listed=graph.listed[slots],
        genesis=first.makespan_s,
        critical_path=plain.makespan_s,
        seconds=min(first_s, second_s),
        repeated=first == second,
    )


def _time(jobs: Sequence[ScheduleJob], limits: ScheduleLimits) -> tuple[float, Timeline]:
    start = time.process_time()
    timeline = simulate_jobs(jobs, limits)
    return time.process_time() - start, timeline


def measure(bench: Bench, chosen: Sequence[JobGraph]) -> None:
    """Schedule all graphs on all numbers of slots, and hold the means against the targets."""
    cases = [case(graph, slots) for graph in chosen for slots in SLOTS if slots in graph.listed]
    for slots in SLOTS:
        here = [each for each in cases if each.slots == slots]
        ours = [each.genesis / each.listed for each in here]
        plain = [each.critical_path / each.listed for each in here]
        bench.add(
            slots=slots, graphs=len(here),
            genesis=round(statistics.fmean(ours), 5), critical_path=round(statistics.fmean(plain), 5),
            genesis_at_listed=sum(ratio <= 1 for ratio in ours),
            critical_path_at_listed=sum(ratio <= 1 for ratio in plain),
            genesis_worst=round(max(ours), 4), critical_path_worst=round(max(plain), 4),
            longer_than_critical_path=sum(each.genesis > each.critical_path for each in here),
        )  # fmt: skip
        name = f"makespan over the listed one, {slots} slots"
        bench.targets.append(Target.at_most(name, TARGETS[slots], statistics.fmean(ours)))
        bench.targets.append(Target.at_most(f"the stretch: the same, {slots} slots", STRETCH, statistics.fmean(ours)))
    _times(bench, cases)
    repeated = statistics.fmean(each.repeated for each in cases)
    bench.targets.append(Target.at_least("second run equal, part of all", 1.0, repeated))


def _times(bench: Bench, cases: Sequence[ScheduleCase]) -> None:
    for low, high in ((0, 75), (75, 1_000)):
        spent = sorted(1e3 * each.seconds for each in cases if low <= each.jobs < high)
        if not spent:
            continue
        bench.add(
            tasks=round(statistics.fmean(each.jobs for each in cases if low <= each.jobs < high)),
            median_cpu_ms=round(statistics.median(spent), 2),
            p95_cpu_ms=round(spent[int(0.95 * (len(spent) - 1))], 2),
            largest_cpu_ms=round(spent[-1], 2),
        )
        if low:
            bench.targets.append(
                Target.at_most("the stretch: one graph of 100 tasks, largest, CPU ms", 50.0, spent[-1])
            )


def main() -> None:
    options = arguments(__doc__.splitlines()[0]).parse_args()
    everything = graphs(options.data)
    bench = Bench("schedule")
    measure(bench, everything[::_QUICK_STEP] if options.quick else everything)
    bench.show(as_json=options.as_json)


if __name__ == "__main__":
    main()
