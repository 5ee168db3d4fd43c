"""`genesis pools sync` as it is called, on a server that is only a list."""

import json
from contextlib import nullcontext

import pytest

from genesis.cli.app import main
from genesis.errors import ServiceError
from genesis.fleet import server
from genesis.fleet.diff import SeenAutomation, SeenPool, SeenServer
from genesis.fleet.trusted import mark_trusted
from genesis.server import ApiEndpoint
from genesis.settings import Settings

AGENTS = "agents:\n  - {name: qa_agent, task_types: [test], max_concurrency: 3}\n"


class ListedServer:
    """Keeps pools and automations in this process."""

    def __init__(self):
        self.pools, self.automations, self.deployments, self.deaf = {}, {}, (), False

    async def look(self, fleet):
        return SeenServer(
            pools=tuple(self.pools.values()),
            automations=tuple(self.automations.values()),
            deployments=self.deployments,
        )

    async def change(self, changes):
        for change in () if self.deaf else changes:
            values = dict(change.values)
            if change.kind == "pool" and change.action == "delete":
                del self.pools[change.name]
            elif change.kind == "pool":
                if "base_job_template" in values:
                    values["template"] = values.pop("base_job_template")
                before = self.pools[change.name].model_dump() if change.name in self.pools else {}
                self.pools[change.name] = SeenPool(**before | values | {"name": change.name})
            else:
                self.automations[change.name] = SeenAutomation(**{"id": "1", **values})


@pytest.fixture
def listed(monkeypatch):
    found = ListedServer()
    monkeypatch.setattr(server, "look_at_server", found.look)
    monkeypatch.setattr(server, "change_server", found.change)
    monkeypatch.setattr("genesis.cli.pools.before_prefect", lambda: None)
    monkeypatch.setattr("genesis.flows.connection.connect", nullcontext)
    monkeypatch.setattr(
        "genesis.server.ensure_api", lambda _: ApiEndpoint("http://127.0.0.1:9/api", None, embedded=True)
    )
    return found


@pytest.fixture
def call(tmp_path, monkeypatch, capsys, listed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(AGENTS)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["pools", "sync", *words])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def on_a_terminal(monkeypatch):
    """Somebody is there and gives this answer."""

    def answer(word):
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setattr("click.confirm", lambda *_, **__: word)

    return answer


def test_difference_comes_first_then_the_changes(call, listed):
    code, out, err = call("--agents", "mine.yaml")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "2 pools for mine.yaml, on http://127.0.0.1:9/api"
    assert lines[2].startswith("+ pool agent-qa  type genesis, concurrency_limit 3, isolation thread")
    assert lines[-1] == "4 changes made."
    assert set(listed.pools) == {"genesis", "agent-qa"}
    assert "missing deployments: orchestrate/default" in err
    assert "export PREFECT_API_URL=http://127.0.0.1:9/api" in err


def test_second_call_changes_nothing(call):
    call("--agents", "mine.yaml")
    code, out, _ = call("--agents", "mine.yaml")
    assert code == 0
    assert out.splitlines()[1:] == ["Pools, limits and automations are up to date."]


def test_check_changes_nothing_and_fails_until_in_step(call, listed):
    code, out, _ = call("--agents", "mine.yaml", "--check")
    assert (code, listed.pools) == (1, {})
    assert "4 items are out of date." in out
    call("--agents", "mine.yaml")
    assert call("--agents", "mine.yaml", "--check")[0] == 0


def test_changed_value_is_shown_with_what_it_was(call, listed):
    call("--agents", "mine.yaml")
    pool = listed.pools["agent-qa"]
    listed.pools["agent-qa"] = pool.model_copy(update={"concurrency_limit": None})
    assert "~ pool agent-qa  concurrency_limit: none → 3" in call("--agents", "mine.yaml")[1]


def test_agents_of_the_current_folder_are_used_once_it_is_trusted(call, tmp_path):
    assert "16 pools for the agents of the installed fleets" in call("--check")[1]
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments/agents.yaml").write_text(AGENTS)
    _, out, err = call("--check")
    assert "16 pools for the agents of the installed fleets" in out
    assert "deployments/agents.yaml of this folder are ignored" in err
    mark_trusted(tmp_path, Settings().home)
    _, out, err = call("--check")
    assert "2 pools for deployments/agents.yaml" in out
    assert "First use of the project" in err
    assert "First use" not in call("--check")[2]


def test_a_project_is_named(call, tmp_path):
    (tmp_path / "own/deployments").mkdir(parents=True)
    (tmp_path / "own/deployments/agents.yaml").write_text(AGENTS)
    _, out, err = call("--check", "--project", "own")
    assert "2 pools for own/deployments/agents.yaml" in out
    assert "First use of the project" in err
    assert "is not a folder" in call("--check", "--project", "nowhere")[2]


@pytest.mark.parametrize("answer", [False, True])
def test_somebody_at_a_terminal_is_asked(call, listed, on_a_terminal, answer):
    on_a_terminal(answer)
    code, out, _ = call("--agents", "mine.yaml")
    assert (code, len(listed.pools)) == ((0, 2) if answer else (1, 0))
    assert ("Nothing was changed." in out) == (not answer)


def test_yes_asks_nobody(call, listed, on_a_terminal):
    on_a_terminal(False)
    assert call("--agents", "mine.yaml", "--yes")[0] == 0
    assert listed.pools


def test_prune_removes_pools_of_agents_that_are_gone(call, listed):
    call()
    code, out, err = call("--agents", "mine.yaml")
    assert code == 0
    assert "'agent-spec' is of an agent that is gone; --prune removes it" in err
    code, out, _ = call("--agents", "mine.yaml", "--prune")
    assert code == 0
    assert "- pool agent-spec" in out
    assert set(listed.pools) == {"genesis", "agent-qa"}


def test_document_of_a_call(call):
    code, out, err = call("--agents", "mine.yaml", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["in_step"], document["applied"], document["agents"]) == (True, True, "mine.yaml")
    assert document["changes"][1]["name"] == "agent-qa"
    assert {"name": "concurrency_limit", "before": None, "after": 3} in document["changes"][1]["fields"]
    assert "values" not in document["changes"][1]


def test_server_that_takes_nothing_is_not_called_done(call, listed):
    listed.deaf = True
    code, out, _ = call("--agents", "mine.yaml")
    assert code == 1
    assert "4 items are still out of date." in out


@pytest.mark.parametrize(
    ("text", "said"),
    [("agents: [", "GEN-DOCUMENT"), ("agents:\n  - {name: x, pool: 'a/b', task_types: [t]}\n", "cannot be created")],
)
def test_registry_with_errors_asks_no_server(call, tmp_path, monkeypatch, text, said):
    def never(_):
        raise AssertionError("the server was asked")

    monkeypatch.setattr("genesis.server.ensure_api", never)
    (tmp_path / "mine.yaml").write_text(text)
    code, _, err = call("--agents", "mine.yaml")
    assert code == 1
    assert said in err


def test_no_server_is_exit_code_4(call, monkeypatch):
    def raise_unreachable(_):
        raise ServiceError("cannot be reached")

    monkeypatch.setattr("genesis.server.ensure_api", raise_unreachable)
    assert call("--agents", "mine.yaml")[0] == 4
