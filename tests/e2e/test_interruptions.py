"""A run while the world around it ends: Ctrl-C, a signal, and the Prefect server going away."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from passwords import share_password

from genesis.testing.processes import is_running

from .plans import commands, plan_of

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

LONG = "import os, sys, time; open(sys.argv[1] + '/' + sys.argv[2], 'w').write(str(os.getpid())); time.sleep(600)"


def write_plan(genesis, tasks, **argvs):
    genesis.write("agents.yaml", commands(sandbox="off", **argvs))  # their processes are looked for by number
    return genesis.write("plan.json", plan_of(*tasks))


def a_task(name, kind, *after, **inputs):
    return {"id": name, "type": kind, "description": f"Do {name}", "depends_on": list(after), "inputs": inputs}


@pytest.fixture
def long_plan(running, tmp_path):
    """Two leaves that would take ten minutes, one that is done at once, and one that waits for all."""
    (tmp_path / "pids").mkdir()
    tasks = [
        a_task("quick", "quick"),
        a_task("one", "long", "quick", me="one"),
        a_task("two", "long", "quick", me="two"),
        a_task("last", "quick", "one", "two"),
    ]
    return write_plan(
        running, tasks, quick=["echo", "done"], long=[sys.executable, "-c", LONG, str(tmp_path / "pids"), "{me}"]
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.whole_processes
def test_signal_cancels_in_order_and_a_resume_completes(running, long_plan, tmp_path, eventually, number):
    process = running.start("run", long_plan, "--agents", "agents.yaml", "--json")
    pids = tmp_path / "pids"
    eventually(lambda: len([path for path in pids.iterdir() if path.read_text()]) == 2)
    working = [int(path.read_text()) for path in pids.iterdir()]
    process.send_signal(number)
    ran = running.wait(process, 60)
    assert ran.code == 130
    assert "Traceback" not in ran.err
    assert "Stopping" in ran.err
    run = ran.document
    assert run["state"] == "cancelled"
    states = {task["id"]: task["state"] for task in run["tasks"]}
    assert states == {"quick": "completed", "one": "cancelled", "two": "cancelled", "last": "cancelled"}
    assert all(not is_running(pid) for pid in working)
    shown = running("runs", "show", run["run_id"], "--json").document
    assert shown["state"] == "cancelled"
    if number == signal.SIGINT:  # the folder of the ledger says what to run: make the work short
        running.write("agents.yaml", "agents: []\n")
        ledger = Path(os.environ["PREFECT_HOME"]) / "storage" / "genesis" / run["run_id"] / "run.json"
        ledger.write_text(ledger.read_text().replace("time.sleep(600)", "time.sleep(0)"))
        resumed = running("resume", run["run_id"], "--json")
        assert (resumed.code, resumed.document["state"]) == (0, "completed")
        assert resumed.document["tasks"][0] == run["tasks"][0]


@pytest.mark.whole_processes
def test_second_ctrl_c_leaves_at_once(running, tmp_path, eventually):
    pids = tmp_path / "pids"
    pids.mkdir()
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LONG}"
    plan = write_plan(
        running, [a_task("one", "long", me="one")], long=[sys.executable, "-c", stubborn, str(pids), "{me}"]
    )
    process = running.start("run", plan, "--agents", "agents.yaml")
    eventually(lambda: [path for path in pids.iterdir() if path.read_text()])
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    ran = running.wait(process, 30)
    assert ran.code == 130
    assert "Traceback" not in ran.err
    os.kill(int((pids / "one").read_text()), signal.SIGKILL) if is_running(int((pids / "one").read_text())) else None


def work_for_a_while(genesis, tmp_path, leaves=16, seconds=0.8):
    """Make a plan whose two chains take some seconds, and a question for how many of its leaves have run."""
    code = "import os, sys, time; time.sleep(float(sys.argv[3])); open(sys.argv[1] + '/' + sys.argv[2], 'w').close()"
    done = tmp_path / "done"
    done.mkdir()
    tasks = [
        a_task(f"t{n}", "step", *([f"t{n - 2}"] if n > 1 else []), me=f"t{n}", seconds=seconds) for n in range(leaves)
    ]
    plan = write_plan(genesis, tasks, step=[sys.executable, "-S", "-c", code, str(done), "{me}", "{seconds}"])
    return plan, lambda: len(list(done.iterdir()))


def test_killed_embedded_server_comes_back_and_the_run_completes(own_home, tmp_path, eventually):
    plan, done = work_for_a_while(own_home, tmp_path)
    process = own_home.start("run", plan, "--agents", "agents.yaml", "--json")
    eventually(lambda: done() >= 2 or process.poll() is not None, 120)
    status = own_home("server", "status", "--json").document
    os.kill(status["pid"], signal.SIGKILL)
    ran = own_home.wait(process, 120)
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err
    run = ran.document
    assert run["state"] == "completed"
    assert {task["attempts"] for task in run["tasks"]} == {1}
    assert done() == len(run["tasks"])
    assert "server" in ran.err
    again = own_home("server", "status", "--json").document
    assert again["state"] == "running"
    assert again["pid"] != status["pid"]
    assert own_home("runs", "show", run["run_id"], "--json").document["state"] == "completed"


def test_configured_api_that_dies_leaves_the_work_done_and_the_rest_for_a_resume(own_home, tmp_path, eventually):
    """The server is one that Genesis does not own: it is not started again, and nothing waits for it for long."""
    plan, done = work_for_a_while(own_home, tmp_path)
    other = {"GENESIS_HOME": str(share_password(tmp_path / "other"))}
    server = own_home("server", "up", "--json", env=other).document
    env = {"PREFECT_API_URL": server["api_url"], "GENESIS_HOME": str(tmp_path / "home")}
    try:
        process = own_home.start("run", plan, "--agents", "agents.yaml", "--json", env=env)
        eventually(lambda: done() >= 2 or process.poll() is not None, 60)
        os.kill(server["pid"], signal.SIGKILL)
        killed = time.monotonic()
        ran = own_home.wait(process, 100)
        assert time.monotonic() - killed < 60
        assert "Traceback" not in ran.err
        assert "Prefect" in ran.err
        run = ran.document
        assert done() == 16
        assert run["state"] == "completed"
        assert ran.code == 0
        assert not (tmp_path / "home" / "server").exists()
        own_home("server", "up", env=other)
        resumed = own_home("resume", run["run_id"], "--json", env=env)
        assert (resumed.code, resumed.document["state"]) == (0, "completed")
        assert resumed.document["tasks"] == run["tasks"]
    finally:
        own_home("server", "down", env=other)
