"""Whether any input ends in an internal error: plans, agents files, results, program output, exceptions, environments.

    python -m bench.fuzz [--quick] [--json] [--inputs N] [--seed S] [--subject NAME]

Each input is made from a seed (see `bench.fuzz_inputs`) and taken in process through the stages that would meet it:
read, load, route, validate, compile, simulate, fill, and the ledger's records. What comes out that is no `GenesisError`
raised on purpose is counted and shown with its seed; `--seed` and `--subject` try a single one again, with its
traceback.
"""

from __future__ import annotations

import logging
import time

from bench.fuzz_inputs import SUBJECTS, fault_of
from bench.report import Bench, Target, arguments

_SHOWN = 5


def measure(bench: Bench, inputs: int) -> None:
    """Take so many inputs through all subjects, in turns, as many of each."""
    faults = 0
    each = -(-inputs // len(SUBJECTS))
    for name, subject in SUBJECTS.items():
        begun = time.perf_counter()
        kinds: dict[str, list[int]] = {}
        for seed in range(each):
            if (fault := fault_of(subject, seed)) is not None:
                kinds.setdefault(type(fault).__name__, []).append(seed)
        found = sum(map(len, kinds.values()))
        faults += found
        shown = "; ".join(f"{kind} at {seeds[:_SHOWN]}" for kind, seeds in kinds.items())
        seconds = time.perf_counter() - begun
        pace = round(1e6 * seconds / each)
        bench.add(subject=name, inputs=each, internal=found, us_per_input=pace, seeds=shown or "none")
    bench.targets.append(Target.at_most("internal errors", 0, faults))
    bench.targets.append(Target.at_least("inputs", inputs, each * len(SUBJECTS)))


def main() -> None:
    """Run the bench."""
    parser = arguments("whether any input ends in an internal error")
    parser.add_argument("--inputs", type=int, default=200_000, help="how many inputs (default 200,000)")
    parser.add_argument("--seed", type=int, default=None, help="try one seed again, with its traceback")
    parser.add_argument("--subject", choices=list(SUBJECTS), default="plans", help="the subject of --seed")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if chosen.seed is not None:
        fault = fault_of(SUBJECTS[chosen.subject], chosen.seed)
        if fault is not None:
            raise fault
        return
    bench = Bench("fuzz")
    measure(bench, 8_000 if chosen.quick else chosen.inputs)
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
