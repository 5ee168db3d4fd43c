"""How soon the commands answer, and how soon a run ends when its server is up already.

    python -m bench.startup [--quick] [--json] [--data DIR]

Every command is a fresh process, in turns, with the files it reads cached by the system. The run is five tasks that do
nothing: by `genesis run` on the embedded server that an earlier `genesis run` left up, and, as the side to beat, the
same program in a process that has Prefect start its ephemeral server. Both use a database that exists. Everything
lives in temporary folders, and the server is taken down at the end.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.noop import dag, document, registry_document
from bench.report import Bench, Target, arguments
from bench.server import private_environment

__all__ = ["run_on_ephemeral_server"]

REQUEST = "Audit the repository at ."
HELP_S = 0.3
PLAN_S = 1.2
RUNS_S = 0.5
TIMES_FASTER = 3.0
_ROOT = Path(__file__).parent.parent
_LEAVES = 5
_LISTED = 20
_TIMEOUT_S = 300
_EPHEMERAL = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    # A slow machine needs more than the default of 20 s where there is no database yet.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}
_MODULES = """
import sys
from genesis.cli.app import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def genesis(*words: str) -> list[str]:
    """Return the command line of the program that is installed beside this Python."""
    script = Path(sys.executable).with_name("genesis")
    if script.exists():
        return [str(script), *words]
    return [sys.executable, "-c", "from genesis.cli.app import main; main()", *words]


def time_command(argv: list[str], environment: dict[str, str], folder: Path = _ROOT) -> tuple[float, float]:
    """Run a command to its end and give its seconds, and the processor seconds of it and what it waited for.

    Raises:
        SystemExit: It failed.
    """
    start, before_s = time.perf_counter(), _children_s()
    done = subprocess.run(
        argv, env=environment, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    spent = time.perf_counter() - start, _children_s() - before_s
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)!r} ended with {done.returncode}\n{done.stderr[-3000:]}{done.stdout[-1000:]}")
    return spent


