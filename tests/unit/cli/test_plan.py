"""What `genesis plan` writes, and where."""

import io
import json
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pydot
import pytest
import yaml

from genesis.cli.app import main
from genesis.cli.plan import FORMATS
from genesis.graph.formats import GRAPH_FORMATS

PLAN = {
    "version": 1,
    "request": "Say hello",
    "tasks": [
        {"id": "read", "type": "research", "description": 'Read "all" \x1b[31m日本語', "outputs": ["x"]},
        {
            "id": "check",
            "description": "Check it",
            "depends_on": ["read"],
            "subtasks": [{"id": "end", "type": "test", "description": "Test", "inputs": {"p": "{read.x}"}}],
        },
    ],
}


@pytest.fixture
def plan_file(tmp_path):
    path = tmp_path / "given.json"
    path.write_text(json.dumps(PLAN), "utf-8")
    return str(path)


def call(*words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return ended.value.code


def tasks_in(form, text):
    """Read which tasks a document holds, with a reader of its format."""
    if form in ("yaml", "json"):
        return [task["id"] for task in yaml.safe_load(text)["tasks"]]
    if form == "graphml":
        return list(nx.read_graphml(io.BytesIO(text.encode())))
    if form == "dot":
        (graph,) = pydot.graph_from_dot_data(text)
        return [node.get_name().strip('"') for node in graph.get_node_list() if node.get_name().startswith('"')]
    return [line.partition("[")[0].strip() for line in text.splitlines() if "[" in line]


TASKS = {
    "yaml": ["read", "check"],
    "json": ["read", "check"],
    "graphml": ["read", "check", "check/end"],
    "dot": ["read"],
    "mmd": ["t0", "subgraph c1", "t2"],
}


def test_every_graph_format_can_be_chosen():
    assert set(FORMATS) == {"yaml", "json", *GRAPH_FORMATS}


@pytest.mark.filterwarnings("ignore::pyparsing.warnings.PyparsingDeprecationWarning")
@pytest.mark.parametrize("form", FORMATS)
def test_the_ending_of_the_file_says_the_format(plan_file, tmp_path, capsys, form):
    file = tmp_path / f"new/plan.{form.upper() if form == 'dot' else form}"
    assert call("plan", plan_file, "-o", str(file)) == 0
    assert tasks_in(form, file.read_text("utf-8")) == TASKS[form]
    said = capsys.readouterr()
    assert str(file) in said.err
    assert ("genesis run" in said.err) == (form in ("yaml", "json"))
    assert "read" in said.out


@pytest.mark.filterwarnings("ignore::pyparsing.warnings.PyparsingDeprecationWarning")
@pytest.mark.parametrize("form", FORMATS)
def test_without_a_file_the_format_is_printed_and_nothing_else(plan_file, capfdbinary, form):
    assert call("plan", plan_file, "--format", form) == 0
    printed = capfdbinary.readouterr().out.decode("utf-8")
    assert tasks_in(form, printed) == TASKS[form]
    assert "日本語" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("name", ["plan.yaml", "plan.txt", "plan"])
def test_the_chosen_format_wins_over_the_ending(plan_file, tmp_path, capsys, name):
    assert call("plan", plan_file, "--format", "MMD", "-o", str(tmp_path / name)) == 0
    assert (tmp_path / name).read_text("utf-8").startswith("flowchart")
    assert "genesis run" not in capsys.readouterr().err


def test_a_plan_under_a_name_that_is_no_plan_file_is_not_said_to_run(plan_file, tmp_path, capsys):
    assert call("plan", plan_file, "--format", "json", "-o", str(tmp_path / "plan.txt")) == 0
    assert json.loads((tmp_path / "plan.txt").read_text("utf-8"))["version"] == 1
    assert "genesis run" not in capsys.readouterr().err


def test_json_goes_to_stdout_and_the_graph_to_its_file(plan_file, tmp_path, capsys):
    assert call("plan", plan_file, "--json", "-o", str(tmp_path / "plan.dot")) == 0
    assert json.loads(capsys.readouterr().out)["report"]["ok"]
    assert (tmp_path / "plan.dot").read_text("utf-8").startswith("digraph")


def test_two_documents_on_stdout_are_refused(plan_file, capsys):
    assert call("plan", plan_file, "--json", "--format", "dot") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "GEN-USAGE"
    assert "-o" in error["hint"]


@pytest.mark.parametrize(
    "words", [["-o", "plan.png"], ["-o", "plan"], ["--format", "png"], ["--format", "png", "-o", "x.dot"]]
)
def test_an_unknown_format_is_refused_with_those_that_there_are(plan_file, capsys, words):
    assert call("plan", plan_file, *words, "--json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "GEN-USAGE"
    assert all(form in error["message"] + error["hint"] for form in FORMATS)
    assert not Path(words[-1]).exists()


def test_a_plan_with_errors_has_a_graph_and_says_why_it_cannot_run(tmp_path, capsys):
    path = tmp_path / "bad.json"
    tasks = [{"id": "a", "description": "x", "depends_on": ["b"]}, {"id": "b", "description": "y", "depends_on": ["a"]}]
    path.write_text(json.dumps({"version": 1, "request": "r", "tasks": tasks}), "utf-8")
    assert call("plan", str(path), "--format", "mmd") == 1
    said = capsys.readouterr()
    assert said.out.startswith("flowchart")
    assert "GEN-CYCLE" in said.err


@pytest.mark.parametrize(
    "words", [["--help"], ["plan", "--help"], ["plan", "given.json", "--json"], ["validate", "given.json"]]
)
def test_networkx_is_not_imported_where_no_graph_is_written(plan_file, tmp_path, words):
    code = (
        "import sys\nfrom genesis.cli.app import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit('networkx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0


@pytest.fixture
def with_parameter(tmp_path):
    path = tmp_path / "with.json"
    reads = {"id": "read", "type": "research", "description": "Read the pages", "inputs": {"n": "{pages}"}}
    path.write_text(
        json.dumps({"request": "Read", "params": {"pages": {"type": "integer"}}, "tasks": [reads]}), "utf-8"
    )
    return str(path)


@pytest.mark.parametrize("command", ["plan", "route", "validate"])
def test_a_parameter_of_the_command_line_is_in_the_document(with_parameter, capsys, command):
    assert call(command, with_parameter, "--param", "pages=3", "--json") == 0
    assert json.loads(capsys.readouterr().out)["params"]["pages"]["value"] == 3


def test_a_simulation_takes_parameters(with_parameter, capsys):
    assert call("simulate", with_parameter, "--param", "pages=3", "--json") == 0
    capsys.readouterr()


def test_a_required_parameter_without_a_value_makes_the_plan_invalid(with_parameter, capsys):
    assert call("validate", with_parameter, "--json") == 1
    codes = [found["code"] for found in json.loads(capsys.readouterr().out)["report"]["diagnostics"]]
    assert "GEN-PARAM-MISSING" in codes


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--param", "page=3"], "GEN-PARAM-UNKNOWN"),
        (["--param", "pages=three"], "GEN-PARAM-TYPE"),
        (["--param", "pages"], "GEN-USAGE"),
        (["--var", "pages=3"], "GEN-USAGE"),
    ],
)
def test_a_wrong_parameter_is_a_usage_error(with_parameter, capsys, words, code):
    assert call("plan", with_parameter, *words, "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


def test_a_request_has_no_parameters(capsys):
    assert call("plan", "Read the pages", "--param", "pages=3", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "GEN-PARAM-UNKNOWN"


def test_a_part_of_a_plan_is_selected_and_the_rest_is_named(plan_file, capsys):
    assert call("plan", plan_file, "--select", "read", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [task["id"] for task in document["tasks"]] == ["read"]
    assert document["selection"] == {"select": ["read"], "except": [], "left_out": ["check"]}
    assert call("plan", plan_file, "--except", "check") == 0
    assert "Left out: check" in capsys.readouterr().out
    assert call("simulate", plan_file, "--select", "+end", "--except", "type:zzz", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "GEN-SELECT-UNKNOWN"
    assert call("simulate", plan_file, "--select", "read", "--json") == 0
    assert [row["task"] for row in json.loads(capsys.readouterr().out)["timeline"]] == ["read"]
    assert call("plan", plan_file, "--select", "end", "--json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["message"] == "task 'check/end' uses {read.x} of 'read', which is not selected"


def test_a_request_is_planned_and_then_selected_from(capsys):
    assert call("plan", "Audit the repository at .", "--llm", "off", "--except", "report", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["planner"] == "heuristic"
    assert shown["selection"] == {"select": [], "except": ["report"], "left_out": ["report"]}


def test_a_plan_that_uses_another_is_written_as_a_whole(tmp_path, capsys):
    leaf = {"request": "Leaf", "params": {"n": {"type": "integer"}}, "tasks": [{"id": "x", "description": "Do {n}"}]}
    (tmp_path / "leaf.json").write_text(json.dumps(leaf), "utf-8")
    top = {
        "request": "Top",
        "params": {"m": {"type": "integer"}},
        "tasks": [{"id": "t", "description": "Use it", "use": "leaf.json", "with": {"n": "{m}"}}],
    }
    (tmp_path / "top.json").write_text(json.dumps(top), "utf-8")
    whole = tmp_path / "whole.yaml"
    assert call("plan", str(tmp_path / "top.json"), "--param", "m=3", "-o", str(whole)) == 0
    (tmp_path / "leaf.json").unlink()
    capsys.readouterr()
    assert call("validate", str(whole)) == 0
    shown = capsys.readouterr().out
    assert "from leaf.json@" in shown
    assert "Do 3" in shown
    assert call("validate", str(tmp_path / "top.json"), "--param", "m=3", "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "GEN-USE-FILE"
