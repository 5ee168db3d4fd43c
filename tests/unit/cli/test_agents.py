"""`genesis agents`: who is there, and where each comes from."""

import json

import pytest

from genesis.cli.app import main
from genesis.routing import load_registry

AUDIT = "audit (prefect-genesis)"


@pytest.fixture
def call(capsys):
    def make(*words):
        with pytest.raises(SystemExit) as ended:
            main(["agents", *words])
        assert ended.value.code == 0
        return capsys.readouterr().out

    return make


def test_each_agent_of_a_fleet_has_the_fleet_as_its_source(call):
    document = json.loads(call("--json"))
    assert {agent["source"] for agent in document["agents"]} == {AUDIT}
    assert set(document) == {"agents", "rules"}


def test_the_document_is_still_an_agents_file(call, tmp_path):
    (tmp_path / "agents.json").write_text(call("--json"))
    assert load_registry(tmp_path / "agents.json") == load_registry()
    again = json.loads(call("--json", "--agents", str(tmp_path / "agents.json")))
    assert {agent["source"] for agent in again["agents"]} == {str(tmp_path / "agents.json")}


@pytest.mark.parametrize("width", ["160", "80"])
def test_people_see_the_source_too(call, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    said = " ".join(call().split())
    assert said.count(AUDIT) == 15
    assert "from" in said
