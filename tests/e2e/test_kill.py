"""A run that is killed and resumed repeats no finished leaf, whenever it is killed."""

import contextlib
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.server, pytest.mark.timeout(280)]

KILLS = 4
"""`tests/chaos/test_kill_points.py` kills at every write; here a process is killed as the system does it."""
LAYERS, WIDTH = 5, 4
# Appends its own path to a file when it ends. One write of a short line is not interleaved with another.
LEAF = (
    "import os, sys, time; time.sleep(float(sys.argv[3]))\n"
    "while sys.argv[4] and not os.path.exists(sys.argv[4]): time.sleep(0.01)\n"
    "os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT), (sys.argv[2] + chr(10)).encode())"
)


@pytest.fixture
def plan(genesis, tmp_path):
    """A plan of 20 commands in five layers, each of which says in a file that it ran."""
    genesis.environment["PREFECT_HOME"] = str(tmp_path / "prefect")  # where the ledger is, for this test alone
    argv = [sys.executable, "-S", "-c", LEAF, str(tmp_path / "ran"), "{me}", "{seconds}", "{gate}"]
    agent = {"name": "w", "description": "Works", "task_types": ["work"], "max_concurrency": 3}
    agent["sandbox"] = {"write": [str(tmp_path)]}
    genesis.write("agents.yaml", yaml.safe_dump({"agents": [{**agent, "executor": {"kind": "command", "argv": argv}}]}))
    tasks = [
        {
            "id": f"l{layer}n{place}",
            "type": "work",
            "description": f"Do part {place} of layer {layer}",
            "inputs": {"me": f"l{layer}n{place}", "seconds": 0.1, "gate": ""},
            "depends_on": [f"l{layer - 1}n{(place + step) % WIDTH}" for step in range(2)] if layer else [],
        }
        for layer in range(LAYERS)
        for place in range(WIDTH)
    ]
    return genesis.write("plan.json", {"version": 1, "request": "many small things", "tasks": tasks})


class Watched:
    """What is on disk of the run."""

    def __init__(self, ran: Path):
        self._ran = ran
        self._storage = ran.parent / "prefect" / "storage" / "genesis"

    @property
    def run_id(self) -> str | None:
        return next((path.parent.name for path in self._storage.glob("*/run.json")), None)

    def recorded(self) -> set[str]:
        """The leaves that have a record of being completed."""
        folder = self._storage / (self.run_id or "-") / "leaves"
        found = set()
        for path in folder.glob("[0-9]*.json"):
            outcome = json.loads(path.read_text())["outcome"]
            if outcome["state"] == "completed":
                found.add(outcome["id"])
        return found

    def executed(self) -> list[str]:
        return self._ran.read_text().split() if self._ran.exists() else []


def test_kills_repeat_no_leaf_that_was_recorded(running, plan, tmp_path, eventually):
    watched = Watched(tmp_path / "ran")
    words = ["run", plan, "--agents", "agents.yaml", "--json"]
    moments = [(LAYERS * WIDTH * number) // KILLS for number in range(KILLS)]
    for number, moment in enumerate(moments):
        process = running.start(*words)
        # From the very beginning of the run, and over all layers; kills may hit work just after its record.
        enough = len(watched.recorded()) if number == 0 else min(moment, LAYERS * WIDTH - 1)
        eventually(
            lambda enough=enough, process=process: (
                (watched.run_id and len(watched.recorded()) >= enough) or process.poll() is not None
            )
        )
        assert process.poll() is None, process.communicate()
        os.kill(process.pid, signal.SIGKILL)
        before, executed_before = watched.recorded(), len(watched.executed())
        process.communicate()
        with contextlib.suppress(ProcessLookupError):  # what it had started of its own group
            os.killpg(process.pid, signal.SIGKILL)
        assert watched.recorded() >= before
        words = ["resume", watched.run_id, "--json"]
        if number == KILLS // 2:
            shown = running("runs", "show", watched.run_id, "--json").document
            assert shown["state"] == "failed"
            assert shown["error"]["code"] == "GEN-RUN-INTERRUPTED"
            assert shown["explanation"]["reason"] == "interrupted"
            assert shown["explanation"]["command"] == f"genesis resume {watched.run_id}"
            assert {task["id"] for task in shown["tasks"] if task["state"] == "completed"} >= before
        kept = before
        assert not kept & set(watched.executed()[executed_before:])
    final = running("resume", watched.run_id, "--json")
    assert final.code == 0, final.err
    run = final.document
    assert run["state"] == "completed"
    assert {task["state"] for task in run["tasks"]} == {"completed"}
    assert {task["attempts"] for task in run["tasks"]} == {1}
    times = Counter(watched.executed())
    assert set(times) == {task["id"] for task in run["tasks"]}
    # A leaf that was killed between its work and its record has to run again: at most those in hand at each kill.
    assert sum(times.values()) - len(times) <= 3 * KILLS


def test_second_process_on_a_run_is_refused_while_the_first_goes_on(running, plan, tmp_path, eventually):
    watched = Watched(tmp_path / "ran")
    gate = tmp_path / "gate"
    plan.write_text(plan.read_text().replace('"gate": ""', f'"gate": "{gate}"'))
    process = running.start("run", plan, "--agents", "agents.yaml", "--json")
    eventually(lambda: watched.run_id)
    second = running.start("resume", watched.run_id, "--json")
    refused = running.wait(second, 60)
    assert refused.code == 1
    assert refused.error["code"] == "GEN-RUN-LOCKED"
    assert "Traceback" not in refused.err
    gate.touch()
    first = running.wait(process, 60)
    assert (first.code, first.document["state"]) == (0, "completed")
    assert max(Counter(watched.executed()).values()) == 1
