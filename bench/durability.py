"""What users of Prefect have reported, as thirty scenarios: each on stock Prefect and on Genesis, in one call.

    python -m bench.durability [--quick] [--json] [--data DIR] [--only 5,6] [--side genesis|prefect] [--cost]

The stock side is a flow as one writes it by hand, on Prefect's own process worker where there are workers. Both sides
use the same server, on PostgreSQL unless the scenario is about SQLite. `--quick` takes smaller sizes: fewer leaves,
shorter outages, fewer moments. A row is *right* when what the scenario asks for was seen, *wrong* when something else
was, and *not run* when neither could be determined.

`--cost` measures the processor time that the server takes for the requests by which a loss is noticed, each alone.

*recovery* is the time from a kill until what was lost continues or has let its slot go.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from bench import durability_kills as kills
from bench import durability_limits as limits
from bench import durability_load as load
from bench import durability_outage as outage
from bench import durability_resume as resume
from bench.durability_stage import Found, NotBegunError, Stage, stage
from bench.report import Bench, Target, arguments, percentile
from bench.server import wait_until_quiet
from genesis.settings import PoolSettings

__all__ = ["SCENARIOS", "Scenario", "main", "run_way"]

_RECOVERED_S = 15.0
_TIMES = 200
_Way = Callable[[Stage], Found]


@dataclass(frozen=True)
class Scenario:
    """One report, as something that can be tried."""

    number: int
    issue: str
    """Of PrefectHQ/prefect, unless it names another repository."""
    what: str
    right: str
    genesis: _Way | None
    """None where Genesis has no way to do it."""
    prefect: _Way | None
    database: Literal["PostgreSQL", "SQLite"] = "PostgreSQL"


SCENARIOS = (
    Scenario(
        1, "17060", "20 leaves that call a Prefect flow, one slot", "finishes",
        limits.nested_genesis, limits.nested_prefect,
    ),
    Scenario(
        2, "18121", "100 runs of ten leaves, five slots", "none stays Running",
        load.many_runs_genesis, load.many_runs_prefect,
    ),
    Scenario(
        3, "19261", "1,000 leaves that do nothing", "the API counts 1,000 Completed",
        load.counted_genesis, load.counted_prefect,
    ),
    Scenario(
        4, "14143", "a cached plan twice", "second run ends, all cached",
        resume.cached_genesis, resume.cached_prefect,
    ),
    Scenario(
        5, "16746", "pool limit 1, worker killed in mid-leaf", "slot freed, leaf done again",
        kills.killed_in_a_leaf_genesis, kills.killed_in_a_leaf_prefect,
    ),
    Scenario(
        6, "16429", "child frozen for 60 s, then thawed", "late result refused",
        kills.frozen_genesis, kills.frozen_prefect,
    ),
    Scenario(
        7, "13020", "150 leaves, processor saturated", "none Crashed",
        load.saturated_genesis, load.saturated_prefect,
    ),
    Scenario(
        8, "22847", "orchestrator ended (SIGTERM) at 50 random moments", "nothing stuck beyond 90 s",
        kills.terminated_genesis, kills.terminated_prefect,
    ),
    Scenario(
        9, "16059", "killed, resumed on another host", "finished effects not repeated",
        resume.other_host_genesis, resume.other_host_prefect,
    ),
    Scenario(10, "21727", "restart from a chosen task", "only it and what depends on it runs", None, None),
    Scenario(
        11, "20388", "suspended in mid-run", "no new leaf starts",
        limits.suspended_genesis, limits.suspended_prefect,
    ),
    Scenario(
        12, "17482", "cancelled with 50 queued", "zero start afterwards",
        limits.cancelled_queue_genesis, limits.cancelled_queue_prefect,
    ),
    Scenario(
        13, "17563", "worker killed, then cancelled", "Cancelled, slot freed",
        kills.cancelled_after_its_worker_genesis, kills.cancelled_after_its_worker_prefect,
    ),
    Scenario(
        14, "PR 22072", "a leaf ignores SIGTERM, cancelled", "dead within 3 s",
        kills.stubborn_genesis, kills.stubborn_prefect,
    ),
    Scenario(
        15, "18133", "time limit of 1 s, a sleep of 20 s that blocks", "fails at about 1 s",
        limits.blocking_genesis, limits.blocking_prefect,
    ),
    Scenario(
        16, "17415", "ten workers killed", "no slot held",
        kills.many_workers_genesis, kills.many_workers_prefect,
    ),
    Scenario(
        17, "19403", "300 leaves on A (limit 1), one on B", "B starts within 2 s",
        limits.crowded_genesis, limits.crowded_prefect,
    ),
    Scenario(
        18, "18883", "2,000 tasks mapped", "the server's p95 stays bounded (2 s)",
        load.latency_genesis, load.latency_prefect,
    ),
    Scenario(
        19, "21031", "API cut for 10 min in 5,000 leaves", "memory flat, nothing lost",
        outage.cut_genesis, outage.cut_prefect,
    ),
    Scenario(
        20, "20462", "API down at the start, up after 30 s", "waits, bounded, with a message",
        outage.late_genesis, outage.late_prefect,
    ),
    Scenario(
        21, "18934", "SQLite, two workers on all pools, 10 min", "nothing lost",
        outage.sqlite_genesis, outage.sqlite_prefect, database="SQLite",
    ),
    Scenario(
        22, "18055", "page of a run of 1,000 leaves", "responsive (2 s)",
        load.page_genesis, load.page_prefect,
    ),
    Scenario(
        23, "22839", "events grow", "rows a leaf bounded (12)",
        load.events_genesis, load.events_prefect,
    ),
    Scenario(
        24, "8880", "3 workers, 500 leaves with a counter", "counter is 500",
        load.counter_genesis, load.counter_prefect,
    ),
    Scenario(
        25, "9947", "input of 5 MB", "parameters under 10 kB",
        load.heavy_input_genesis, load.heavy_input_prefect,
    ),
    Scenario(
        26, "PR 22308", "an event loop thread from before a fork", "no deadlock in forked children",
        load.forked_genesis, load.forked_prefect,
    ),
    Scenario(
        27, "opsmill/infrahub 9856", "a worker dies between claim and start", "Pending does not hold the slot",
        kills.claimed_by_the_dead_genesis, kills.claimed_by_the_dead_prefect,
    ),
    Scenario(
        28, "22885", "deployment limit while a run retries", "the retry is not dropped",
        limits.retried_genesis, limits.retried_prefect,
    ),
    Scenario(
        29, "15861", "a partial cache key", "no wrong reuse",
        resume.keys_genesis, resume.keys_prefect,
    ),
    Scenario(30, "10749", "a failed task set right by hand", "the run continues from there", None, None),
)  # fmt: skip


def run_way(way: _Way | None, where: Stage, missing: str) -> Found:
    """Try one side of a scenario. This is the boundary for what goes wrong with the trial itself."""
    if way is None:
        return Found(None, missing)
    try:
        return way(where)
    except NotBegunError as error:
        return Found(right=False, figure=str(error))
    except Exception as error:  # noqa: BLE001  # the named boundary of a trial: the others continue
        traceback.print_exc(file=sys.stderr)
        return Found(None, f"{type(error).__name__}: {error}"[:160])
    finally:
        where.clear()


def _verdict(found: Found) -> str:
    return f"{'not run' if found.right is None else 'right' if found.right else 'wrong'}: {found.figure}"


def _try(bench: Bench, scenario: Scenario, where: Stage, sides: Iterable[str]) -> Found | None:
    begun = time.monotonic()
    both = {
        "prefect": lambda: run_way(scenario.prefect, where, "no counterpart"),
        "genesis": lambda: run_way(scenario.genesis, where, "not built"),
    }
    found = {side: both[side]() for side in both if side in sides}
    bench.add(
        number=scenario.number, issue=scenario.issue, scenario=scenario.what, right_behaviour=scenario.right,
        **{side: _verdict(one) for side, one in found.items()},
        **({"genesis_right": found["genesis"].right is True} if "genesis" in found else {}),
    )  # fmt: skip
    for side, one in found.items():
        told = f"{scenario.number:>3} {side:8} {_verdict(one)}"
        print(f"{time.monotonic() - begun:7.1f} s {told}", file=sys.stderr, flush=True)
    return found.get("genesis")


def _run(bench: Bench, chosen: argparse.Namespace) -> None:
    wanted = [scenario for scenario in SCENARIOS if chosen.only is None or scenario.number in chosen.only]
    sides = [chosen.side] if chosen.side else ["prefect", "genesis"]
    tried: list[Found] = []
    for database in ("PostgreSQL", "SQLite"):
        mine = [scenario for scenario in wanted if scenario.database == database]
        if not mine:
            continue
        with stage(quick=chosen.quick, sqlite=database == "SQLite") as where:
            tried += [one for scenario in mine if (one := _try(bench, scenario, where, sides)) is not None]
    bench.rows.sort(key=lambda row: row["number"])
    if not tried:
        return
    bench.targets.append(Target.at_least("scenarios right on Genesis", len(wanted), sum(bool(f.right) for f in tried)))
    recovered = [seconds for one in tried for seconds in one.recovered_s]
    if recovered:
        bench.targets.append(Target.at_most("recovery after a kill, p95, s", _RECOVERED_S, percentile(recovered, 95)))


def _cost(bench: Bench, where: Stage) -> None:
    """Measure what the requests cost the server by which a loss is noticed, on a server that does nothing else."""
    held = {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}
    pools = {"name": {"any_": where.pools}}
    how = PoolSettings()
    asked: dict[str, tuple[float, Callable[[], object]]] = {
        "heartbeat to a busy pool": (
            1 / how.heartbeat_s,
            lambda: where.api(f"/work_pools/{where.pools[-1]}/workers/heartbeat", name="worker"),
        ),
        "look at what other workers hold": (
            1 / how.heartbeat_s,
            lambda: where.api("/flow_runs/count", flow_runs=held, work_pools=pools),
        ),
    }
    for name, (a_second, ask) in asked.items():
        ask()
        wait_until_quiet(where.stack.server_pid)
        before = sum(where.stack.cpu_s().values())
        for _ in range(_TIMES):
            ask()
        spent_ms = 1e3 * (sum(where.stack.cpu_s().values()) - before) / _TIMES
        share = spent_ms * a_second / 10
        bench.add(request=name, a_second=a_second, server_cpu_ms=round(spent_ms, 2), percent_of_a_core=round(share, 2))


def _numbers(text: str) -> set[int]:
    return {int(word) for word in text.split(",")}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", type=_numbers, metavar="N,N", help="only these scenarios")
    parser.add_argument("--side", choices=("genesis", "prefect"), help="only this side")
    parser.add_argument("--cost", action="store_true", help="only what noticing a loss costs the server")
    chosen = parser.parse_args()
    bench = Bench("durability")
    if chosen.cost:
        with stage(quick=True) as where:
            _cost(bench, where)
    else:
        _run(bench, chosen)
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
