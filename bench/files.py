"""A large file from one host to another through a run's storage, beside plain copies of it.

    python -m bench.files [--quick] [--json] [--data DIR]

A file of random bytes is kept in the storage of a run by one process, and written into another folder by a second one,
as two workers do. Beside it `cp` copies it into a folder, and from there into another one; all are on one disk. With
`synced` the first copy is on disk before the second one begins, as keeping a file has it. The sides run in turns, each
after the disk has written what was before. The ratio is the median of the ratios of the turns. Memory is the growth of
a process's largest resident size while it keeps or writes the file, imports not included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import genesis.document  # noqa: F401  # so that its import is not measured
from bench.report import Bench, Target, arguments
from genesis.ledger import FolderStore, Ledger
from genesis.ledger.files import keep_file, write_kept
from genesis.model import KeptFile

RATIO = 2.0
GROWTH_MB = 150.0
"""A few parts of 8 MiB for each thread of the event loop's pool, whatever the size of the file."""
_MB = 1_000_000
_SIZES_MB = (64, 1_000)
_QUICK_SIZES_MB = (32, 256)
_TURNS = 3
_QUICK_TURNS = 2


def transfer(side: str, folder: Path) -> dict[str, object]:
    """Keep the file in the storage, or write it from there; return the time, the growth of memory and what is kept."""
    ledger = Ledger(FolderStore(folder / "storage"), "bench")
    before = _peak_mb()
    start = time.perf_counter()
    if side == "keep":
        kept = asyncio.run(keep_file(ledger, folder / "file", "file", most_bytes=1 << 40))
    else:
        kept = KeptFile.model_validate_json((folder / "kept.json").read_bytes())
        asyncio.run(write_kept(ledger, kept, folder / "second", "file"))
    seconds = time.perf_counter() - start
    (folder / "kept.json").write_text(kept.model_dump_json())
    return {"seconds": seconds, "growth_mb": _peak_mb() - before}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MB


def _in_process(side: str, folder: Path) -> dict[str, float]:
    os.sync()
    done = subprocess.run(
        [sys.executable, "-m", "bench.files", "--side", side, "--folder", str(folder)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _copy(source: Path, target: Path, *, synced: bool = False) -> float:
    os.sync()
    start = time.perf_counter()
    subprocess.run(["cp", str(source), str(target)], check=True)
    if synced:
        subprocess.run(["sync", str(target)], check=True)
    return time.perf_counter() - start


def measure(bench: Bench, sizes_mb: tuple[int, ...], turns: int) -> None:
    """Transfer and copy files of some sizes in turns."""
    growth: dict[int, float] = {}
    ratio = 0.0
    for size_mb in sizes_mb:
        found: dict[str, list[float]] = {name: [] for name in ("keep", "write", "copies", "synced", "growth", "ratio")}
        with tempfile.TemporaryDirectory(prefix="bench-files-", dir=Path.cwd()) as name:
            folder = Path(name)
            with (folder / "file").open("wb") as file:
                for _ in range(size_mb):
                    file.write(os.urandom(_MB))
            for _ in range(turns):
                _measure_turn(folder, found)
        growth[size_mb] = max(found["growth"])
        ratio = statistics.median(found["ratio"])
        middle = {name: round(statistics.median(values), 3) for name, values in found.items()}
        bench.add(
            mb=size_mb, turns=turns, keep_s=middle["keep"], write_s=middle["write"], two_copies_s=middle["copies"],
            two_copies_first_synced_s=middle["synced"], ratio=middle["ratio"], growth_mb=round(growth[size_mb], 1),
        )  # fmt: skip
    bench.targets += [
        Target.at_most(f"{sizes_mb[-1]:,} MB over two plain copies, times", RATIO, ratio),
        Target.at_most(f"growth of memory with {sizes_mb[-1]:,} MB, MB", GROWTH_MB, growth[sizes_mb[-1]]),
    ]


def _measure_turn(folder: Path, found: dict[str, list[float]]) -> None:
    (folder / "second").mkdir()
    copies = _copy(folder / "file", folder / "copy") + _copy(folder / "copy", folder / "second" / "copy")
    for path in (folder / "copy", folder / "second" / "copy"):
        path.unlink()
    kept, written = _in_process("keep", folder), _in_process("write", folder)
    subprocess.run(["cmp", str(folder / "file"), str(folder / "second" / "file")], check=True)
    subprocess.run(["rm", "-r", str(folder / "storage"), str(folder / "second")], check=True)
    synced = _copy(folder / "file", folder / "copy", synced=True) + _copy(folder / "copy", folder / "other")
    for path in (folder / "copy", folder / "other"):
        path.unlink()
    found["keep"].append(kept["seconds"])
    found["write"].append(written["seconds"])
    found["copies"].append(copies)
    found["synced"].append(synced)
    found["growth"].append(max(kept["growth_mb"], written["growth_mb"]))
    found["ratio"].append((kept["seconds"] + written["seconds"]) / copies)


def main() -> None:
    parser = arguments((__doc__ or "").splitlines()[0])
    parser.add_argument("--side", choices=("keep", "write"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is not None:
        print(json.dumps(transfer(options.side, options.folder)))
        return
    bench = Bench("files")
    measure(bench, *(_QUICK_SIZES_MB, _QUICK_TURNS) if options.quick else (_SIZES_MB, _TURNS))
    bench.show(as_json=options.as_json)


if __name__ == "__main__":
    main()
