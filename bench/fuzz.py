"""Whether any input ends in an internal error: plans, agents files, results, outputs, exceptions, settings, commands.

    python -m bench.fuzz [--quick] [--json] [--inputs N] [--start N] [--seed S] [--subject NAME]

Each input is made from a seed (see `bench.fuzz_inputs` and `bench.fuzz_commands`) and taken in process through the
stages that would meet it: read, load, route, validate, compile, simulate, fill, the ledger's records, and whole
commands. What comes out that is no `GenesisError` raised on purpose is counted and shown with its seed; `--seed` and
`--subject` try a single one again, with its traceback. `--start` names the first seed, to try many in pieces.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from random import Random

from bench.fuzz_commands import command_lines
from bench.fuzz_inputs import agents, environments, exceptions, outputs, plan_files, plans, raw_files, results
from bench.report import Bench, Target, arguments
from genesis import GenesisError

__all__ = ["SUBJECTS", "Subject", "fault_of"]

Subject = Callable[[Random], None]
"""Makes one input and takes it through what Genesis would do with it."""

SUBJECTS: Mapping[str, Subject] = {
    "plans": plans,
    "plan files": plan_files,
    "raw files": raw_files,
    "agents files": agents,
    "results": results,
    "outputs of programs": outputs,
    "exceptions": exceptions,
    "environments": environments,
    "command lines": command_lines,
}
_PERCENT = {
    "plans": 17,
    "plan files": 17,
    "raw files": 12,
    "agents files": 12,
    "results": 15,
    "outputs of programs": 12,
    "exceptions": 10,
    "environments": 3,
    "command lines": 2,
}
"""Of all inputs; fewer of what takes the longest."""
_SHOWN = 5


def fault_of(subject: Subject, seed: int) -> BaseException | None:
    """Take one input through a subject; give what came out of it that is no error of Genesis on purpose."""
    try:
        subject(Random(seed))
    except GenesisError as error:
        json.dumps(error.to_dict()).encode()
        str(error).encode()
        return error if error.code == "GEN-INTERNAL" else None
    except Exception as error:  # noqa: BLE001  # finding such ones is what this is for
        return error
    return None


def measure(bench: Bench, inputs: int, start: int) -> None:
    """Run a number of inputs through all subjects, each its share."""
    faults = 0
    for name, subject in SUBJECTS.items():
        begun, each = time.perf_counter(), -(-inputs * _PERCENT[name] // 100)
        kinds: dict[str, list[int]] = {}
        for seed in range(start, start + each):
            if (fault := fault_of(subject, seed)) is not None:
                kinds.setdefault(type(fault).__name__, []).append(seed)
        found = sum(map(len, kinds.values()))
        faults += found
        shown = "; ".join(f"{kind} at {seeds[:_SHOWN]}" for kind, seeds in kinds.items())
        pace = round(1e6 * (time.perf_counter() - begun) / each)
        bench.add(subject=name, inputs=each, internal=found, us_per_input=pace, seeds=shown or "none")
    bench.targets.append(Target.at_most("internal errors", 0, faults))


def main() -> None:
    """Run the bench."""
    parser = arguments("whether any input ends in an internal error")
    parser.add_argument("--inputs", type=int, default=200_000, help="how many inputs (default 200,000)")
    parser.add_argument("--start", type=int, default=0, help="the first seed (default 0)")
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
    measure(bench, 8_000 if chosen.quick else chosen.inputs, chosen.start)
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
