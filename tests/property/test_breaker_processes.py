"""A breaker that two processes share, each with four threads, over forty thousand steps."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from genesis.resilience.breaker_machine import LEGAL

STEPS = 20_000


def test_two_processes_agree_on_every_change_and_never_probe_twice_at_once(tmp_path):
    program = Path(__file__).with_name("breaker_process.py")
    started = []
    for seed in (1, 2):
        with (tmp_path / f"{seed}.jsonl").open("w") as out:
            argv = [sys.executable, program, tmp_path / "state.sqlite", str(STEPS), str(seed)]
            started.append(subprocess.Popen(argv, stdout=out))
    assert [process.wait(110) for process in started] == [0, 0]
    seen = [[json.loads(line) for line in (tmp_path / f"{n}.jsonl").read_text().splitlines()] for n in (1, 2)]
    notes = [each for process in seen for each in process]

    steps = sum(note["kind"] in {"call", "refused"} for note in notes)
    assert steps == 2 * STEPS

    changes = sorted((note for note in notes if note["kind"] == "change"), key=lambda note: note["epoch"])
    assert len(changes) > 20
    assert [change["epoch"] for change in changes] == list(range(1, len(changes) + 1))
    assert all((change["before"], change["after"]) in LEGAL for change in changes)
    assert all(earlier["after"] == later["before"] for earlier, later in pairwise(changes))
    assert all(any(note["kind"] == "change" for note in process) for process in seen)

    probes = {note["probe"]: [note["at"]] for note in notes if note["kind"] == "probe"}
    for note in notes:
        if note["kind"] == "probe ended":
            probes[note["probe"]].append(note["at"])
    spans = sorted(probes.values())
    assert len(spans) == len([note for note in notes if note["kind"] == "probe"])
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