def _children_s() -> float:
    """Return the processor seconds of the children that have ended, to a microsecond; `os.times` counts hundredths."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def commands(bench: Bench, repeats: int) -> None:
    """Time the commands that need no server, in a home with the ledgers of some runs."""
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        environment = private_environment(Path(folder))
        _keep_runs(Path(environment["PREFECT_HOME"]) / "storage")
        sides = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import prefect'": [sys.executable, "-c", "import prefect"],
            "genesis --help": genesis("--help"),
            "genesis runs": genesis("runs"),
            f'genesis plan "{REQUEST}"': genesis("plan", REQUEST),
        }
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for turn in range(repeats + 1):
            for name, argv in sides.items():
                both = time_command(argv, environment)
                if turn:
                    spent[name].append(both)
        imported = prefect_modules(environment)
    bares = spent["python -c pass"]
    middle = {name: statistics.median(wall for wall, _ in values) for name, values in spent.items()}
    for name, values in spent.items():
        bench.add(
            command=name, runs=repeats, median_s=round(middle[name], 3),
            best_s=round(min(wall for wall, _ in values), 3),
            median_cpu_s=round(statistics.median(cpu for _, cpu in values), 3),
            cpu_over_bare=round(statistics.median(a / b for (_, a), (_, b) in zip(values, bares, strict=True)), 1),
        )  # fmt: skip
    bench.targets += [
        Target.at_most("genesis --help, s", HELP_S, middle["genesis --help"]),
        Target.at_most("genesis runs, s", RUNS_S, middle["genesis runs"]),
        Target.at_most("genesis plan, s", PLAN_S, middle[f'genesis plan "{REQUEST}"']),
        Target.at_most("modules of Prefect that genesis plan imports", 0, imported),
    ]


def _keep_runs(storage: Path) -> None:
    """Write the ledgers of runs that have ended, as many as a list shows."""
    for number in range(_LISTED):
        folder = storage / "genesis" / f"20260101-0000{number:02d}-aaaaaa"
        folder.mkdir(parents=True)
        tasks = [{"id": f"t{index}", "agent": "worker", "state": "completed", "usd": 0.1} for index in range(_LEAVES)]
        run = {"run_id": folder.name, "correlation_id": "c", "state": "completed", "planner": "file", "cost_usd": 0.5}
        times = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:01:00Z", "duration_s": 60.0}
        (folder / "state.json").write_text(json.dumps({**run, **times, "tasks": tasks}), "utf-8")
        header = {"correlation_id": "c", "document": document(dag(_LEAVES))}
        (folder / "run.json").write_text(json.dumps(header), "utf-8")


def prefect_modules(environment: dict[str, str]) -> int:
    """Count the modules of Prefect that planning imports."""
    argv = [sys.executable, "-c", _MODULES, "plan", REQUEST]
    done = subprocess.run(
        argv, env=environment, cwd=_ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    names = done.stderr.split()
    if done.returncode or "genesis.cli.app" not in names:
        raise SystemExit(f"genesis plan failed\n{done.stderr[-3000:]}")
    return sum(name.partition(".")[0] == "prefect" for name in names)


def runs(bench: Bench, repeats: int) -> None:
    """Time a run on the embedded server beside the same program on an ephemeral one."""
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as name:
        folder = Path(name)
        plan, agents = folder / "plan.json", folder / "agents.json"
        plan.write_text(json.dumps(document(dag(_LEAVES))), "utf-8")
        agents.write_text(json.dumps(registry_document()), "utf-8")
        environment = private_environment(folder)
        second = genesis("run", str(plan), "--agents", str(agents), "--rehearse", "0", "--json")
        code = "import sys; from bench.startup import run_on_ephemeral_server as run; run(*sys.argv[1:])"
        ephemeral = [sys.executable, "-c", code, str(plan), str(agents)]
        alone = private_environment(folder / "alone") | _EPHEMERAL
        (folder / "alone").mkdir()
        try:
            first_s = time_command(second, environment, folder)[0]
            first_ephemeral_s = time_command(ephemeral, alone)[0]
            pairs = [
                (time_command(second, environment, folder)[0], time_command(ephemeral, alone)[0])
                for _ in range(repeats)
            ]
        finally:
            subprocess.run(genesis("server", "down"), env=environment, cwd=folder, capture_output=True, check=False)
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(other / own for own, other in pairs)
    for side, first, later in (
        ("genesis run, embedded server", first_s, ours),
        ("ephemeral server", first_ephemeral_s, theirs),
    ):
        bench.add(run_of=_LEAVES, side=side, runs=repeats, first_s=round(first, 2), later_median_s=round(later, 2))
    bench.targets.append(Target.at_least("second run, times faster than on an ephemeral server", TIMES_FASTER, ratio))


def run_on_ephemeral_server(plan: str, agents: str) -> None:
    """Run a plan file in this process, with whatever server Prefect starts for it."""
    import asyncio

    from genesis.flows.launch import Launch, start_run
    from genesis.model import Registry
    from genesis.pipeline import compile_prepared, prepare
    from genesis.planning import load_plan
    from genesis.settings import Settings

    settings = Settings()
    registry = Registry.model_validate_json(Path(agents).read_bytes())
    prepared = prepare(load_plan(Path(plan), limits=settings.limits), registry, settings=settings)
    run = asyncio.run(start_run(compile_prepared(prepared, settings), Launch(settings, rehearse=0.0)))
    sys.exit(run.state != "completed")


def main() -> None:
    options = arguments((__doc__ or "").splitlines()[0]).parse_args()
    bench = Bench("startup")
    commands(bench, 5 if options.quick else 15)
    runs(bench, 2 if options.quick else 5)
    bench.show(as_json=options.as_json)


if __name__ == "__main__":
    main()
