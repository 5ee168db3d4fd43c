"""`genesis import` as it is called."""

import json

import pytest

from genesis.cli.app import main
from genesis.planning import load_plan
from genesis.routing import load_registry

_WORKFLOW = "name: CI\non: push\njobs:\n  a:\n    steps:\n      - run: make\n      - uses: actions/upload@v1\n"


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Call the program in a folder of its own with a workflow; gives the exit code and the output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "ci.yml").write_text(_WORKFLOW)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["import", *words])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def test_without_output_it_shows_what_is_lost_and_writes_nothing(call, tmp_path):
    code, out, err = call("ci.yml")
    assert code == 0
    assert "2 tasks, 1 of them work orders, 2 agents" in out
    assert "action actions/upload@v1" in out
    assert "Nothing was written" in err
    assert [path.name for path in tmp_path.iterdir()] == ["ci.yml"]


def test_folder_gets_a_plan_and_agents_that_validate_together(call, capsys):
    code, _, err = call("ci.yml", "-o", "out")
    assert code == 0
    assert "out/plan.yaml" in err
    with pytest.raises(SystemExit) as ended:
        main(["validate", "out/plan.yaml", "--agents", "out/agents.yaml", "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["report"]["ok"] is True


@pytest.mark.parametrize("name", ["ci.yaml", "ci.json"])
def test_plan_file_has_its_agents_beside_it(call, tmp_path, name):
    assert call("ci.yml", "-o", name)[0] == 0
    plan = load_plan(tmp_path / name)
    registry = load_registry(tmp_path / name.replace(".", ".agents."))
    assert {task.agent for task in plan.tasks[0].subtasks} == {agent.name for agent in registry.agents}


def test_existing_files_are_replaced_only_by_force(call, tmp_path):
    (tmp_path / "agents.yaml").symlink_to("nowhere")
    code, _, err = call("ci.yml", "-o", ".")
    assert code == 2
    assert "'agents.yaml' exists" in err
    assert not (tmp_path / "plan.yaml").exists()
    assert call("ci.yml", "-o", ".", "--force")[0] == 0
    assert (tmp_path / "nowhere").exists()


def test_output_that_is_a_file_without_a_plans_ending_is_refused(call):
    code, _, err = call("ci.yml", "-o", "/dev/null")
    assert code == 2
    assert "is not a folder" in err


def test_json_has_plan_agents_and_losses(call):
    code, out, _ = call("ci.yml", "--json", "-o", "x")
    found = json.loads(out)
    assert code == 0
    assert (found["format"], found["source"], found["written"]) == (
        "github",
        "ci.yml",
        ["x/plan.yaml", "x/agents.yaml"],
    )
    assert found["plan"]["report"]["ok"] is True
    assert [agent["name"] for agent in found["agents"]["agents"]] == ["bash", "actions_upload"]
    assert found["not_carried_over"][-1] == {
        "file": "ci.yml",
        "line": 7,
        "task": "a/upload",
        "construct": "action actions/upload@v1",
        "outcome": "no action runs: the task is a work order",
    }


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("x.yaml", b"", "GEN-DOCUMENT", "is empty"),
        ("x.yaml", b"a: \xff", "GEN-DOCUMENT", "not UTF-8"),
        ("x.yaml", b"a:\n\t- b", "GEN-DOCUMENT", "line 2"),
        ("x.yaml", b"a: 1\na: 2", "GEN-DOCUMENT", "duplicate key 'a'"),
        ("x.yaml", b"a: &a [*a]", "GEN-DOCUMENT", "contains itself"),
        ("x.yaml", b"a: 1\n---\nb: 2", "GEN-DOCUMENT", "single document"),
        (
            "x.yaml",
            b"a: 1",
            "GEN-DOCUMENT-FORMAT",
            "GitHub Actions: it has no mapping 'jobs'; Airflow: its files are Python",
        ),
        ("x.py", b"import os", "GEN-DOCUMENT-FORMAT", "Airflow: it does not import airflow"),
        ("x.py", b"import airflow\nx = (", "GEN-DOCUMENT", "line 2: '(' was never closed"),
        ("x.py", b"import airflow\nx = " + b"-" * 100_000 + b"1", "GEN-DOCUMENT", "x.py"),
        ("x.py", b"import airflow\0", "GEN-DOCUMENT", "null bytes"),
        ("x.toml", b"a = 1", "GEN-USAGE", "these can: .yaml"),
        ("x.yaml", b"jobs: {}\non: push", "GEN-DOCUMENT-EMPTY", "no tasks that can be imported"),
    ],
)
def test_bad_files_are_refused_with_a_code(call, tmp_path, *, name, content, code, words):
    (tmp_path / name).write_bytes(content)
    ended, out, _ = call(name, "--json")
    error = json.loads(out)["error"]
    assert ended in (1, 2)
    assert error["code"] == code
    assert words in error["message"] + error["hint"]


def test_alias_bomb_is_refused(call, tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    assert "once its aliases are expanded" in call("bomb.yaml")[2]


def test_unknown_format_and_missing_file_are_usage_errors(call):
    code, _, err = call("ci.yml", "--format", "kestar")
    assert code == 2
    assert "did you mean 'kestra'?" in err
    assert call("none.yml")[0] == 2


def test_chosen_format_says_why_the_file_has_it_not(call):
    code, _, err = call("ci.yml", "--format", "argo")
    assert code == 1
    assert "tried Argo Workflows: its apiVersion is not argoproj.io" in err
