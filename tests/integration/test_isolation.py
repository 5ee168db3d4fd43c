"""Agents that print, exit, fork, block and leave things behind, in real commands: what they do stays with them."""

import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest

from genesis.testing.processes import group_is_running

pytestmark = pytest.mark.server

AGENTS = """
import asyncio, atexit, concurrent.futures, multiprocessing, os, subprocess, sys, threading, time, warnings
from pathlib import Path

class Odd(BaseException):
    pass

def talks():
    print("a print")
    os.write(1, b"a write\\n")
    subprocess.run(["echo", "a child"])
    warnings.warn("a warning")
    thread = threading.Thread(target=print, args=("a thread",))
    thread.start()
    thread.join()
    atexit.register(print, "an atexit")
    return {"ok": True}

def odd():
    raise Odd("no GPU here")

async def cancels():
    raise asyncio.CancelledError

def ends_a_child():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(10)
    return {"ended": not child.is_alive()}

def leaves_pools():
    concurrent.futures.ThreadPoolExecutor(1).submit(time.sleep, 300)
    threading.Thread(target=time.sleep, args=(300,)).start()
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(300,)).start()
    return {"ok": True}

def where():
    return {"cwd": os.getcwd()}

def fails_until_there():
    with Path(os.environ["TRIES"]).open("a") as file:
        file.write("x")
    if not Path(os.environ["GO"]).exists():
        raise RuntimeError("not yet")
    return {"cwd": os.getcwd()}
"""
KINDS = ("talks", "odd", "cancels", "ends_a_child", "leaves_pools", "where", "fails_until_there")


def python(name):
    return {"kind": "python", "call": f"ag_isolation:{name}"}


REGISTRY = {
    "agents": [
        *(
            {
                "name": f"{kind}_agent",
                "task_types": [kind],
                "executor": {"kind": "python", "call": f"ag_isolation:{kind}"},
            }
            for kind in KINDS
        ),
        {
            "name": "program_agent",
            "task_types": ["program"],
            "sandbox": "off",  # its processes are looked for by their numbers
            "executor": {"kind": "command", "argv": ["sh", "-c", 'echo $$ > "$PID"; sleep 300 & exec sleep 300']},
        },
    ]
}


@pytest.fixture
def project(tmp_path, prefect_api, forking_process):
    """A folder with agents, and how to call the command there on the shared server."""
    del prefect_api
    (tmp_path / "ag_isolation.py").write_text(AGENTS)
    (tmp_path / "agents.json").write_text(json.dumps(REGISTRY))
    return Project(tmp_path, forking_process)


class Project:
    def __init__(self, folder: Path, forking):
        self.folder = folder
        self.forking = forking
        self.env = os.environ | {
            "GENESIS_RESILIENCE__SHARE": "memory",
            "GENESIS_RESILIENCE__REPLANS": "0",
            "GENESIS_RUN__RETRY_DELAY_S": "0.01",
            "PID": str(folder / "pid"),
            "TRIES": str(folder / "tries"),
            "GO": str(folder / "go"),
        }

    def argv(self, *tasks: dict) -> list[str]:
        shaped = [{"id": task["type"], "description": "do it"} | task for task in tasks]
        (self.folder / "plan.json").write_text(json.dumps({"version": 1, "request": "x", "tasks": shaped}))
        return self.words("run", str(self.folder / "plan.json"), "--agents", str(self.folder / "agents.json"), "--json")

    @staticmethod
    def words(*words: str) -> list[str]:
        return [sys.executable, "-m", "genesis.cli", *words]

    def call(self, argv, *, cwd=None):
        """Call the command in a forked process; where streams and signals are tested, it is a whole one."""
        words = argv[len(self.words()) :]
        return self.forking.run(words, cwd=cwd or self.folder, environment=self.env, timeout=200)

    def run(self, *tasks, cwd=None):
        done = self.call(self.argv(*tasks), cwd=cwd)
        return json.loads(done.stdout), done

    def started(self, *tasks, **more):
        """Start a run whose program writes down its process, and wait for that."""
        heard = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup
        running = subprocess.Popen(self.argv(*tasks), cwd=self.folder, env=self.env, preexec_fn=heard, **more)  # noqa: PLW1509
        pid = self.folder / "pid"
        until = time.monotonic() + 120
        while not (pid.exists() and pid.read_text().strip()):
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        return running, int(pid.read_text())


