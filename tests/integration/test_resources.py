"""A full disk, no memory, no open files, a folder that can only be read: each says so, and the run can continue.

The shortages are real. A small disk is a tmpfs, which only root may mount; limits hold for the process alone.
"""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from functools import partial

import pytest

from genesis.ledger import Ledger
from genesis.resilience import Breaker
from genesis.resilience.sqlite_store import SqliteStore
from genesis.testing import ScriptedAgent, a_program, a_task
from genesis.testing.prefect import Workbench

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]

FUNCTIONS = """
def too_much(**_):
    return len(bytes(1 << 44))

def more_and_more(**_):
    kept = []
    while True:
        kept.append(bytes(1 << 28))  # address space only: nobody else's memory is taken
"""


class Machine:
    """Calls the command line with a ledger, a home and limits of its own."""

    def __init__(self, folder, api_url, forking):
        self.forking = forking
        self.folder, self.ran = folder, folder / "ran"
        self.home = folder / "home"
        self.storage = folder / "storage"
        self.api_url = api_url
        self.home.mkdir()
        (folder / "machine_functions.py").write_text(FUNCTIONS)
        agents = [self.agent("worker", "work", {"kind": "command", "argv": ["sh", "-c", "{run}"]})]
        agents[0]["sandbox"] = {"write": [str(folder)]}
        functions = {name: f"machine_functions:{name}" for name in ("too_much", "more_and_more")}
        agents += [self.agent(name, name, {"kind": "python", "call": call}) for name, call in functions.items()]
        (folder / "agents.json").write_text(json.dumps({"agents": agents}))

    @staticmethod
    def agent(name, kind, executor):
        executor = {"name": name, "description": "Works", "task_types": [kind], "executor": executor}
        return executor | {"max_concurrency": 20}

    def plan(self, *tasks):
        (self.folder / "plan.json").write_text(json.dumps({"version": 1, "request": "Work", "tasks": tasks}))
        return self.folder / "plan.json"

    def task(self, name, run="true", after=(), kind="work"):
        inputs = {"run": f"echo {name} >> {self.ran}; {run}"} if kind == "work" else {}
        return {"id": name, "type": kind, "description": f"Do {name}", "depends_on": list(after), "inputs": inputs}

    def __call__(self, *words, limit=None, **environment):
        known = {"GENESIS_HOME": self.home, "PREFECT_LOCAL_STORAGE_PATH": self.storage, "PREFECT_API_URL": self.api_url}
        given = {**os.environ, **known, **environment}
        if limit is not None:  # what measures coverage would meet the limit, too, and say so
            given = {name: value for name, value in given.items() if not name.startswith(("COV_", "COVERAGE_"))}
        given = {name: str(value) for name, value in given.items() if value is not None}
        if limit is None:
            ended = self.forking.run(words, cwd=self.folder, environment=given, timeout=100)
        else:
            ended = subprocess.run(
                [sys.executable, "-P", "-m", "genesis.cli", *map(str, words)],
                cwd=self.folder,
                env=given,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=100,
                preexec_fn=partial(resource.setrlimit, limit[0], (limit[1], limit[1])),
                check=False,
            )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def run(self, *tasks, **how):
        return self("run", self.plan(*tasks), "--agents", self.folder / "agents.json", "--json", **how)

    def counts(self):
        return Counter(self.ran.read_text().split()) if self.ran.exists() else Counter()


def document(ended):
    return json.loads(ended.stdout)


def states(run):
    return {task["id"]: task["state"] for task in run["tasks"]}


