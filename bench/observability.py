"""What watching costs: a run with traces, metrics and log lines beside the same run without, and a soak.

    python -m bench.observability [--quick] [--json] [--data DIR]

*Runs*: 200 tasks of 50 ms on a background server, in one warm process, in turns with everything on (spans to a real
receiver in another process, metrics, log lines to a file) and everything off (no traces, no log file, the calls of the
metrics replaced by nothing). What is compared is the processor time of the process from before the start of the run to
after its end, spans sent. The difference is small beside the noise of a shared machine, so there is a second figure:
how often each thing happened in the run, times what that costs in a loop of its own, with the export.

*Spans*: processor time of the thread that makes one, and of the whole process with its export.

*Soak*: the spans, metrics and log lines of 10,000 runs of 20 tasks, in one process; the slope of its memory over the
second half.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.report import Bench, Target, arguments
from bench.server import private_server, wait_until_quiet

OVERHEAD_PERCENT = 1.0
SPAN_US = 25.0
SLOPE_KB = 1.0
_LEAVES = 200
_TASK_S = 0.05
_TURNS, _QUICK_TURNS = 12, 3
_SOAK_RUNS, _QUICK_SOAK_RUNS = 10_000, 1_500
_SOAK_LEAVES = 20
_RECEIVER = """
import sys
from genesis.testing.otlp import TraceReceiver
with TraceReceiver("http/protobuf") as receiver:
    print(receiver.port, flush=True)
    sys.stdin.read()
