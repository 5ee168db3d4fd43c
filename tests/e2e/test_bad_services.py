"""What Genesis needs is missing, broken or hostile: programs, models, the home, the Prefect API."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from genesis.testing import llm_server
from genesis.testing.llm_server import FakeLlmServer
from genesis.testing.processes import is_running

from .plans import a_task, commands, plan_of

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

AUDIT = "Audit the repository at ."


FLOOD = "import sys\nfor _ in range(1000): sys.stdout.write('x' * 1_000_000)\n"
STUBBORN = (
    "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "child = subprocess.Popen(['sleep', '1000']); print(os.getpid(), child.pid, file=open(sys.argv[1], 'w')); "
    "time.sleep(1000)"
)


def test_commands_that_hang_flood_or_fail_fail_alone(running, tmp_path):
    running.write(
        "agents.yaml",
        commands(
            sandbox="off",  # its processes are looked for by their numbers
            hang=[sys.executable, "-c", STUBBORN, str(tmp_path / "pids")],
            flood=[sys.executable, "-c", FLOOD],
            three=["sh", "-c", "echo it is broken >&2; exit 3"],
            good=["echo", "well"],
        ),
    )
    tasks = [a_task("hang", timeout_s=4), a_task("flood"), a_task("three"), a_task("good")]
    running.write("plan.json", plan_of(*tasks, {**a_task("good"), "id": "after", "depends_on": ["three"]}))
    ran = running("run", "plan.json", "--agents", "agents.yaml", "--json")
    assert ran.code == 1
    run = ran.document
    tasks = {task["id"]: task for task in run["tasks"]}
    states = {name: task["state"] for name, task in tasks.items()}
    assert states == {
        "hang": "failed",
        "flood": "completed",
        "three": "failed",
        "good": "completed",
        "after": "skipped",
    }
    assert tasks["hang"]["error"]["code"] == "GEN-TASK-TIMEOUT"
    assert "exit code 3: it is broken" in tasks["three"]["error"]["message"]
    assert "'three'" in tasks["after"]["error"]["message"]
    assert tasks["good"]["result"] == {"stdout": "well\n"}
    assert "GEN-RUN-FAILED" in run["error"]["code"]
    assert len(ran.out) < 100_000
    assert all(not is_running(int(pid)) for pid in (tmp_path / "pids").read_text().split())
    person = running("resume", run["run_id"], timeout=60)
    assert person.code == 1
    assert "✗ three: 'sh' ended with exit code 3: it is broken" in person.out
    assert f"genesis resume {run['run_id']}" in person.out
    shown = running("runs", "show", run["run_id"])
    lines = [line.rstrip() for line in shown.out.splitlines()]
    assert any(line.endswith(f"genesis resume {run['run_id']}") for line in lines)
    assert lines[-1].endswith(f"genesis report {run['run_id']}")
    assert any(line.startswith("– 1 task skipped") and line.endswith("three: after") for line in lines)
    roots = running("runs", "show", run["run_id"], "--json").document["explanation"]["roots"]
    assert [(root["task"], root["attempts"], len(root["history"])) for root in roots] == [
        ("hang", 2, 2),
        ("three", 2, 2),
    ]


def test_program_that_is_missing_stops_the_run_before_its_first_task(running, tmp_path):
    running.write("agents.yaml", commands(good=["touch", str(tmp_path / "touched")], gone=["no-such-program-here"]))
    running.write("plan.json", plan_of(a_task("good"), a_task("gone", depends_on=["good"])))
    checked = running("agents", "check", "--agents", "agents.yaml", "--json")
    assert checked.code == 1
    assert checked.document["problems"][0]["agent"] == "gone_agent"
    ran = running("run", "plan.json", "--agents", "agents.yaml", "--json")
    assert ran.code == 1
    said = ran.document.get("error")
    assert said["code"] == "GEN-PLAN-INVALID"
    assert "no-such-program-here" in said["message"]
    assert not (tmp_path / "touched").exists()


STEPS = {
    "html": [llm_server.html()],
    "truncated": [llm_server.truncate()],
    "cut short": [llm_server.cut_off()],
    "echo": [llm_server.echo()],
    "prose": [llm_server.reply("Certainly! Here is your plan.")],
    "unauthorised": [llm_server.status(401, "invalid api key")],
    "failing": [llm_server.status(500)],
}


@pytest.mark.parametrize("kind", STEPS)
def test_model_that_gives_nothing_useful_is_no_error_and_the_plan_says_why(genesis, kind):
    with FakeLlmServer(STEPS[kind]) as server:
        env = {"GENESIS_LLM__BASE_URL": server.base_url, "GENESIS_LLM__API_KEY": "sk-not-to-be-shown"}
        ran = genesis("plan", AUDIT, "--llm", "openai:x", "--json", env=env)
    assert ran.code == 0
    assert ran.document["planner"] == "heuristic"
    assert "llm: " in ran.document["planner_note"]
    assert "heuristic: " in ran.document["planner_note"]
    assert len(ran.document["planner_note"]) < 1500
    assert "sk-not-to-be-shown" not in ran.out + ran.err
    assert 1 <= len(server.requests) <= 24


def test_model_that_is_down_or_slow_is_given_up_in_its_time(genesis):
    down = genesis(
        "plan", AUDIT, "--llm", "openai:x", "--json", env={"GENESIS_LLM__BASE_URL": llm_server.find_unused_base_url()}
    )
    assert (down.code, down.document["planner"]) == (0, "heuristic")
    assert "llm: " in down.document["planner_note"]
    with FakeLlmServer([llm_server.slow(60)]) as server:
        env = {"GENESIS_LLM__BASE_URL": server.base_url, "GENESIS_LLM__TIMEOUT_S": "1"}
        ran = genesis("plan", "Ponder the weather thoughtfully", "--llm", "openai:x", "--json", env=env, timeout=60)
    assert (ran.code, ran.document["planner"]) == (0, "minimal")
    assert "llm: " in ran.document["planner_note"]
    assert ran.seconds < 60  # what the model would take


@pytest.mark.parametrize("step", [llm_server.thousand_tasks(), llm_server.cycle()], ids=["thousand", "cycle"])
def test_models_plan_is_bounded_and_repaired_and_valid(genesis, step):
    with FakeLlmServer([step]) as server:
        env = {"GENESIS_LLM__BASE_URL": server.base_url}
        ran = genesis("plan", "Ponder the weather thoughtfully", "--llm", "openai:x", "--json", env=env)
    assert ran.code == 0
    assert ran.document["planner"] in {"llm", "minimal"}
    assert ran.document["planner_note"]
    assert len(ran.document["tasks"]) <= 20
    assert ran.document["report"]["ok"] is True


def test_model_with_a_name_that_is_none_is_a_usage_error(genesis):
    ran = genesis("plan", AUDIT, "--llm", "nonsense", "--json")
    assert ran.code == 2
    assert "nonsense" in ran.error["message"]
    assert ran.error["hint"]


def test_model_that_is_down_does_not_stop_a_run(running, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.py").write_text("x = 1\n")
    env = {"GENESIS_LLM__BASE_URL": llm_server.find_unused_base_url()}
    ran = running("run", "Audit the repository at project", "--llm", "openai:x", "--json", env=env)
    assert ran.code == 0
    assert (ran.document["planner"], ran.document["state"]) == ("heuristic", "completed")


def test_unknown_run_is_told_without_starting_a_server(own_home):
    for words in (["resume", "20260101-000000-abcdef"], ["runs", "show", "20260101-000000-abcdef"]):
        ran = own_home(*words, "--json")
        assert (ran.code, ran.error["code"]) == (2, "GEN-RUN-UNKNOWN")
        assert "genesis runs" in ran.error["hint"]
    for name in ("../../etc", "a/b", "", "."):
        assert own_home("resume", name, "--json").code == 2
    assert not (own_home.folder / "home").exists()
    assert own_home("runs").code == 0
    assert own_home("server", "status", "--json").document["state"] == "stopped"


def test_configured_api_that_does_not_answer_is_told_quickly(own_home, example_plan):
    env = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "GENESIS_SERVER__WAIT_S": "1"}
    ran = own_home("run", example_plan, "--rehearse", "0", "--json", env=env)
    assert ran.code == 4
    assert ran.error["code"] == "GEN-SERVICE"
    assert "http://127.0.0.1:9/api" in ran.error["message"]
    assert "PREFECT_API_URL" in ran.error["message"]
    assert ran.seconds < 45  # far below the minute that is the default
    assert not (own_home.folder / "home").exists()
    doctor = own_home("doctor", "--json", env=env)
    assert (doctor.code, doctor.document["ok"]) == (1, False)


def test_configured_api_that_is_something_else_is_told(own_home, example_plan):
    with FakeLlmServer([llm_server.html()]) as server:
        env = {"PREFECT_API_URL": server.base_url.replace("/v1", "/api")}
        ran = own_home("run", example_plan, "--rehearse", "0", "--json", env=env, timeout=60)
    assert ran.code == 4
    assert ran.error["message"]


def test_configured_api_that_accepts_and_never_answers_is_given_up(own_home, example_plan):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {
            "PREFECT_API_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/api",
            "GENESIS_SERVER__WAIT_S": "1",
        }
        ran = own_home("run", example_plan, "--rehearse", "0", "--json", env=env, timeout=60)
    assert ran.code == 4
    assert ran.seconds < 60  # what the model would take


def test_home_that_cannot_be_written_is_told_before_anything_runs(genesis, example_plan):
    genesis.write("home", "a file in the place of the folder")
    env = {"GENESIS_HOME": str(genesis.folder / "home"), "PREFECT_HOME": str(genesis.folder / "prefect")}
    ran = genesis("run", example_plan, "--rehearse", "0", "--json", env=env)
    assert ran.code == 1
    assert ran.error["code"] == "GEN-RESOURCE"
    assert str(genesis.folder / "home") in ran.error["message"]
    assert ran.error["hint"]
    assert genesis("server", "up", "--json", env=env).code == 1
    assert genesis("doctor", "--json", env=env).document["ok"] is False
    assert genesis("plan", AUDIT, env=env).code == 0


def test_ledger_that_cannot_be_written_is_told(running, example_plan):
    running.write("prefect/storage", "a file in the place of the folder")
    env = {"PREFECT_HOME": str(running.folder / "prefect")}
    ran = running("run", example_plan, "--rehearse", "0", "--json", env=env)
    assert ran.code == 1
    assert ran.error["code"] == "GEN-RESOURCE"
    assert "storage" in ran.error["message"]


def test_ctrl_c_ends_the_planning_at_once_and_progress_stays_off_stdout(tmp_path):
    with FakeLlmServer([llm_server.slow(120)]) as server:
        env = {**os.environ, "HOME": str(tmp_path), "GENESIS_LLM__BASE_URL": server.base_url}
        words = ["-m", "genesis.cli", "plan", "Ponder the weather thoughtfully", "--llm", "openai:x", "--json"]
        with subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        ) as planning:
            assert planning.stderr.readline().startswith("Planning with openai:x")
            sent = time.monotonic()
            planning.send_signal(signal.SIGINT)
            out, _ = planning.communicate(timeout=60)
    assert planning.returncode == 130
    assert time.monotonic() - sent < 30
    assert json.loads(out)["error"]["code"] == "GEN-INTERRUPTED"