@pytest.fixture
def machine(prefect_api, tmp_path, forking_process):
    return Machine(tmp_path, prefect_api.api_url, forking_process)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB, and a way to mount it again."""
    where = tmp_path / "disk"
    where.mkdir()

    def mount(*options):
        said = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", ",".join(["size=4m", *options]), "tmpfs", str(where)],
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {said.stderr.strip()}")

    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mount()
    yield where, lambda mode: mount("remount", mode)
    subprocess.run(["umount", "-l", str(where)], check=True)


def fill(folder):
    """Take all the space of a disk, to the last byte."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65_536))
    with suppress(OSError), (folder / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(b"x")


def test_a_disk_that_fills_up_in_a_run_loses_nothing_and_the_run_goes_on(machine, small_disk):
    disk, _ = small_disk
    machine.storage = disk
    filler = disk / "filler"
    plan = [
        machine.task("first"),
        machine.task("filling", f"cat /dev/zero > {filler}; true", after=["first"]),
        machine.task("beside", "sleep 1", after=["first"]),
        machine.task("last", after=["filling", "beside"]),
    ]
    ended = machine.run(*plan)
    run = document(ended)
    assert ended.returncode == 1
    assert (run["state"], run["error"]["code"], run["error"]["category"]) == ("failed", "GEN-RESOURCE", "resource")
    assert str(disk) in run["error"]["message"]
    assert run["error"]["hint"] == "free some space"
    assert states(run) == dict.fromkeys(("first", "filling", "beside"), "completed") | {"last": "cancelled"}

    shown = document(machine("runs", "show", run["run_id"], "--json"))
    assert states(shown) == states(run)
    assert shown["error"] == run["error"]
    assert shown["explanation"]["next_steps"] == ["free some space"]

    again = machine("resume", run["run_id"], "--json")
    assert again.returncode == 1
    assert document(again)["error"]["code"] == "GEN-RESOURCE"

    filler.unlink()
    assert document(machine("resume", run["run_id"], "--json"))["state"] == "completed"
    assert machine.counts() == dict.fromkeys(("first", "filling", "beside", "last"), 1)
    assert [file.name for file in disk.rglob(".*") if file.name != ".lock"] == []


async def test_a_worker_begins_nothing_that_it_could_not_write_down(prefect_api, small_disk):
    disk, _ = small_disk
    bench = Workbench(disk)
    Ledger(bench.store, "r-1").reserve.hold(3)
    agent = ScriptedAgent({"filling": [lambda _: fill(disk)]})
    program = a_program(a_task("filling"), a_task("next", after=("filling",)), a_task("beside", after=("filling",)))
    run = await bench.run(program, agent, run_id="r-1", token="child")
    assert (run.state, run.error.code) == ("failed", "GEN-RESOURCE")
    assert agent.paths == ["filling"]
    ledger = Ledger(bench.store, "r-1")
    assert (await ledger.attempt(program.leaves[0], "child")).state == "completed"
    (disk / "filler").unlink()
    assert (await bench.run(program, ScriptedAgent(), run_id="r-2", token="child")).state == "completed"


def test_a_result_that_finds_no_space_at_all_fails_its_task_and_the_ledger_stays_readable(machine, small_disk):
    disk, _ = small_disk
    machine.storage = disk
    # Takes the space that the run keeps for this case, too.
    take = f"rm -f {disk}/genesis/*/.reserve; cat /dev/zero > {disk}/filler; true"
    ended = machine.run(machine.task("first"), machine.task("taking", take, after=["first"]))
    run = document(ended)
    assert (run["state"], run["error"]["code"]) == ("failed", "GEN-RESOURCE")
    assert states(run) == {"first": "completed", "taking": "failed"}
    shown = document(machine("runs", "show", run["run_id"], "--json"))
    assert states(shown)["first"] == "completed"
    assert shown["explanation"]["command"] == f"genesis resume {run['run_id']}"
    (disk / "filler").unlink()
    document(machine("resume", run["run_id"], "--json"))
    assert machine.counts()["first"] == 1


def test_a_folder_that_can_only_be_read_is_told_before_anything_runs(machine, small_disk):
    disk, remount = small_disk
    machine.storage = disk
    remount("ro")
    ended = machine.run(machine.task("first"))
    error = document(ended)["error"]
    assert ended.returncode == 1
    assert (error["code"], error["data"]["errno"]) == ("GEN-RESOURCE", "EROFS")
    assert str(disk) in error["message"]
    assert "make it writable" in error["hint"]
    assert machine.counts() == {}


def test_a_disk_without_room_for_a_run_is_told_before_anything_runs(machine, small_disk):
    disk, _ = small_disk
    machine.storage = disk
    fill(disk)
    error = document(machine.run(machine.task("first")))["error"]
    assert (error["code"], error["hint"]) == ("GEN-RESOURCE", "free some space")
    assert machine.counts() == {}


def test_a_home_that_can_only_be_read_is_told_where_it_is_needed(machine, small_disk):
    disk, remount = small_disk
    machine.home = disk
    remount("ro")
    error = document(machine.run(machine.task("first"), PREFECT_API_URL=None))["error"]
    assert error["code"] == "GEN-RESOURCE"
    assert "GENESIS_HOME" in error["hint"]
    assert machine.counts() == {}


def test_breakers_that_cannot_be_shared_keep_to_themselves(machine, small_disk):
    disk, remount = small_disk
    machine.home = disk
    remount("ro")
    ended = machine.run(machine.task("first"))
    assert document(ended)["state"] == "completed"
    assert "this process's own now" in ended.stderr


def test_breakers_on_a_disk_that_fills_up_go_on(small_disk):
    disk, _ = small_disk
    told = []
    store = SqliteStore(disk / "resilience.sqlite")
    breaker = Breaker("agent x", store=store, listen=told.append)
    for _ in range(4):
        fail(breaker)
    fill(disk)
    fail(breaker)
    assert breaker.state == "open"
    assert next(event.reason for event in told if event.degraded).startswith("its state is this process's own now")
    store.close()


def fail(breaker):
    with suppress(ConnectionError), breaker.guard():
        raise ConnectionError


def test_a_servers_full_disk_is_told_and_what_runs_is_done(machine, small_disk):
    disk, _ = small_disk
    machine.home = disk
    fill(disk)
    ended = machine("doctor", PREFECT_API_URL=None)
    assert "MB left" in ended.stdout or "0.0 GB free" in ended.stdout
    error = document(machine.run(machine.task("first"), PREFECT_API_URL=None))["error"]
    assert (error["code"], machine.counts()) == ("GEN-RESOURCE", {})
    assert "GENESIS_HOME" in error["hint"]


def test_an_orchestrator_without_files_to_open_fails_what_it_cannot_start_and_goes_on_later(machine):
    tasks = [machine.task(f"t{number}", "sleep 0.3") for number in range(12)]
    run = document(machine.run(*tasks, limit=(resource.RLIMIT_NOFILE, 40)))
    failed = [task for task in run["tasks"] if task["state"] == "failed"]
    assert run["state"] == "failed"
    assert {task["error"]["code"] for task in failed} == {"GEN-RESOURCE-SHORT"}
    assert "ulimit -n" in failed[0]["error"]["hint"]
    assert document(machine("resume", run["run_id"], "--json"))["state"] == "completed"
    assert machine.counts() == {f"t{number}": 1 for number in range(12)}


def test_too_few_files_to_reach_the_server_say_so(machine):
    said = document(machine.run(machine.task("first"), limit=(resource.RLIMIT_NOFILE, 15)))
    task = said["tasks"][0] if "tasks" in said else said  # by a file or two it gets as far as to the task
    assert task["error"]["code"] == "GEN-RESOURCE-SHORT"
    assert "ulimit -n" in task["error"]["hint"]
    assert machine.counts() == {}


def test_a_function_that_takes_all_memory_fails_its_task_and_not_the_run(machine):
    tasks = [
        machine.task("huge", kind="too_much"),
        machine.task("growing", kind="more_and_more"),
        machine.task("other"),
        machine.task("after", after=["other"]),
    ]
    run = document(machine.run(*tasks, limit=(resource.RLIMIT_AS, 3 << 30)))
    assert states(run) == {"huge": "failed", "growing": "failed", "other": "completed", "after": "completed"}
    error = run["tasks"][0]["error"]
    assert (error["code"], error["category"]) == ("GEN-RESOURCE-SHORT", "resource")
    assert "memory" in error["hint"]


def test_a_limit_on_the_size_of_files_is_told_before_anything_runs(machine):
    error = document(machine.run(machine.task("first"), limit=(resource.RLIMIT_FSIZE, 100_000)))["error"]
    assert (error["code"], error["data"]["errno"]) == ("GEN-RESOURCE", errno.errorcode[errno.EFBIG])
    assert "ulimit -f" in error["hint"]
    assert machine.counts() == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told_before_anything_runs(machine):
    machine.storage.mkdir(mode=0o500)
    error = document(machine.run(machine.task("first")))["error"]
    assert error["data"]["errno"] == "EACCES"
    assert machine.counts() == {}
