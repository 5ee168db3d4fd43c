"""Time of the pure pipeline: build a plan from a dict, route it, validate it; at four sizes, and with `for_each`.

    python -m bench.pipeline [--quick] [--json] [--data DIR]

The plan is made here, in the shape of a delivery: services in layers, each a composite of a dozen leaves of several
types with inputs that use upstream results, every description different. Sizes are interleaved in each repeat, so
that a busy machine slows all of them alike; rows hold medians. `cpu_ms` is the time that the processor spent on all
three: on a machine that does nothing else it is the total, on a busy one it is the better measure.

The last two rows are the same 5,000 leaves with one task before and one after, written and as copies of a `for_each`
task, interleaved; `compile_ms` is the time to compile them, where the copies are made, and part of their total.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.report import Bench, Target, arguments
from genesis.compile import compile_program
from genesis.model import Plan
from genesis.routing import load_registry, route
from genesis.settings import Limits
from genesis.validation import validate

_SIZES = (5, 100, 1_000, 5_000)
_STEPS = (
    ("design", "Design the {noun} {part} of the {service} service", ()),
    ("database", "Model the tables behind the {noun} {part} of {service}", (0,)),
    ("implement", "Implement the {noun} {part} in the {service} service", (0,)),
    ("backend", "Expose the {noun} {part} of {service} through its interface", (1, 2)),
    ("frontend", "Show the {noun} {part} on the pages of {service}", (0,)),
    ("test", "Run the checks of the {noun} {part} of {service}", (2, 3)),
    ("security", "Look for weaknesses in the {noun} {part} of {service}", (3,)),
    ("support", "Document the {noun} {part} of the {service} service", (3, 4)),
    ("research", "Compare ways to cache the {noun} {part} of {service}", ()),
    ("analytics", "Measure how the {noun} {part} of {service} is used", (4,)),
    ("deploy", "Deploy the {noun} {part} of {service}", (4, 5, 6)),
    ("monitor", "Watch the {noun} {part} of {service} after its release", (10,)),
)
_NOUNS = ("login", "billing", "search", "upload", "export", "invoice", "catalogue", "basket", "profile", "calendar")
_PARTS = ("form", "list", "filter", "report", "history", "queue", "archive", "summary", "widget", "policy")


def plan_document(leaves: int, seed: int = 7) -> dict[str, Any]:
    """Make a plan of about this many leaves as plain values."""
    rng = random.Random(seed)
    services: list[dict[str, Any]] = []
    made = 0
    while made < leaves:
        number = len(services)
        size = min(len(_STEPS), leaves - made)
        words = {
            "noun": _NOUNS[number % len(_NOUNS)],
            "part": _PARTS[number // len(_NOUNS) % len(_PARTS)],
            "service": f"region {number // 100}",
        }
        services.append(
            {
                "id": f"service{number}",
                "description": f"Deliver the {words['noun']} {words['part']} of {words['service']}",
                "depends_on": [f"service{rng.randrange(max(0, number - 20), number)}"] if number % 4 else [],
                "subtasks": [_leaf(step, words) for step in range(size)],
            }
        )
        made += size
    return {
        "version": 1,
        "request": "Deliver all services, from design to monitoring",
        "vars": {"root": "/srv/shop"},
        "tasks": services,
    }


def _leaf(step: int, words: dict[str, str]) -> dict[str, Any]:
    kind, text, needs = _STEPS[step]
    leaf: dict[str, Any] = {
        "id": f"{kind}{step}",
        "type": kind,
        "description": text.format(**words),
        "depends_on": [f"{_STEPS[need][0]}{need}" for need in needs],
        "outputs": ["result"],
        "estimate": {"seconds": 30 + 7 * step, "usd": 0.01},
    }
    leaf["inputs"] = {"root": "{root}"} if not needs else {"from": f"{{{_STEPS[needs[0]][0]}{needs[0]}.result}}"}
    return leaf


def measure(repeats: int) -> list[dict[str, Any]]:
    """Time build, route and validate at each size; medians in milliseconds."""
    registry = load_registry()
    limits = Limits(leaves=max(_SIZES))
    documents = {size: plan_document(size) for size in _SIZES}
    times: dict[int, list[tuple[float, ...]]] = {size: [] for size in _SIZES}
    cpu: dict[int, list[float]] = {size: [] for size in _SIZES}
    errors = dict.fromkeys(_SIZES, 0)
    gc.collect()
    gc.freeze()  # the documents of all sizes are the bench's own and not part of what a process that plans holds
    for repeat in range(repeats + 1):
        for size, document in documents.items():
            gc.collect()
            start = time.process_time()
            build, plan = _time(lambda: Plan.model_validate(document))  # noqa: B023 - called at once
            routing, routed = _time(lambda: route(plan, registry))  # noqa: B023 - called at once
            checking, report = _time(lambda: validate(routed, registry, limits=limits))  # noqa: B023 - called at once
            spent = (time.process_time() - start) * 1e3
            errors[size] = len(report.errors)
            if repeat:
                times[size].append((build, routing, checking))
                cpu[size].append(spent)
    return [_row(size, times[size], cpu[size], errors[size]) for size in _SIZES]


def copied_document(leaves: int, *, written: bool) -> dict[str, Any]:
    """Make a plan of as many leaves that differ in one value, each written, or as copies of a `for_each` task."""
    check = {"type": "test", "outputs": ["result"], "depends_on": ["fetch"]}
    if written:
        tasks = [
            {**check, "id": f"check{number}", "description": f"Check package {number}", "inputs": {"package": number}}
            for number in range(leaves)
        ]
    else:
        copied = {"id": "check", "description": "Check package {item}", "inputs": {"package": "{item}"}}
        tasks = [{**check, **copied, "for_each": list(range(leaves))}]
    fetch = {"id": "fetch", "type": "research", "description": "Fetch the packages"}
    report = {"id": "report", "type": "support", "description": "Write the report"}
    after = [task["id"] for task in tasks]
    return {"version": 1, "request": "Check all packages", "tasks": [fetch, *tasks, {**report, "depends_on": after}]}


def measure_copies(repeats: int, leaves: int = max(_SIZES)) -> list[dict[str, Any]]:
    """Time build, route, validate and compile for written leaves and for copies; medians in milliseconds."""
    registry = load_registry()
    limits = Limits(leaves=leaves + 2)
    documents = {name: copied_document(leaves, written=name == "written") for name in ("written", "for_each")}
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in documents}
    for repeat in range(repeats + 1):
        for name, document in documents.items():
            gc.collect()
            build, plan = _time(lambda: Plan.model_validate(document))  # noqa: B023 - called at once
            routing, routed = _time(lambda: route(plan, registry))  # noqa: B023 - called at once
            checking, report = _time(lambda: validate(routed, registry, limits=limits))  # noqa: B023 - called at once
            making, program = _time(lambda: compile_program(routed, registry))  # noqa: B023 - called at once
            if not report.ok or sum(leaf.gathers is None for leaf in program.leaves) != leaves + 2:
                raise RuntimeError(f"the plan of {name} leaves is not the one that was meant")
            if repeat:
                times[name].append((build, routing, checking, making))
    return [_copies_row(name, leaves, samples) for name, samples in times.items()]


def _copies_row(name: str, leaves: int, samples: list[tuple[float, ...]]) -> dict[str, Any]:
    medians = [round(statistics.median(column), 3) for column in zip(*samples, strict=True)]
    total = round(statistics.median(sum(sample) for sample in samples), 3)
    columns = dict(zip(("build_ms", "route_ms", "validate_ms", "compile_ms"), medians, strict=True))
    return {"tasks": leaves, "kind": name, **columns, "total_ms": total}


def _time(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = call()
    return (time.perf_counter() - start) * 1e3, value


def _row(size: int, samples: list[tuple[float, ...]], cpu: list[float], errors: int) -> dict[str, Any]:
    build, routing, checking = (round(statistics.median(column), 3) for column in zip(*samples, strict=True))
    total = round(statistics.median(sum(sample) for sample in samples), 3)
    return {
        "tasks": size,
        "build_ms": build,
        "route_ms": routing,
        "validate_ms": checking,
        "total_ms": total,
        "best_total_ms": round(min(sum(sample) for sample in samples), 3),
        "cpu_ms": round(statistics.median(cpu), 3),
        "us_per_task": round(total * 1e3 / size, 1),
        "errors": errors,
    }


def main() -> None:
    chosen = arguments(__doc__ or "").parse_args()
    bench = Bench("pipeline", rows=measure(7 if chosen.quick else 25))
    copies = measure_copies(5 if chosen.quick else 15)
    copied = {row["kind"]: row["total_ms"] for row in copies}
    total = {row["tasks"]: row["total_ms"] for row in bench.rows}
    checking = {row["tasks"]: row["validate_ms"] for row in bench.rows}
    bench.targets = [
        Target.at_most("build + route + validate at 1,000 tasks, ms", 40.0, total[1_000]),
        Target.at_most("the same, stretch, ms", 20.0, total[1_000]),
        Target.at_most("5,000 tasks over 1,000, times", 6.0, total[5_000] / total[1_000]),
        Target.at_most("validate at 1,000 tasks, ms", 8.0, checking[1_000]),
        Target.at_most("5,000 copies over 5,000 written leaves, times", 1.2, copied["for_each"] / copied["written"]),
    ]
    bench.rows += copies
    bench.show(as_json=chosen.as_json)


if __name__ == "__main__":
    main()