"""


def nap() -> dict[str, bool]:
    """Do what every task does."""
    time.sleep(_TASK_S)
    return {"done": True}


@contextmanager
def receiver() -> Iterator[dict[str, str]]:
    """Start a receiver of traces in a process of its own, and give the variables that send traces there."""
    command = [sys.executable, "-c", _RECEIVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        try:
            yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        finally:
            process.terminate()


# ── runs ──


def runs(bench: Bench, turns: int) -> None:
    """Run both sides in turns, in one process that is warm, as a worker's are."""
    with private_server() as server, receiver() as sent, tempfile.TemporaryDirectory() as folder:
        environment = server.environment | {
            "GENESIS_RUN__SLOTS": "16",
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
            "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
            "GENESIS_LOG__FILE": str(Path(folder) / "genesis.jsonl"),
            **sent,
        }
        command = [sys.executable, "-m", "bench.observability", "--turns", str(turns), "--server", str(server.pid)]
        done = subprocess.run(
            command, env=environment, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=1_800,
            check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the runs failed\n{done.stderr[-3000:]}")
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    for side, rows in found.items():
        middle = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        bench.add(side=side, runs=turns, tasks=_LEAVES, **{name: round(value, 4) for name, value in middle.items()})
    pairs = list(zip(found["on"], found["off"], strict=True))
    ratios = [100 * (on["cpu_s"] / off["cpu_s"] - 1) for on, off in pairs]
    counted = statistics.median(100 * row["told_cpu_s"] / row["cpu_s"] for row in found["on"])
    quartiles = statistics.quantiles(ratios, n=4)
    bench.add(
        overhead_percent=round(statistics.median(ratios), 2),
        quarter=round(quartiles[0], 2), three_quarters=round(quartiles[2], 2), counted_percent=round(counted, 2),
    )  # fmt: skip
    bench.targets += [
        Target.at_most("CPU time of a run, percent more with everything on (median)", OVERHEAD_PERCENT,
                       statistics.median(ratios)),
        Target.at_most("CPU time of what a run tells, percent of the run's", OVERHEAD_PERCENT, counted),
    ]  # fmt: skip


def take_turns(turns: int, server: int) -> None:
    """Make runs in this process, with everything on and with everything off, and print what they took."""
    from genesis.settings import Settings

    settings = Settings()
    program = _program(settings)
    costs = _unit_costs_without_a_trace(settings)
    for side in ("on", "off"):
        _run(side, program, settings)
    found: dict[str, list[dict[str, Any]]] = {"on": [], "off": []}
    for turn in range(turns):
        for side in ("on", "off") if turn % 2 else ("off", "on"):
            wait_until_quiet(server)
            found[side].append(_measure_listeners(_run(side, program, settings), costs))
    print(json.dumps(found))


def _run(side: str, program: Any, settings: Any) -> dict[str, float]:
    """Make one run, and return its processor time and what it emitted."""
    import asyncio

    from genesis.flows.launch import Launch, start_run
    from genesis.observability.correlation import bind_context
    from genesis.observability.metrics import Metrics
    from genesis.observability.tracing import tracing_of_process
    from genesis.prefect_api.drain import drain

    counts = {"observations": 0}
    kept = {name: getattr(Metrics, name) for name in ("count", "observe", "add", "set")}
    close = _logs(settings) if side == "on" else lambda: None
    for name, call in kept.items():
        setattr(Metrics, name, _counting(call, counts) if side == "on" else _nothing)
    if side == "on":
        tracing_of_process().start(settings.observability, role="cli")
    try:
        begun = time.process_time()
        with bind_context(correlation_id="bench"), tracing_of_process().span("genesis run"):
            run = asyncio.run(start_run(program, Launch(settings)))
        drain(os.environ["PREFECT_API_URL"], lambda _text: None)
        tracing_of_process().stop(30)
        cpu_s = time.process_time() - begun
    finally:
        for name, call in kept.items():
            setattr(Metrics, name, call)
        close()
    if run.state != "completed":
        raise SystemExit(f"the run is {run.state}: {run.error}")
    lines = settings.log.file.read_text().splitlines() if settings.log.file.exists() else []
    settings.log.file.unlink(missing_ok=True)
    return {"cpu_s": cpu_s, "lines": len(lines), **counts}


def _counting(call: Callable[..., None], counts: dict[str, int]) -> Callable[..., None]:
    """Count the calls of the metrics; the counting costs the side that it is on."""

    def counting(*given: Any, **named: Any) -> None:
        counts["observations"] += 1
        call(*given, **named)

    return counting


def _nothing(*_given: Any, **_named: Any) -> None:
    return None


def _measure_listeners(row: dict[str, float], costs: dict[str, float]) -> dict[str, float]:
    """Report how much telemetry a run emitted, and its own cost."""
    spans = 2 * _LEAVES + 2 if row["observations"] else 0
    lines, observations = row["lines"], row["observations"]
    total = spans * costs["span_with_export_us"] + lines * costs["line_us"] + observations * costs["observation_us"]
    return {"cpu_s": row["cpu_s"], "spans": spans, "lines": lines, "observations": observations,
            "told_cpu_s": total / 1e6}  # fmt: skip


def _unit_costs_without_a_trace(settings: Any) -> dict[str, float]:
    costs = unit_costs(settings, 400)
    settings.log.file.unlink(missing_ok=True)
    return costs


def _program(settings: Any) -> Any:
    from genesis.model import Registry
    from genesis.pipeline import compile_prepared, prepare
    from genesis.planning import load_plan

    agents = [
        {"name": f"{name}_agent", "task_types": [name], "max_concurrency": 16,
         "executor": {"kind": "python", "call": "bench.observability:nap"}}
        for name in ("build", "qa", "docs", "ops")
    ]  # fmt: skip
    kinds = ("build", "qa", "docs", "ops")
    tasks = [
        {"id": f"t{n}", "type": kinds[n % 4], "description": f"Take nap {n}",
         "depends_on": [f"t{n - 20}"] if n >= 20 else []}
        for n in range(_LEAVES)
    ]  # fmt: skip
    plan = load_plan({"version": 1, "request": "Take naps", "tasks": tasks}, limits=settings.limits)
    return compile_prepared(prepare(plan, Registry.model_validate({"agents": agents}), settings=settings), settings)


def _logs(settings: Any) -> Callable[[], None]:
    from genesis.observability.log_setup import configure_logs

    return configure_logs(settings, role="cli", deployed=False).close


# ── single costs ──


def unit_costs(settings: Any, number: int) -> dict[str, float]:
    """Measure what one span, one line and one observation cost, in microseconds of processor time."""
    from genesis.observability.correlation import bind_context
    from genesis.observability.instruments import TASK_SECONDS
    from genesis.observability.metrics import Metrics
    from genesis.observability.tracing import Tracing

    tracing, metrics = Tracing(), Metrics()
    tracing.start(settings.observability, role="cli")
    about = {"genesis.task.path": "build/api", "genesis.agent": "build_agent", "genesis.task.type": "build"}

    def one_span() -> None:
        with tracing.span("genesis.task", about) as made:
            made.set("genesis.task.state", "completed")
            made.set("genesis.attempt", 1)

    def one_observation() -> None:
        metrics.observe(TASK_SECONDS, "build_agent", value=0.05, example={"correlation_id": "bench"})

    with bind_context(correlation_id="bench", run_id="r", task="build/api", agent="build_agent"):
        _loop(one_span, number)
        tracing.flush(30)
        process, thread = time.process_time(), _loop(one_span, number)
        tracing.flush(30)
        with_export = (time.process_time() - process) / number * 1e6
        observation = _loop(one_observation, number)
        line = _line_cost(settings, number)
    tracing.stop(30)
    return {"span_us": thread, "span_with_export_us": with_export, "observation_us": observation, "line_us": line}


def _line_cost(settings: Any, number: int) -> float:
    close = _logs(settings)
    log = logging.getLogger("genesis.bench")
    details = {"event": "task.ended", "state": "completed", "seconds": 0.05, "attempts": 1}
    try:
        return _loop(lambda: log.info("task %r is %s", "build/api", "completed", extra=details), number)
    finally:
        close()


def _loop(what: Callable[[], None], number: int) -> float:
    begun = time.thread_time()
    for _ in range(number):
        what()
    return (time.thread_time() - begun) / number * 1e6


def spans(bench: Bench) -> None:
    """Measure single costs in a fresh process, several times."""
    with receiver() as sent, tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **sent, "GENESIS_LOG__FILE": str(Path(folder) / "genesis.jsonl")}
        command = [sys.executable, "-m", "bench.observability", "--costs"]
        rows = []
        for _ in range(5):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    middle = {name: round(statistics.median(row[name] for row in rows), 2) for name in rows[0]}
    bench.add(**middle)
    bench.targets.append(Target.at_most("processor time of a span where it is made, in µs", SPAN_US, middle["span_us"]))


