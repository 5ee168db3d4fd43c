"""`genesis init` as it is called."""

import json

import pytest

from genesis.cli.app import main


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Call the program in a folder of its own; gives the exit code and the output."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["init", *words])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def test_new_project_says_what_was_written_and_what_comes_next(call, tmp_path):
    code, out, _ = call("fleet")
    assert code == 0
    assert "written" in out
    assert "prefect.yaml" in out
    for step in (
        f"cd {tmp_path}/fleet",
        "genesis pools sync",
        "prefect deploy --all",
        "genesis worker",
    ):
        assert step in out
    assert (tmp_path / "fleet/prefect.yaml").exists()


def test_second_call_says_that_all_was_in_step(call):
    call()
    code, out, _ = call()
    assert code == 0
    assert "All files were up to date." in out
    assert "kept" in out


def test_check_of_an_empty_folder_writes_nothing(call, tmp_path):
    code, out, _ = call("--check")
    assert code == 1
    assert "10 files are out of date" in out
    assert "+++ b/prefect.yaml" in out
    assert list(tmp_path.iterdir()) == []


def test_check_shows_the_difference_and_then_none(call, tmp_path):
    call()
    assert call("--check") == (0, "In step.\n", "")
    (tmp_path / "deployments/agents.yaml").write_text(
        "agents:\n  - {name: '[red]x_agent', task_types: [a]}\n".replace("[red]", "")
    )
    code, out, _ = call("--check")
    assert code == 1
    assert "-  - name: spec" in out
    assert "+  - name: x" in out
    assert "1 files are out of date" in out


def test_document_has_every_file(call):
    code, out, _ = call("--json")
    document = json.loads(out)
    assert (code, document["in_step"], document["written"], document["agents"]) == (0, False, True, 15)
    assert {found["action"] for found in document["files"]} == {"write"}
    assert document["next"][-1] == "genesis worker --all"
    document = json.loads(call("--json")[1])
    assert (document["in_step"], document["written"]) == (True, False)


def test_document_of_a_check_has_the_differences(call, tmp_path):
    call()
    (tmp_path / "flows/preflight.py").unlink()
    code, out, _ = call("--check", "--json")
    (changed,) = [found for found in json.loads(out)["files"] if found["action"] != "keep"]
    assert (code, changed["path"]) == (1, "flows/preflight.py")
    assert "+from genesis.flows.deployed import preflight" in changed["diff"]


def test_error_is_a_document(call, tmp_path):
    (tmp_path / "prefect.yaml").write_text("deployments: [")
    code, out, _ = call("--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "GEN-DOCUMENT"
