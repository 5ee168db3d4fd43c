"""What the audit's tools cost together, beside the well-kept tools one by one and beside the whole run.

    python -m bench.audit [--quick] [--json] [--data DIR] [PATH]

The eleven tools and the report run in one process tree, each tool in a thread as a run calls it. Beside them the
programs whose work they cover, each as its own command: `lizard`, `detect-secrets scan --no-verify`, `ruff check`,
`zizmor --offline`, `git log`. They are looked for beside this Python and on PATH; one that is missing is reported,
and left out of the sum. Without `--quick` the whole `genesis run` and a folder of 10,000 files are measured, too.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import Bench, Target, arguments

__all__ = ["Spent", "audit", "main", "measure", "peers"]

TOOLS = (
    "inventory", "history", "lint", "tests", "complexity", "todos", "secrets", "dependencies", "infrastructure",
    "licence", "documentation",
)  # fmt: skip
CPU_S, ELAPSED_S = 5.0, 4.0
MEMORY_MB = 500
ESTIMATE_OFF = 2.0
_DURATION = r"(?:\d+ h(?: \d+ min)?|\d+ min(?: \d+ s)?|\d+(?: s)?)"
_ESTIMATE = re.compile(rf"including start-up: (?P<open>at least )?(?P<least>{_DURATION})(?: to (?P<most>{_DURATION}))?")
_ROOT = Path(__file__).parent.parent
_MANY_FILES = 10_000
_TIMEOUT_S = 900
_ONCE = "--once"
_CODES = {0, 1, 3, 11, 12, 13, 14}
"""What a program of the comparison ends with where it has found something or nothing."""


@dataclass(frozen=True)
class Spent:
    """What a command cost, with everything that it started."""

    elapsed_s: float
    cpu_s: float
    peak_mb: float
    """Of the largest process in it."""
    output: str
    notes: str
    """What it wrote to stderr."""


def audit(path: str) -> dict[str, float]:
    """Run the tools in threads, then the report, and return how long each took."""
    results: dict[str, object] = {}
    seconds: dict[str, float] = {}

    def call(name: str) -> None:
        start = time.perf_counter()
        results[name] = importlib.import_module(f"genesis_audit.{name}").run(path)
        seconds[name] = round(time.perf_counter() - start, 2)

    threads = [threading.Thread(target=call, args=(name,)) for name in TOOLS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    missing = [name for name in TOOLS if name not in results]
    if missing:
        raise SystemExit(f"these tools failed: {', '.join(missing)}")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        output = os.path.join(folder, "report.md")  # noqa: PTH118
        importlib.import_module("genesis_audit.report").run(path, output=output, **results)
    seconds["report"] = round(time.perf_counter() - start, 2)
    return seconds


def measure(argv: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> Spent:
    """Run a command to its end and count it with its descendants.

    Raises:
        SystemExit: It failed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(argv, cwd=folder, env=environment, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        watch = threading.Timer(_TIMEOUT_S, child.kill)
        watch.start()
        _, status, usage = os.wait4(child.pid, 0)
        elapsed_s = time.perf_counter() - start
        watch.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        notes = err.read().decode()
        if child.returncode not in _CODES:
            raise SystemExit(f"{' '.join(argv)!r} ended with {child.returncode}\n{notes[-3000:]}")
        cpu_s = usage.ru_utime + usage.ru_stime
        return Spent(elapsed_s, cpu_s, usage.ru_maxrss / 1024, out.read().decode(), notes)


def peers(path: Path) -> dict[str, list[str]]:
    """Name the well-kept tools and how each is run alone on a folder."""
    return {
        "lizard": ["lizard", str(path)],
        "detect-secrets": ["detect-secrets", "scan", "--no-verify", str(path)],
        "ruff": ["ruff", "check", "--no-cache", "--exit-zero", str(path)],
        "zizmor": ["zizmor", "--offline", str(path)],
        "git log": ["git", "-C", str(path), "log", "--numstat", "--format=%H%x09%an%x09%ae%x09%at"],
    }


def _compare(bench: Bench, path: Path, turns: int) -> None:
    tools = [sys.executable, "-m", "bench.audit", _ONCE, str(path)]
    own, sums = [], []
    alone: dict[str, list[Spent]] = {}
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for _ in range(turns):
        own.append(measure(tools, _ROOT))
        for name, argv in peers(path).items():
            program = shutil.which(argv[0], path=places)
            if program is not None:
                alone.setdefault(name, []).append(measure([program, *argv[1:]], path))
        sums.append(sum(spent[-1].cpu_s for spent in alone.values()))
    _add(bench, "the audit's tools", own)
    for name in peers(path):
        if name in alone:
            _add(bench, name, alone[name])
        else:
            bench.add(missing=name, hint="install the extra `bench`, or put its folder on PATH")
    ratio = statistics.median(spent.cpu_s / whole for spent, whole in zip(own, sums, strict=True))
    bench.add(tools=len(TOOLS), beside=len(alone), peers_cpu_s=statistics.median(sums), ratio_of_cpu=round(ratio, 3))
    for name, seconds in json.loads(own[-1].output)["seconds"].items():
        bench.add(tool=name, waited_and_worked_s=seconds)
    bench.targets += [
        Target.at_most("processor time of the tools and the report, s", CPU_S, min(spent.cpu_s for spent in own)),
        Target.at_most("their elapsed time, s", ELAPSED_S, min(spent.elapsed_s for spent in own)),
        Target.at_most("processor time over the sum of the tools alone", 1.0, ratio),
    ]


def _add(bench: Bench, name: str, every: Sequence[Spent]) -> None:
    bench.add(
        command=name, turns=len(every),
        elapsed_s=round(statistics.median(each.elapsed_s for each in every), 2),
        cpu_s=round(statistics.median(each.cpu_s for each in every), 2),
        best_cpu_s=round(min(each.cpu_s for each in every), 2),
        peak_mb=round(max(each.peak_mb for each in every)),
    )  # fmt: skip


def _whole_run(bench: Bench, path: Path) -> None:
    from bench.server import private_environment  # not in the process that runs the tools
    from bench.startup import genesis

    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        environment = private_environment(Path(folder))
        try:
            request = f"Audit the repository at {path}"
            variables = ["--var", f"output={folder}/report.md"]
            spent = measure(genesis("run", request, *variables), Path(folder), environment)
            _add(bench, "genesis run", [spent])
            _judge_estimate(bench, spent)
        finally:
            subprocess.run(genesis("server", "down"), env=environment, capture_output=True, timeout=60, check=False)


def _judge_estimate(bench: Bench, spent: Spent) -> None:
    """Compare how long a run took with its forecast, start-up included: `including start-up: 17 s to 32 s`."""
    said = _ESTIMATE.search(" ".join(spent.notes.split()))
    if said is None:
        raise SystemExit(f"no estimate was shown:\n{spent.notes[-2000:]}")
    least = _seconds(said["least"])
    most = _seconds(said["most"] or said["least"])
    if said["open"] and spent.elapsed_s > most:
        most = spent.elapsed_s
    bench.add(estimated_least_s=least, estimated_most_s=most, took_s=round(spent.elapsed_s, 1))
    off = max(spent.elapsed_s / most, least / spent.elapsed_s, 1.0)
    bench.targets.append(Target.at_most("the run's time over its estimate, or the reverse", ESTIMATE_OFF, off))


def _seconds(shown: str) -> float:
    units = {"h": 3600, "min": 60, "s": 1}
    return float(sum(int(number) * units[unit or "s"] for number, unit in re.findall(r"(\d+) ?(h|min|s)?", shown)))


def _many_files(bench: Bench) -> None:
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        for number in range(_MANY_FILES):
            target = Path(folder, f"package{number % 100}", f"module{number}.{('py', 'js', 'go', 'yaml')[number % 4]}")
            target.parent.mkdir(exist_ok=True)
            target.write_text(_SAMPLES[number % 4] * 20, encoding="utf-8")
        spent = measure([sys.executable, "-m", "bench.audit", _ONCE, folder], _ROOT)
    _add(bench, f"the audit's tools, {_MANY_FILES:,} files", [spent])
    bench.targets.append(Target.at_most("peak memory of a process with 10,000 files, MB", MEMORY_MB, spent.peak_mb))


_SAMPLES = (
    "def add(left, right):\n    if left and right:\n        return left + right\n    return 0\n\n\n",
    "function add(left, right) {\n  if (left && right) {\n    return left + right;\n  }\n  return 0;\n}\n",
    "func add(left int, right int) int {\n\tif left > 0 && right > 0 {\n\t\treturn left + right\n\t}\n\treturn 0\n}\n",
    "- name: add\n  left: 1\n  right: 2\n",
)


def main() -> None:
    """Measure, and print what was measured."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, default=_ROOT, help="the repository to audit")
    parser.add_argument(_ONCE, action="store_true", help="run the tools once in this process, and print their times")
    options = parser.parse_args()
    path = options.path.resolve()
    if options.once:
        seconds = audit(str(path))
        own = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"seconds": seconds, "own_cpu_s": round(own.ru_utime + own.ru_stime, 2)}))
        return
    if not path.is_dir():
        raise SystemExit(f"there is no folder {path} to audit")
    bench = Bench("audit")
    _compare(bench, path, 1 if options.quick else 3)
    if not options.quick:
        _whole_run(bench, path)
        _many_files(bench)
    bench.show(as_json=options.as_json)


if __name__ == "__main__":
    main()