# ── soak ──


def soak_side(number: int) -> None:
    """Emit the telemetry of many runs, and print the memory now and then."""
    from genesis.engine.observers.telemetry import RunMetrics
    from genesis.model import Outcome, Run
    from genesis.observability.correlation import bind_context
    from genesis.observability.exposition import render_metrics
    from genesis.observability.metrics import metrics_of_process
    from genesis.observability.tracing import tracing_of_process
    from genesis.settings import Settings

    settings = Settings()
    tracing = tracing_of_process()
    tracing.start(settings.observability, role="worker")
    close = _logs(settings)
    log = logging.getLogger("genesis.bench")
    program = _program(settings)
    began = datetime.now(UTC)
    memory = []
    for each in range(number):
        watch, run_id = RunMetrics(), f"run-{each}"
        run = Run(run_id=run_id, correlation_id=f"cid-{each}", state="completed", planner="file", cost_usd=Decimal(0))
        with (
            bind_context(correlation_id=run.correlation_id, run_id=run_id),
            tracing.span("genesis.run", {"id": run_id}),
        ):
            watch.run_started(program, run, {})
            for leaf in range(_SOAK_LEAVES):
                failed = each % 50 == 0 and leaf == 3
                outcome = Outcome(id=f"t{leaf}", agent=f"agent{leaf % 15}", state="running", started_at=began)
                watch.leaf_changed(outcome)
                with tracing.span("genesis.task", {"genesis.task.path": f"t{leaf}"}) as made:
                    if failed:
                        made.mark_failed("GEN-TASK")
                ended = {"state": "failed" if failed else "completed", "ended_at": began + timedelta(seconds=1)}
                watch.leaf_changed(outcome.model_copy(update=ended))
                log.info("task is over", extra={"event": "task.ended", "state": ended["state"]})
            watch.run_ended(run)
        if each % (number // 50) == 0:
            render_metrics(metrics_of_process())
            memory.append([each, _resident_kb()])
            time.sleep(0.05)  # the exporter's thread has its turn
    tracing.stop(30)
    close()
    print(json.dumps({"memory": memory}))


def _resident_kb() -> int:
    status = Path("/proc/self/status").read_text("ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def soak(bench: Bench, number: int) -> None:
    """Run the soak in a process of its own."""
    with receiver() as sent, tempfile.TemporaryDirectory() as folder:
        variables = {"GENESIS_LOG__FILE": str(Path(folder) / "genesis.jsonl"), "GENESIS_LOG__FILE_BYTES": "1000000"}
        command = [sys.executable, "-m", "bench.observability", "--soak", str(number)]
        environment = {**os.environ, **sent, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the soak failed\n{done.stderr[-3000:]}")
        logs_kb = sum(path.stat().st_size for path in Path(folder).iterdir()) // 1024
    memory = json.loads(done.stdout.splitlines()[-1])["memory"]
    half = memory[len(memory) // 2 :]
    slope = statistics.linear_regression([row[0] for row in half], [row[1] for row in half]).slope
    bench.add(
        runs=number, tasks=_SOAK_LEAVES, first_mb=round(memory[1][1] / 1024, 1),
        middle_mb=round(half[0][1] / 1024, 1), last_mb=round(half[-1][1] / 1024, 1),
        slope_kb_a_run=round(slope, 3), logs_kb=logs_kb,
    )  # fmt: skip
    bench.targets.append(Target.at_most("memory of the soak in kB a run", SLOPE_KB, slope))


def main() -> None:
    if "--turns" in sys.argv or "--costs" in sys.argv or "--soak" in sys.argv:
        parser = argparse.ArgumentParser()
        parser.add_argument("--turns", type=int)
        parser.add_argument("--server", type=int)
        parser.add_argument("--costs", action="store_true")
        parser.add_argument("--soak", type=int)
        chosen = parser.parse_args()
        if chosen.costs:
            from genesis.settings import Settings

            print(json.dumps(unit_costs(Settings(), 400)))
        elif chosen.soak:
            soak_side(chosen.soak)
        else:
            take_turns(chosen.turns, chosen.server)
        return
    options = arguments((__doc__ or "").splitlines()[0]).parse_args()
    bench = Bench("observability")
    spans(bench)
    runs(bench, _QUICK_TURNS if options.quick else _TURNS)
    soak(bench, _QUICK_SOAK_RUNS if options.quick else _SOAK_RUNS)
    bench.show(as_json=options.as_json)


if __name__ == "__main__":
    main()
