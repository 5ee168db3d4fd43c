"""Runs that a person continues with: a program that had gone, other bounds, a result that a person made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .plans import a_task, agents, plan_of

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

FAILS = "#!/bin/sh\nexit 3\n"
WORKS = "#!/bin/sh\necho '{\"made\": true}'\n"


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def tasks_of(ran):
    return {task["id"]: task for task in ran.document["tasks"]}


def test_a_run_whose_program_fails_goes_and_comes_back_is_resumed_within_its_bounds(running, tmp_path):
    tool, touched = tmp_path / "tool", tmp_path / "touched"
    program(tool, FAILS)
    first = {"kind": "command", "argv": [sys.executable, "-c", f"open({str(touched)!r}, 'a').write('x')"]}
    running.write("agents.yaml", agents(first=first, second={"kind": "command", "argv": [str(tool)]}))
    tasks = [a_task("first"), a_task("second", depends_on=["first"])]
    running.write("plan.json", plan_of(*tasks))

    bounds = ("--retries", "1", "--deadline", "1h", "--budget", "2.50,5000tokens")
    ran = running("run", "plan.json", "--agents", "agents.yaml", *bounds, "--json")
    run = ran.document["run_id"]
    assert (ran.code, ran.document["state"], tasks_of(ran)["second"]["attempts"]) == (1, "failed", 2)
    kept = json.loads((Path(os.environ["PREFECT_HOME"]) / "storage/genesis" / run / "run.json").read_text())["document"]
    assert (kept["deadline_s"], kept["budget"]["tokens"], float(kept["budget"]["usd"])) == (3600, 5000, 2.5)

    tool.unlink()
    gone = running("resume", run, "--json")
    assert (gone.code, gone.document["error"]["code"]) == (1, "GEN-PLAN-INVALID")
    assert str(tool) in gone.document["error"]["message"]
    assert tasks_of(gone)["first"]["state"] == "completed"

    program(tool, FAILS)
    again = running("resume", run, "--retries", "0", "--json")
    assert (again.code, tasks_of(again)["second"]["attempts"]) == (1, 3)

    program(tool, WORKS)
    done = running("resume", run, "--json")
    assert (done.code, done.document["state"]) == (0, "completed")
    assert touched.read_text() == "x"


def test_a_part_of_a_plan_that_uses_a_file_is_resumed_as_that_part_without_the_file(running, tmp_path):
    tool = tmp_path / "tool"
    program(tool, FAILS)
    tools = {"first": ["echo", "{name}"], "second": [str(tool)], "third": ["echo", "third"]}
    running.write("agents.yaml", agents(**{name: {"kind": "command", "argv": argv} for name, argv in tools.items()}))
    inner = plan_of(
        a_task("first", inputs={"name": "{who}"}, outputs=["stdout"]), a_task("second", depends_on=["first"])
    )
    used = running.write("lib/inner.json", inner | {"params": {"who": {}}})
    outer = {"id": "both", "description": "Do both", "use": "lib/inner.json", "with": {"who": "{name}"}}
    running.write("plan.json", plan_of(outer, a_task("third", depends_on=["both"])) | {"vars": {"name": "x"}})

    options = ("--agents", "agents.yaml", "--var", "name=Ada", "--select", "+second")
    ran = running("run", "plan.json", *options, "--json")
    assert (ran.code, ran.document.get("left_out")) == (1, ["third"]), ran
    assert {name: task["state"] for name, task in tasks_of(ran).items()} == {
        "both/first": "completed",
        "both/second": "failed",
    }
    assert tasks_of(ran)["both/first"]["result"]["stdout"].strip() == "Ada"
    used.unlink()
    program(tool, WORKS)
    done = running("resume", ran.document["run_id"], "--json")
    assert (done.code, done.document["state"], done.document["left_out"]) == (0, "completed", ["third"])
    assert {name: task["attempts"] for name, task in tasks_of(done).items()} == {"both/first": 1, "both/second": 2}


def test_a_run_that_waits_for_a_person_says_so_and_completes_with_what_they_deliver(running):
    running.write("agents.yaml", agents(talk={"kind": "brief"}, sum={"kind": "command", "argv": ["echo", "{said}"]}))
    tasks = [a_task("talk", outputs=["said"]), a_task("sum", depends_on=["talk"], inputs={"said": "{talk.said}"})]
    running.write("plan.json", plan_of(*tasks))
    ran = running("run", "plan.json", "--agents", "agents.yaml")
    assert ran.code == 5
    assert "briefed · 1 work order for people, 0 of 2 tasks done" in ran.out
    assert "Work order for 'talk': " in ran.out
    assert "completed" not in ran.out.lower()
    run = (
        next(line for line in ran.out.splitlines() if "genesis deliver" in line).split("genesis deliver ")[1].split()[0]
    )
    done = running("deliver", run, "talk", "--result", '{"said": "yes"}', "--json")
    assert (done.code, done.document["state"]) == (0, "completed")
    assert tasks_of(done)["sum"]["state"] == "completed"


def test_a_run_whose_output_nobody_reads_any_more_completes(running):
    running.write("agents.yaml", agents(slow={"kind": "command", "argv": ["sleep", "2"]}))
    running.write("plan.json", {"version": 1, "request": "nobody reads this", "tasks": [a_task("slow")]})
    process = running.start("run", "plan.json", "--agents", "agents.yaml")
    process.stdout.close()
    process.stderr.close()
    process.wait(100)
    found = running("runs", "--json").document
    assert [run["state"] for run in found if run["request"] == "nobody reads this"] == ["completed"]


@pytest.mark.parametrize("home", ["there", "none"])
def test_a_run_in_the_environment_of_cron_completes(running, shared_server, tmp_path, home):
    running.write("agents.yaml", agents(say={"kind": "command", "argv": ["echo", "größer"]}))
    tasks = [a_task("say", description="Sag größer")]
    running.write("plan.json", {"version": 1, "request": "größer", "tasks": tasks})
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PREFECT_", "GENESIS_"))}
    bare = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "Nowhere/None"} | (
        {"HOME": str(tmp_path)} if home == "there" else {}
    )
    argv = [sys.executable, "-P", "-m", "genesis.cli", "run", "plan.json", "--agents", "agents.yaml", "--json"]
    done = subprocess.run(argv, cwd=tmp_path, env=kept | bare, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "completed"
    assert b"Traceback" not in done.stderr
