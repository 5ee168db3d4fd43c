"""Every command as its user calls it: for people, with --json, and with a mistake in it."""

import json
import re
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

COMMANDS = (
    ("plan",),
    ("route",),
    ("validate",),
    ("import",),
    ("simulate",),
    ("run",),
    ("deploy",),
    ("files",),
    ("resume",),
    ("deliver",),
    ("cancel",),
    ("init",),
    ("pools",),
    ("pools", "sync"),
    ("worker",),
    ("runs",),
    ("runs", "show"),
    ("report",),
    ("agents",),
    ("agents", "check"),
    ("server",),
    ("server", "up"),
    ("server", "down"),
    ("server", "status"),
    ("doctor",),
    ("schema",),
)
AGENTS = """\
agents:
  - name: smith
    description: Forges what the playbook asks for
    task_types: [forge]
    skills: [hammering]
    cost: {usd_per_task: 0.5}
    success_rate: 0.99
    executor: {kind: command, argv: [echo, '{"thing": "{what}"}']}
rules:
  - {id: to-smith, when: {type: forge}, then: smith, because: "smiths forge"}
"""
PLAYBOOK = """\
version: 1
name: forging
description: Forge a thing
match:
  phrases: [forge a thing]
parameters:
  - {name: what, description: What to forge, default: sword}
tasks:
  - {id: forge, type: forge, description: "Forge a {what}", inputs: {what: "{what}"}, outputs: [thing]}
"""


def list_commands(help_text):
    return re.findall(r"^  ([a-z]+)  ", help_text.split("Commands:")[1], re.MULTILINE)


def test_help_names_every_command_and_each_has_an_example(genesis):
    ran = genesis("--help")
    assert ran.code == 0
    assert {words[0] for words in COMMANDS} == set(list_commands(ran.out))
    assert "Example: genesis" in ran.out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_a_command_has_an_example_that_is_that_command(genesis, words):
    ran = genesis(*words, "--help")
    assert ran.code == 0
    assert ran.err == ""
    assert "Usage: genesis " + " ".join(words) in ran.out
    assert f"Example: genesis {words[0]}" in ran.out