def _ends(group: int, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while group_is_running(group) and time.monotonic() < until:
        time.sleep(0.05)
    return not group_is_running(group)


def test_what_agents_print_goes_to_stderr(project):
    run, done = project.run({"type": "talks"})
    assert run["state"] == "completed"
    for said in ("a print", "a write", "a child", "a thread", "an atexit"):
        assert said in done.stderr


def test_what_no_except_catches_fails_its_own_task_and_a_childs_end_is_its_own(project):
    run, _ = project.run(
        {"type": "odd"},
        {"type": "cancels"},
        {"type": "ends_a_child"},
        {"type": "where", "depends_on": ["ends_a_child"]},
    )
    states = {task["id"]: task["state"] for task in run["tasks"]}
    assert states == {"odd": "failed", "cancels": "failed", "ends_a_child": "completed", "where": "completed"}
    assert next(task["result"] for task in run["tasks"] if task["id"] == "ends_a_child") == {"ended": True}


def test_pools_that_an_agent_left_open_do_not_hold_up_the_end(project):
    begun = time.monotonic()
    run, done = project.run({"type": "leaves_pools"})
    assert run["state"] == "completed"
    assert done.returncode == 0
    assert time.monotonic() - begun < 150
    assert "Agents left these running" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_programs_end_with_the_command_whatever_ends_it(project, number):
    running, pid = project.started({"type": "program"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    running.send_signal(number)
    assert running.wait(60) == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert _ends(pid)


def test_outcome_of_a_run_does_not_depend_on_its_streams(project):
    argv = project.argv({"type": "talks"})
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            argv,
            cwd=project.folder,
            env=project.env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=200,
            check=False,
        )
    assert done.returncode == 0
    assert "the answer could not be written to stdout" in done.stderr
    assert "Traceback" not in done.stderr
    closed = textwrap.dedent("""
        import os, sys
        for descriptor in range(3):
            os.close(descriptor)
        os.execv(sys.argv[1], sys.argv[1:])
    """)
    ended = [sys.executable, "-c", closed, *argv]
    done = subprocess.run(ended, cwd=project.folder, env=project.env, timeout=200, check=False)
    assert done.returncode == 0


def test_cached_result_is_of_the_folder_where_it_was_made(project):
    task = {"type": "where", "cache": {"ttl_s": 600}, "description": f"in {project.folder}"}
    folders = [project.folder / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        run, _ = project.run(task, cwd=folder)
        assert (run["tasks"][0]["state"], run["tasks"][0]["result"]) == ("completed", {"cwd": str(folder)})
    run, _ = project.run(task, cwd=folders[0])
    assert (run["tasks"][0]["state"], run["tasks"][0]["result"]) == ("cached", {"cwd": str(folders[0])})


def test_retries_are_all_made_and_a_resume_goes_on_in_the_runs_own_folder(project):
    place = project.folder / "place"
    place.mkdir()
    run, _ = project.run({"type": "fails_until_there", "retries": 5}, cwd=place)
    assert (run["tasks"][0]["state"], run["tasks"][0]["attempts"]) == ("failed", 6)
    assert (project.folder / "tries").read_text() == "x" * 6
    (project.folder / "go").touch()
    resume = project.words("resume", run["run_id"], "--json")
    place.rename(project.folder / "moved")
    refused = json.loads(project.call(resume).stdout)
    assert refused["error"]["code"] == "GEN-RUN-FOLDER"
    (project.folder / "moved").rename(place)
    again = json.loads(project.call(resume).stdout)
    assert again["tasks"][0]["result"] == {"cwd": str(place)}


def test_agents_output_does_not_tear_a_live_display(project):
    argv = project.argv({"type": "talks"})
    reading, terminal = pty.openpty()
    running = subprocess.Popen(argv, cwd=project.folder, env=project.env, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            chunk = os.read(reading, 65_536)
        except OSError:  # the other end is closed
            break
        shown += chunk
    assert json.loads(running.communicate()[0])["state"] == "completed"
    os.close(reading)
    lines = shown.decode().replace("\x1b[2m", "").replace("\x1b[0m", "").split("\r\n")
    assert any(line.endswith("a child") for line in lines)
