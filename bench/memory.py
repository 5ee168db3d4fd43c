"""Peak memory of a run beside the peak of the bare Prefect flow of the same DAG.

    python -m bench.memory [--quick] [--json] [--data DIR]

The sides are those of `bench.overhead`, each in a fresh process against one background server, in turns. The peak is
the largest resident size of the process from its start to the end of the run, imports and planning included.
"""

from __future__ import annotations

import statistics
from typing import Any

from bench.noop import SIDES, run_side
from bench.report import Bench, Target, arguments
from bench.server import private_server, wait_until_quiet

RATIO = 1.3
_REPEATS = {1_000: 3, 5_000: 2}
_QUICK_REPEATS = {1_000: 1, 5_000: 1}
_QUICK_SIDES = ("genesis", "bare")
_QUIET_S = 15.0


def measure(bench: Bench, repeats: dict[int, int], sides: tuple[str, ...] = SIDES) -> None:
    """Run the sides in turns at each size; a server that is still busy does not change a peak, so the wait is short."""
    with private_server() as server:
        for leaves, turns in repeats.items():
            found: dict[str, list[float]] = {side: [] for side in sides}
            for turn in range(turns):
                for side in sides if turn % 2 else reversed(sides):
                    wait_until_quiet(server.pid, _QUIET_S)
                    run: dict[str, Any] = run_side(side, leaves, server)
                    found[side].append(run["peak_at_end_mb"])
            peaks = {side: statistics.median(values) for side, values in found.items()}
            ratios = {side: peaks["genesis"] / peak for side, peak in peaks.items()}
            bench.add(
                tasks=leaves, runs=turns, **{f"{side}_mb": round(peak, 1) for side, peak in peaks.items()},
                **{f"over_{side}": round(ratio, 3) for side, ratio in ratios.items() if side != "genesis"},
            )  # fmt: skip
            name = f"peak memory over the bare flow's, {leaves:,} tasks"
            bench.targets.append(Target.at_most(name, RATIO, ratios["bare"]))


def main() -> None:
    options = arguments((__doc__ or "").splitlines()[0]).parse_args()
    bench = Bench("memory")
    measure(bench, *(_QUICK_REPEATS, _QUICK_SIDES) if options.quick else (_REPEATS, SIDES))
    bench.show(as_json=options.as_json)


if __name__ == "__main__":
    main()
