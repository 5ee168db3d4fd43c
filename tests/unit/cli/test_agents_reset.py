"""`genesis agents reset`, and what doctor and errors say of open breakers."""

import json

import pytest

from genesis.cli.app import main
from genesis.resilience import BreakerRules, SqliteStore
from genesis.resilience.breakers import Breakers, state_file
from genesis.server.doctor import diagnose
from genesis.settings import Settings

AGENTS = """
agents:
  - {name: etl_agent, task_types: [load], executor: {kind: http, url: "https://api.example.com/x"}}
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GENESIS_HOME", str(tmp_path))
    monkeypatch.setenv("GENESIS_RESILIENCE__SHARE", "machine")
    (tmp_path / "agents.yaml").write_text(AGENTS)

    def make(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["agents", "reset", *words, "--agents", str(tmp_path / "agents.yaml"), "--json"])
        return ended.value.code, json.loads(capsys.readouterr().out)

    return make


@pytest.fixture
def opened(tmp_path):
    """Breakers that are open: of an agent, of the host that it calls, and of another host."""
    breakers = Breakers(BreakerRules(failures=1), store=SqliteStore(state_file(tmp_path)))
    for breaker in (
        breakers.of("agent", "etl_agent", "0123456789ab"),
        breakers.of("host", "api.example.com"),
        breakers.of("host", "other.example.com"),
    ):
        with pytest.raises(ConnectionError), breaker.guard():
            raise ConnectionError
    return breakers


def test_an_agent_is_reset_with_what_it_calls(call, opened):
    code, document = call("etl_agent")
    assert code == 0
    assert document["reset"] == [
        {"kind": "agent", "name": "etl_agent", "was": "open"},
        {"kind": "host", "name": "api.example.com", "was": "open"},
    ]
    assert call("etl_agent")[1]["reset"] == []
    assert [each["name"] for each in call("--all")[1]["reset"]] == ["other.example.com"]


def test_an_unknown_name_is_refused_with_the_closest(call, opened):
    code, document = call("etl_agnet")
    assert code == 2
    assert "did you mean 'etl_agent'?" in document["error"]["hint"]
    assert call()[0] == 2


def test_an_unknown_name_is_refused_where_no_breaker_is_known_either(call):
    assert call("etl_agnet")[0] == 2
    assert call("etl_agent") == (0, {"reset": [], "share": "machine"})


def test_doctor_names_open_breakers_and_how_to_close_them(tmp_path, opened):
    found = [finding for finding in diagnose(Settings(home=tmp_path)) if finding.name == "breaker"]
    assert [finding.ok for finding in found] == [False, False, False]
    assert "agent etl_agent is not called" in found[0].detail
    assert found[0].mend.endswith("genesis agents reset etl_agent")
