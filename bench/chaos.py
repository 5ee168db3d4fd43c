"""Let things go wrong in the middle of runs, and see that nothing is lost, doubled, held or left running.

    python -m bench.chaos [kills | keys] [--quick] [--json] [--data DIR] [--runs N] [--seed N] [--sqlite]
    python -m bench.chaos faults [--quick] [--json] [--data DIR] [--runs N] [--seed N]
    python -m bench.chaos dead-agent [--quick] [--json] [--data DIR] [--seed N]

`faults` lets calls of agents go wrong by a seed, each run beside the same plan without faults; `dead-agent` takes an
agent down for a minute. Both run in one process against a server of their own; see `bench.chaos_faults` and
`bench.chaos_dead`. The rest is about `kills`, which is what happens without a word.

Each run has a dozen leaves of 0.2 to 0.5 s, half of them Python functions and half programs, and each leaves a row in a
database of its own. At a seeded moment, given as a number of rows and a pause after it, one part is killed with
SIGKILL; in some runs a second one later:

- `orchestrator`: the process of `genesis run --pools`; then `genesis resume`, as a person would.
- `deployed orchestrator`: the process in which a worker runs `orchestrate/default`; a takeover has to follow.
- `worker`: the worker's process; another one is started, as a service manager does.
- `server`: the Prefect server; it is started again after a second or three.
- `database`: PostgreSQL with all its processes; likewise.

A run that ends in another state than completed is resumed, as its own message asks for; how often is in its row. What
has to hold after each:

- *lost*: no leaf without a row.
- *repeated*: no leaf left a row after the kill whose record was in the ledger before it.
- *leaked*: within 30 s no flow run is left that holds a slot of a pool, and no slot of a limit is taken.
- *left running*: within 20 s no process is left that was started for the run, but the workers and the server.

`keys` kills the same in runs of another plan (`bench.chaos_keys`): copies for a list from a result, with `max_parallel`
and `on_failure: any`, `when`, `run_if`, `allow_failure` and `retry`; in every second one a leaf fails for good. Each
has to end as its rules say, leaf by leaf, and nothing that they leave out may have a row.

A leaf that was at work when its worker was killed may leave two rows: its first attempt had left one and could not say
so. `twice` counts those. In the end a plan that fills every pool runs on the same stack, so that a slot that was leaked
somewhere would be missed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.chaos_dead import dead_agent_case
from bench.chaos_faults import faults_case
from bench.chaos_runs import AGENTS, ChaosCase, ChaosFleet
from bench.report import Bench, Target, arguments
from bench.stack import private_stack

__all__ = ["KINDS", "Drawn", "cases", "fleet", "main"]

KINDS = ("orchestrator", "deployed orchestrator", "worker", "server", "database")
_LEAVES = 12
_SECOND = 0.2
"""Part of the runs in which a second part is killed."""
_RUNS = 60
_QUICK_RUNS = 5
_KEYS_RUNS = 10
_QUICK_KEYS_RUNS = 3
_FAULTS = 300
_QUICK_FAULTS = 20


@dataclass(frozen=True)
class Drawn:
    """What is killed in one run, and when."""

    number: int
    kill: tuple[str, ...]
    rows: tuple[int, ...]
    """After how many rows."""
    pause_s: tuple[float, ...]
    """And how long after them."""
    down_s: float
    """How long a part that does not restart stays away."""


def cases(runs: int, seed: int, kinds: Sequence[str] = KINDS) -> list[Drawn]:
    """Draw runs: each kind in turn, at moments over the whole run."""
    rng = random.Random(seed)
    found = []
    for number in range(runs):
        first = kinds[number % len(kinds)]
        kill = [first]
        if rng.random() < _SECOND:
            kill.append(rng.choice([kind for kind in kinds if "orchestrator" not in kind]))
        rows = sorted(rng.randrange(_LEAVES - 1) for _ in kill)
        found.append(
            Drawn(
                number,
                tuple(kill),
                tuple(rows),
                tuple(round(rng.uniform(0.0, 0.5), 3) for _ in kill),
                round(rng.uniform(1.0, 3.0), 3),
            )
        )
    return found


@contextmanager
def fleet(seed: int, *, sqlite: bool = False, **variables: str) -> Iterator[ChaosFleet]:
    """Start a stack with a worker, for runs that are to be disturbed."""
    with private_stack(sqlite=sqlite) as stack, tempfile.TemporaryDirectory(prefix="genesis-effects-") as folder:
        stack.environment |= variables
        pools = [pool.name for pool in stack.sync(AGENTS).pools]
        made = ChaosFleet(stack, Path(folder), pools, seed)
        made.start_worker()
        yield made


def _add(bench: Bench, drawn: Drawn, case: ChaosCase) -> None:
    bench.add(
        run=drawn.number,
        killed=" + ".join(drawn.kill),
        after_rows=", ".join(map(str, drawn.rows)),
        kills=case.kills,
        state=case.state,
        resumed=case.resumed,
        recorded=case.recorded,
        lost=len(case.lost),
        repeated=len(case.repeated),
        twice=case.twice,
        most_rows=case.most_rows,
        leaked=len(case.leaked),
        left_running=len(case.left_running),
        wrong=len(case.wrong),
        healed_s=round(case.healed_s, 1),
    )


def _targets(bench: Bench, found: list[tuple[Drawn, ChaosCase]], wanted: int, *, keys: bool = False) -> None:
    parts: list[tuple[str, Any]] = [
        ("leaves without their effect", lambda case: len(case.lost)),
        ("leaves repeated although they were recorded", lambda case: len(case.repeated)),
        ("runs that did not end as their rules say", lambda case: bool(case.wrong)),
        ("flow runs or slots leaked", lambda case: len(case.leaked)),
        ("processes left running", lambda case: len(case.left_running)),
    ]
    if not keys:
        parts.append(("runs that did not complete", lambda case: case.state != "completed"))
    bench.targets.append(Target.at_least("runs disturbed", wanted, sum(case.kills > 0 for _, case in found)))
    bench.targets += [Target.at_most(name, 0, sum(count(case) for _, case in found)) for name, count in parts]


def _summary(bench: Bench, found: list[tuple[Drawn, ChaosCase]]) -> None:
    for kind in KINDS:
        mine = [case for drawn, case in found if drawn.kill == (kind,) and case.kills]
        if mine:
            healed = [case.healed_s for case in mine]
            bench.add(
                killed_alone=kind,
                runs=len(mine),
                resumed_by_hand=sum(case.resumed > 0 for case in mine),
                leaves_twice=sum(case.twice for case in mine),
                healed_median_s=round(statistics.median(healed), 1),
                healed_longest_s=round(max(healed), 1),
            )


def _parser() -> argparse.ArgumentParser:
    parser = arguments(__doc__ or "")
    parser.add_argument("what", nargs="?", choices=("kills", "keys", "faults", "dead-agent"), default="kills")
    parser.add_argument(
        "--runs",
        type=int,
        help=f"how many runs (kills: {_RUNS}, {_QUICK_RUNS} with --quick; keys: {_KEYS_RUNS}, {_QUICK_KEYS_RUNS}; "
        f"faults: {_FAULTS}, {_QUICK_FAULTS})",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the moments and plans")
    parser.add_argument("--sqlite", action="store_true", help="put the server on SQLite")
    parser.add_argument("--only", type=int, help="run this one of the drawn runs alone")
    return parser


def _kills(bench: Bench, chosen: argparse.Namespace) -> None:
    keys = chosen.what == "keys"
    usual = (_QUICK_KEYS_RUNS if chosen.quick else _KEYS_RUNS) if keys else _QUICK_RUNS if chosen.quick else _RUNS
    runs = chosen.runs or usual
    found: list[tuple[Drawn, ChaosCase]] = []
    with fleet(chosen.seed, sqlite=chosen.sqlite) as disturbed:
        kinds = KINDS if disturbed.stack.database is not None else KINDS[:-1]
        drawn_runs = cases(runs, chosen.seed, kinds)
        begun = time.monotonic()
        for drawn in drawn_runs if chosen.only is None else drawn_runs[chosen.only : chosen.only + 1]:
            case = disturbed.run(drawn.number, drawn.kill, drawn.rows, drawn.pause_s, drawn.down_s, keys=keys)
            found.append((drawn, case))
            _add(bench, drawn, case)
            told = {key: value for key, value in asdict(case).items() if value not in ([], None)}
            print(f"{time.monotonic() - begun:7.1f} s  {drawn.kill} {json.dumps(told)}", file=sys.stderr, flush=True)
        filled = disturbed.fill_pools()
    _summary(bench, found)
    database = "PostgreSQL" if "database" in kinds else "SQLite"
    bench.add(pools_filled_after_all=filled, seed=chosen.seed, database=database)
    _targets(bench, found, len(found) if keys or chosen.quick or chosen.only is not None else 50, keys=keys)
    bench.targets.append(Target.at_least("pools that run at their limit afterwards, part of all", 1.0, filled))


def main() -> None:
    chosen = _parser().parse_args()
    bench = Bench("chaos")
    if chosen.what == "faults":
        runs = chosen.runs or (_QUICK_FAULTS if chosen.quick else _FAULTS)
        faults_case(bench, runs=runs, seed=chosen.seed, quick=chosen.quick)
    elif chosen.what == "dead-agent":
        dead_agent_case(bench, seed=chosen.seed, quick=chosen.quick)
    else:
        _kills(bench, chosen)
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
