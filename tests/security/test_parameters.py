"""Attacks by inputs that execute, write or read something: from a model, the request's words, a result or a service."""

import asyncio
import importlib
import inspect
import os
from pathlib import Path
from typing import Annotated

import pytest

from genesis.agents import untrusted_inputs
from genesis.agents.arguments import fill_arguments
from genesis.agents.command import CommandExecutor
from genesis.agents.contract import Work
from genesis.agents.input_probe import InputProbe
from genesis.agents.parameter_kinds import labels_of, parameter_kinds
from genesis.agents.python import PythonExecutor
from genesis.agents.untrusted_inputs import NamedFolders
from genesis.document import write_for_people
from genesis.errors import SecurityError, TaskError
from genesis.model import AgentProfile, CommandSpec, PythonSpec, RoutedPlan
from genesis.pipeline import make_plan, prepare
from genesis.planning import plan_document, set_variables
from genesis.planning.plan_file import load_plan
from genesis.planning.playbook import load_playbooks
from genesis.routing import load_registry
from genesis.security.parameters import DATA, EXECUTES, READ_PATH, WRITE_PATH
from genesis.settings import Settings
from genesis.structure.provenance import find_sources
from genesis.testing import a_plan, a_task, route_to

CODE = "GEN-INPUT-UNTRUSTED"
ON = ["yes", "true", "1", "YES", " yes ", "on", "y", True, 1, ["yes"], {"a": 1}, "run"]
OFF = ["no", "false", "0", "", None, False, 0, "off", "No"]
ELSEWHERE = [
    "/etc",
    "/etc/passwd",
    "~",
    "~/.ssh",
    "~/.bashrc",
    "..",
    "../other",
    "a/../../other",
    "/",
    "./../..",
    "link",
    "link/passwd",
    ["ok", "/etc"],
    {"a": "/etc"},
    "//etc",
    "/proc/self/environ",
]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Work in a folder with a link that leads out of it, in a home of its own."""
    work = tmp_path / "work"
    (work / "ok").mkdir(parents=True)
    (work / "link").symlink_to("/etc")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(work)


def audit(
    path: Annotated[str, READ_PATH] = ".",
    *,
    output: Annotated[str, WRITE_PATH] = "r.md",
    run: Annotated[str, EXECUTES] = "no",
    note: Annotated[str, DATA] = "",
):
    """Stand for a tool."""
    return {"path": path, "output": output, "run": run, "note": note}


TOOL = AgentProfile(name="worker", executor=PythonSpec(kind="python", call=f"{__name__}:audit"))
FUNCTIONS = {f"{__name__}:audit": audit}


def codes(planner, *, tasks=None, added=None, request="do it", **inputs):
    """Check a plan whose one task has these inputs; give the codes of errors."""
    tasks = tasks or (a_task("a", inputs=inputs),)
    variables = inputs.pop("vars", {})
    routed, registry = route_to(a_plan(*tasks, request=request, planner=planner, vars=variables), TOOL)
    routed = routed.model_copy(update={"added": added or {}})
    from genesis.validation import validate

    report = validate(routed, registry, probe=InputProbe(FUNCTIONS))
    return {found.code for found in report.diagnostics if found.severity == "error"}


def run(routed, **inputs):
    """Call the tool with these inputs, as a leaf of a plan."""
    sources = find_sources(routed, "a", dict(inputs), (), ())
    fields = {"run_id": "r", "correlation_id": "c", "request": "Do", "path": "a", "type": "x", "description": "Do"}
    more = {"outputs": (), "agent": TOOL, "sources": sources, "named_folders": NamedFolders(routed)}
    executor = PythonExecutor(TOOL.executor, functions=FUNCTIONS)
    return asyncio.run(executor.execute(Work(**fields, inputs=inputs, **more))).value


def routed_of(planner, **more):
    return route_to(a_plan(a_task("a"), planner=planner, **more), TOOL)[0]


@pytest.mark.parametrize("value", ON, ids=repr)
def test_a_models_plan_switches_nothing_on(value, monkeypatch):
    assert CODE in codes("llm", run=value)
    with pytest.raises(SecurityError, match="would execute"):
        run(routed_of("llm"), run=value)
    monkeypatch.setattr("genesis.agents.input_probe.untrusted_problem", lambda *_: None)
    monkeypatch.setattr(untrusted_inputs, "untrusted_problem", lambda *_: None)
    assert codes("llm", run=value) == set()
    assert run(routed_of("llm"), run=value)["run"] == value


@pytest.mark.parametrize("value", OFF, ids=repr)
def test_a_switch_may_stay_off(value):
    assert codes("llm", run=value) == set()
    assert run(routed_of("llm"), run=value)["run"] == value


@pytest.mark.parametrize("name", ["path", "output"])
@pytest.mark.parametrize("value", ELSEWHERE, ids=repr)
def test_a_models_plan_reads_and_writes_nothing_elsewhere(name, value, monkeypatch):
    assert CODE in codes("llm", **{name: value})
    with pytest.raises(SecurityError, match="outside of the folders"):
        run(routed_of("llm"), **{name: value})
    monkeypatch.setattr("genesis.agents.input_probe.untrusted_problem", lambda *_: None)
    monkeypatch.setattr(untrusted_inputs, "untrusted_problem", lambda *_: None)
    assert codes("llm", **{name: value}) == set()
    assert run(routed_of("llm"), **{name: value})[name] == value


@pytest.mark.parametrize("name", ["path", "output"])
@pytest.mark.parametrize("value", [".", "ok", "./ok/x.md", "new.md", "ok/../ok", ["ok", "new"]], ids=repr)
def test_the_current_folder_is_open(name, value):
    assert codes("llm", **{name: value}) == set()
    assert run(routed_of("llm"), **{name: value})[name] == value


@pytest.mark.parametrize("value", [*ON[:4], "/etc", "~/.bashrc"], ids=repr)
def test_a_person_may_do_all_of_it(value):
    for name in ("path", "output", "run"):
        assert codes("file", **{name: value}) == set()
        assert run(routed_of("file"), **{name: value})[name] == value


@pytest.mark.parametrize("planner", ["heuristic", "minimal", "llm"])
@pytest.mark.parametrize(
    ("name", "value"), [("run", "yes"), ("output", "~/.bashrc"), ("output", "/etc/x"), ("path", "/etc")]
)
def test_words_of_the_request_are_no_person(planner, name, value):
    assert CODE in codes(planner, vars={name: value}, **{name: f"{{{name}}}"})


def test_a_folder_that_the_request_names_is_read_and_not_written():
    assert codes("llm", request="Look at /etc please", path="/etc") == set()
    assert codes("llm", request="Look at /etc please", path="/etc/ssl") == set()
    assert CODE in codes("llm", request="Look at /etc please", output="/etc/x")
    assert CODE in codes("llm", request="Look at / please", path="/root")
    assert CODE in codes("llm", request="Look at ~/ please", path="~/.ssh")


@pytest.mark.parametrize("kind", ["expand", "replan", "copy"])
@pytest.mark.parametrize(("name", "value"), [("run", "yes"), ("output", "~/.bashrc"), ("path", "/etc")])
def test_tasks_that_a_service_adds_are_no_persons(kind, name, value):
    group = a_task("more-1", a_task("x", inputs={name: value}))
    assert CODE in codes("file", tasks=(a_task("a"), group), added={"more-1": 1})
    assert codes("file", tasks=(a_task("a"), group)) == set()


def test_an_added_task_may_read_what_a_person_named():
    group = a_task("again-1", a_task("x", inputs={"path": "/etc"}))
    assert codes("file", tasks=(a_task("a", inputs={"path": "/etc"}), group), added={"again-1": 1}) == set()


@pytest.mark.parametrize(("name", "value"), [("run", "yes"), ("output", "~/.bashrc"), ("path", "/etc/passwd")])
def test_results_are_no_persons(name, value):
    routed = routed_of("file")
    sources = find_sources(routed, "a", {name: "{b.x}"}, (), {"b.x"})
    assert sources == {name: "result"}
    fields = {"run_id": "r", "correlation_id": "c", "request": "Do", "path": "a", "type": "x", "description": "Do"}
    work = Work(
        **fields, inputs={name: value}, outputs=(), agent=TOOL, sources=sources, named_folders=NamedFolders(routed)
    )
    with pytest.raises(SecurityError):
        asyncio.run(PythonExecutor(TOOL.executor, functions=FUNCTIONS).execute(work))


@pytest.mark.parametrize("kind", ["read_path", "write_path", "executes"])
def test_the_agents_file_labels_the_inputs_of_a_program(kind, tmp_path):
    spec = CommandSpec(kind="command", argv=("echo", "{x}"), parameters={"x": kind})
    routed = routed_of("llm")
    fields = {"run_id": "r", "correlation_id": "c", "request": "Do", "path": "a", "type": "x", "description": "Do"}
    work = Work(
        **fields,
        inputs={"x": "/etc"},
        outputs=(),
        agent=TOOL,
        sources={"x": "model"},
        named_folders=NamedFolders(routed),
    )
    executor = CommandExecutor(spec, output_bytes=1000, environment=dict(os.environ), secrets=lambda _: None)
    with pytest.raises(SecurityError):
        asyncio.run(executor.execute(work))
    assert parameter_kinds(spec, {}) == {"x": kind}


def arguments(*argv, kinds=None, **inputs):
    fields = {"run_id": "r", "correlation_id": "c", "request": "Do", "path": "a", "type": "x", "description": "Do"}
    return fill_arguments(["tool", *argv], Work(**fields, inputs=inputs, outputs=(), agent=TOOL), kinds or {})


@pytest.mark.parametrize("value", ["-1", "-x", "--output=/etc/passwd", -1, -0.5, "-", "@/etc/passwd", "@-", ["-"][0]])
@pytest.mark.parametrize("argv", [("{x}",), ("{x}.txt",), ("in", "{x}")])
def test_data_is_no_option_and_no_file(value, argv):
    with pytest.raises(SecurityError):
        arguments(*argv, x=value)


@pytest.mark.parametrize("argv", ["--data={x}", "-Ffile={x}", "file={x}", "--", "a:{x}"])
def test_data_names_no_file_behind_an_option(argv):
    with pytest.raises(SecurityError, match="begins with @"):
        arguments(*([argv, "{x}"] if argv == "--" else [argv]), x="@/etc/passwd")
    assert arguments("--data={x}", x="@ok", kinds={"x": "read_path"})[1] == "--data=@ok"


@pytest.mark.parametrize(
    ("argv", "value", "made"),
    [
        (("-n", "{x}"), -5, ["-n", "-5"]),
        (("--n={x}",), "-5", ["--n=-5"]),
        (("--", "{x}"), "--x", ["--", "--x"]),
        (("{x}",), "me@home.test", ["me@home.test"]),
        (("to {x}",), "@me", ["to @me"]),
        (("{x}",), 5, ["5"]),
        (("{x}",), "a-b", ["a-b"]),
    ],
)
def test_honest_values_reach_the_program(argv, value, made):
    assert arguments(*argv, x=value)[1:] == made


OUTPUTS = {
    "hidden": ".bashrc",
    "hidden-below": "ok/.profile",
    "link": "link",
    "dangling": "dangling.md",
    "shell": "a.sh",
    "python": "a.PY",
    "desktop": "a.desktop",
    "unit": "a.service",
    "batch": "a.bat",
    "foreign": "mine.md",
    "link-to-report": "to-mine.md",
}


@pytest.mark.parametrize("name", OUTPUTS.values(), ids=OUTPUTS)
def test_a_file_for_people_harms_nothing(name):
    Path("dangling.md").symlink_to("nowhere.md")
    Path("mine.md").write_text("mine")
    Path("to-mine.md").symlink_to("mine.md")
    with pytest.raises(SecurityError, match="is not written"):
        write_for_people(Path(name), "x", is_ours=lambda _head: False)
    assert Path("mine.md").read_text() == "mine"
    assert not Path("nowhere.md").exists()


def test_a_file_for_people_is_no_program():
    Path("r.md").write_text("ours")
    Path("r.md").chmod(0o755)
    write_for_people(Path("r.md"), "#!/bin/sh\n", is_ours=lambda head: head == b"ours")
    assert not os.access("r.md", os.X_OK) or not Path("r.md").stat().st_mode & 0o111


def test_every_parameter_of_every_packaged_executor_has_a_label():
    found = {}
    for agent in load_registry().agents:
        for spec in (*agent.executors.values(), *([agent.executor] if agent.executor else [])):
            if isinstance(spec, PythonSpec):
                module, _, name = spec.call.partition(":")
                function = getattr(importlib.import_module(module), name)
                found[spec.call] = (set(inspect.signature(function).parameters), labels_of(function))
                assert parameter_kinds(spec, {}) == labels_of(function)
            else:
                assert hasattr(spec, "parameters"), spec.kind
    assert len(found) == 12
    assert {call: names - labels.keys() for call, (names, labels) in found.items() if names - labels.keys()} == {}


HONEST = [
    "Audit the repository at .",
    "Audit the repository at ./ok and write the report to ok/report.md",
    "Override the default theme of the web page",
    "Write a guide for the password reset of our shop",
    "Explain what system: means in a prompt",
    "Delete old logs of the web server",
    "Document what rm -rf build does",
    "Write a research report about caching",
    "Launch a landing page for our product",
    "Implement a login feature for the shop",
]


@pytest.mark.parametrize("request_", HONEST)
def test_honest_requests_are_planned_as_before(request_):
    settings = Settings()
    registry = load_registry()
    prepared = prepare(
        make_plan(request_, registry=registry, settings=settings), registry, settings=settings, probe=InputProbe()
    )
    assert prepared.report.ok, [found.message for found in prepared.report.errors]


def test_the_packaged_playbooks_stay_within_what_they_may():
    assert {playbook.name for playbook in load_playbooks()} >= {"research_report", "product_launch", "software_feature"}


@pytest.mark.parametrize(
    "request_",
    [
        "Audit the repository at . and write the report to ~/notes.md",
        "Audit the repository at . and write the report to /etc/motd.md",
        "Audit the repository at . and write the report to ../other.md",
    ],
)
def test_a_requests_words_write_no_file_elsewhere(request_):
    settings, registry = Settings(), load_registry()
    plan = make_plan(request_, registry=registry, settings=settings)
    assert CODE in {
        found.code for found in prepare(plan, registry, settings=settings, probe=InputProbe()).report.errors
    }
    given = plan.vars["output"]
    mine = set_variables(plan, {"output": given})
    codes = {found.code for found in prepare(mine, registry, settings=settings, probe=InputProbe()).report.errors}
    assert CODE not in codes


def test_a_person_switches_the_tests_on():
    settings, registry = Settings(), load_registry()
    plan = make_plan("Audit the repository at .", registry=registry, settings=settings, variables={"run_tests": "yes"})
    assert prepare(plan, registry, settings=settings, probe=InputProbe()).report.ok
    again = load_plan(plan_document(plan))
    assert again.trusted_vars == plan.trusted_vars
    foreign = again.model_copy(update={"trusted_vars": ()})
    assert CODE in {
        found.code for found in prepare(foreign, registry, settings=settings, probe=InputProbe()).report.errors
    }


def test_a_report_replaces_no_file_of_a_person(tmp_path):
    from genesis_audit import report

    Path("notes.md").write_text("mine")
    for output in ("notes.md", ".hidden.md", "run.sh"):
        with pytest.raises(TaskError):
            report.run(".", output=output)
    assert Path("notes.md").read_text() == "mine"
    assert isinstance(RoutedPlan, type)