def test_version_is_that_of_the_distribution(genesis):
    from importlib.metadata import version

    assert genesis("--version").out == f"genesis {version('prefect-genesis')}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plam", "x"], "Did you mean 'plan'?"),
        (["plan"], "Missing argument"),
        (["plan", "x", "--sluts", "3"], "No such option"),
        (["run", "x", "--slots", "0"], "0 is not in the range"),
        (["run", "x", "--rehearse", "-1"], "-1"),
        (["plan", "Audit the repository at .", "--var", "novalue"], "name=value"),
        (["schema", "planet"], "planet"),
        (["simulate", "missing.json"], "missing.json"),
        (["validate", "."], "folder"),
        (["agents", "check", "--agents", "missing.yaml"], "missing.yaml"),
        (["plan", "Audit the repository at .", "--playbooks", "missing"], "missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words_are_usage_errors_in_both_forms(genesis, words, said):
    ran = genesis(*words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    machine = genesis(*words, "--json")
    assert machine.code == 2
    assert said in machine.error["message"] + machine.error["hint"]
    assert machine.error["code"] == "GEN-USAGE"


def test_setting_that_cannot_be_used_is_named(genesis):
    ran = genesis("agents", "--json", env={"GENESIS_LIMITS__LEAVES": "many"})
    assert ran.code == 2
    assert "GENESIS_LIMITS__LEAVES" in ran.error["message"]


def test_plan_file_goes_round_through_every_stage(running, tmp_path):
    planned = running("plan", "Audit the repository at .", "-o", "audit.yaml", "--json")
    assert planned.code == 0
    assert "audit.yaml" in planned.err
    document = planned.document
    assert document["planner"] == "heuristic"
    assert document["report"]["ok"] is True
    again = running("plan", "audit.yaml", "--json").document
    assert again == document
    assert running("plan", "audit.yaml", "-o", "audit.json").code == 0
    validated = running("validate", "audit.json", "--json").document
    assert validated["tasks"] == document["tasks"]
    routed = running("route", "audit.yaml", "--json").document
    assert routed["tasks"] == document["tasks"]
    assert "report" not in routed


def test_plan_document_has_the_contract_of_the_design(genesis, example_plan):
    plan = genesis("plan", "Audit the repository at .", "--json").document
    assert {"version", "request", "planner", "planner_note", "vars", "tasks", "report"} <= set(plan)
    assert set(plan["report"]) == {"ok", "score", "parts", "diagnostics"}
    assert set(plan["report"]["parts"]) == {"success", "quality", "cost", "time"}
    leaf = plan["tasks"][0]["subtasks"][0]
    assert set(leaf["route"]) == {"agent", "score", "reason", "alternatives"}
    assert set(leaf["route"]["alternatives"][0]) == {"agent", "score", "reason"}
    diagnostics = genesis("validate", example_plan, "--json").document["report"]["diagnostics"]
    assert diagnostics
    for found in diagnostics:
        assert set(found) == {"code", "severity", "task", "message", "hint", "evidence"}


def test_example_of_the_design_is_checked_predicted_and_rehearsed(running, example_plan):
    validated = running("validate", example_plan, "--json")
    assert validated.code == 0
    assert validated.document["report"]["ok"] is True
    leaves = {"inventory", "quality/lint", "quality/tests", "report"}

    simulated = running("simulate", example_plan, "--slots", "1", "--json").document
    assert set(simulated) == {"makespan_s", "critical_path_s", "total_work_s", "cost_usd", "slots", "timeline"}
    assert {row["task"] for row in simulated["timeline"]} == leaves
    assert all(set(row) == {"task", "agent", "start_s", "end_s"} for row in simulated["timeline"])
    assert simulated["makespan_s"] == simulated["total_work_s"] == 4
    assert simulated["slots"] == 1
    wide = running("simulate", example_plan, "--json").document
    assert wide["makespan_s"] == wide["critical_path_s"] == 3

    ran = running("run", example_plan, "--rehearse", "0.01", "--json")
    assert ran.code == 0
    run = ran.document
    assert run["state"] == "completed"
    assert run["planner"] == "file"
    assert {task["id"] for task in run["tasks"]} == leaves
    assert isinstance(run["cost_usd"], int | float)
    moments = [datetime.fromisoformat(task[key]) for task in run["tasks"] for key in ("started_at", "ended_at")]
    assert {moment.utcoffset() for moment in moments} == {timedelta(0)}


def test_run_can_be_listed_shown_and_resumed(running, example_plan):
    run = running("run", example_plan, "--rehearse", "0.01", "--slots", "1", "--json").document
    spans = sorted((task["started_at"], task["ended_at"]) for task in run["tasks"])
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    listed = running("runs", "--json").document
    assert run["run_id"] in [each["run_id"] for each in listed]
    assert len(running("runs", "--limit", "1", "--json").document) == 1
    assert run["run_id"] in running("runs").out
    shown = running("runs", "show", run["run_id"], "--json")
    assert shown.code == 0
    assert shown.document.items() >= run.items()
    assert shown.document.keys() - run.keys() == {"request", "trace_id", "logs", "values"}
    by_correlation = running("runs", "show", run["correlation_id"], "--json").document
    assert by_correlation["run_id"] == run["run_id"]
    reported = running("report", run["run_id"], "-o", "-")
    assert (reported.code, reported.out[:15]) == (0, "<!doctype html>")
    assert running("report", run["run_id"], "--json").document["summary"]["tasks"] == len(run["tasks"])
    assert "quality/lint" in running("runs", "show", run["run_id"]).out
    resumed = running("resume", run["run_id"], "--json")
    assert resumed.code == 0
    assert resumed.document["state"] == "completed"
    assert resumed.document["tasks"] == run["tasks"]


def test_edited_plan_file_runs_as_it_was_edited(running):
    running("plan", "Audit the repository at .", "-o", "audit.yaml")
    path = running.folder / "audit.yaml"
    text = path.read_text()
    edited = text.replace("id: history", "id: past", 1).replace("survey/history.result", "survey/past.result")
    assert edited != text
    path.write_text(edited)
    run = running("run", path, "--rehearse", "0", "--json").document
    assert run["state"] == "completed"
    assert "survey/past" in {task["id"] for task in run["tasks"]}


def test_agents_playbooks_and_variables_of_the_call_are_used(running):
    running.write("agents.yaml", AGENTS)
    running.write("playbooks/forging.yaml", PLAYBOOK)
    own = ("--agents", "agents.yaml", "--playbooks", "playbooks", "--llm", "off")
    plan = running("plan", "Forge a thing", *own, "--json").document
    assert plan["planner"] == "heuristic"
    assert plan["tasks"][0]["route"]["agent"] == "smith"
    assert "smiths forge" in plan["tasks"][0]["route"]["reason"]
    ran = running("run", "Forge a thing", *own, "--var", "what=plough", "--json")
    assert ran.code == 0, ran.err
    (task,) = ran.document["tasks"]
    assert task["result"] == {"thing": "plough"}
    assert ran.document["cost_usd"] == 0.5
    checked = running("agents", "check", "--agents", "agents.yaml", "--json")
    assert (checked.code, checked.document["agents"]) == (0, 1)


def test_packaged_agents_are_listed_and_usable(genesis):
    listed = genesis("agents", "--json").document
    assert len(listed["agents"]) == 15
    assert "security_agent" in genesis("agents").out
    assert genesis("agents", "check", "--json").document["ok"] is True


def test_server_and_doctor_agree(running):
    status = running("server", "status", "--json")
    assert (status.code, status.document["state"]) == (0, "running")
    assert running("server", "up", "--json").document["pid"] == status.document["pid"]
    assert status.document["ui_url"] in running("server", "status").out
    doctor = running("doctor", "--json")
    assert (doctor.code, doctor.document["ok"]) == (0, True)
    assert any(status.document["ui_url"] in found["detail"] for found in doctor.document["findings"])
    assert "✓" in running("doctor").out


def test_server_that_does_not_run_is_told_by_its_exit_code(own_home):
    assert own_home("server", "status", "--json").code == 4
    assert own_home("server", "down").code == 0
    assert not (own_home.folder / "home").exists()


@pytest.mark.parametrize("name", ["plan", "agents", "playbook"])
def test_schema_is_one_json_document(genesis, name):
    for words in ((), ("--json",)):
        ran = genesis("schema", name, *words)
        assert ran.code == 0
        assert ran.document["$schema"].startswith("https://json-schema.org/")


def test_plans_schema_describes_the_example(genesis, example_plan):
    jsonschema = pytest.importorskip("jsonschema")
    import yaml

    schema = genesis("schema", "plan").document
    jsonschema.validate(yaml.safe_load(example_plan.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"version": 1, "request": "x", "tasks": [{"id": "a", "descr": "x"}]}, schema)


def test_words_after_a_double_dash_are_a_request_and_no_flags(genesis):
    ran = genesis("plan", "--llm", "off", "--", "--json")
    assert ran.code == 0
    assert ran.out.startswith("--json  planned by minimal")


def test_output_that_nobody_reads_is_no_fault(genesis):
    process = genesis.start("schema", "plan")
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_plan_goes_into_a_folder_that_is_made_or_is_refused(genesis):
    ran = genesis("plan", "Audit the repository at .", "-o", "a/new/folder/plan.json", "--json")
    assert ran.code == 0
    assert json.loads((genesis.folder / "a/new/folder/plan.json").read_text())["version"] == 1
    genesis.write("taken", "a file in the place of a folder")
    refused = genesis("plan", "Audit the repository at .", "-o", "taken/plan.yaml", "--json")
    assert refused.code == 1
    assert "taken" in refused.error["message"]
