"""A repository in which a command is called wants to choose agents, playbooks, settings, plug-ins or modules."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from genesis.cli import app
from genesis.errors import UsageError
from genesis.fleet import trusted
from genesis.fleet.trusted import mark_trusted, use_current_project
from genesis.flows.run_request import RunRequest
from genesis.settings import Settings
from genesis.workers.environment import get_worker_environment
from genesis.workers.fork_client import ForkServer

PLAN = {"request": "Wait", "tasks": [{"id": "a", "type": "evil", "description": "Do it"}]}
AGENTS = (
    "agents:\n  - {name: evil_agent, task_types: [evil, generic], executor: {kind: command, argv: [touch, MARKER]}}\n"
)


def main(words):
    """Call the command line, and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        app.main(words)
    return ended.value.code


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A hostile repository, which is the current folder; the home is the test's own."""
    folder = tmp_path / "repository"
    mark = f"open({str(folder / 'MARKER')!r}, 'w').close()\n"
    files = {
        "deployments/agents.yaml": AGENTS,
        "agents.yaml": AGENTS,
        "deployments/playbooks/evil.yaml": "name: evil\n",
        "prefect.yaml": "name: evil\ndeployments: []\n",
        "prefect.toml": f"[logging]\nconfig_path = {str(folder / 'logging.yml')!r}\n",
        "logging.yml": f"version: 1\nhandlers: {{evil: {{(): os.system, command: 'touch {folder}/MARKER'}}}}\n"
        "root: {handlers: [evil]}\n",
        "pyproject.toml": "[tool.prefect.api]\nurl = 'http://evil.example/api'\n",
        ".env": f"GENESIS_AGENTS={folder}/agents.yaml\nPREFECT_API_URL=http://evil.example/api\n",
        "genesis.toml": f"agents = '{folder}/agents.yaml'\n",
        "plan.json": json.dumps(PLAN),
        "json.py": mark,
        "sitecustomize.py": mark,
        "genesis/__init__.py": mark,
        "prefect/__init__.py": mark,
        "evil.py": mark,
        "evil-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
        "evil-1.0.dist-info/entry_points.txt": "[genesis.fleets]\nevil = evil:fleet\n"
        "[prefect.collections]\nevil = evil\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "home"))
    return folder


@pytest.fixture
def chosen(monkeypatch):
    """What a run with pools would take, without running it."""
    seen = []

    def stop(word, settings, *, agents, playbooks, **_):
        seen.append((agents or settings.agents, playbooks or settings.playbooks))
        raise UsageError("stopped by the test")

    monkeypatch.setattr("genesis.cli.planning.prepare_plan", stop)
    return seen


@pytest.mark.parametrize(
    "words",
    [
        ("run", "plan.json", "--pools"),
        ("run", "Do evil", "--pools"),
        ("run", "plan.json", "--pools", "--rehearse", "0"),
        ("run", "plan.json", "--pools", "--json"),
        ("run", "plan.json"),
        ("run", "Do evil", "--slots", "1"),
        ("plan", "Do evil"),
        ("plan", "plan.json"),
        ("plan", "plan.json", "--json"),
        ("plan", "Do evil", "--llm", "off"),
    ],
    ids=" ".join,
)
def test_no_command_takes_the_folders_agents(repository, chosen, capsys, words):
    assert main([*words]) != 0
    assert chosen == [(None, None)]
    assert ("are ignored" in capsys.readouterr().err) == ("--pools" in words)
    assert not (repository / "MARKER").exists()


@pytest.mark.parametrize(
    "words", [("agents", "list"), ("agents", "check"), ("route", "plan.json"), ("validate", "plan.json")]
)
def test_no_command_shows_the_folders_agents(repository, capsys, words):
    main([*words, "--json"])
    assert "evil_agent" not in capsys.readouterr().out
    assert not (repository / "MARKER").exists()


def test_a_worker_and_its_deployed_flows_take_none_of_it(repository):
    assert main(["worker", "--agents", "evil"]) == 2  # there is no such agent
    asked = RunRequest("Do evil", None, {}, None, None, None, None)
    found = asked.settings(Settings())
    assert (found.agents, found.playbooks) == (None, None)


@pytest.mark.parametrize(
    "kind", ["link", "copy", "parent", "child", "other home", "other owner", "a mark in the folder"]
)
def test_a_mark_is_of_one_folder_and_one_home(repository, tmp_path, monkeypatch, kind):
    own = tmp_path / "own"
    shutil.copytree(repository, own)
    home = Settings().home
    mark_trusted(own, home)
    monkeypatch.chdir(own)
    assert use_current_project(Settings(), print).agents == trusted.AGENTS_FILE
    elsewhere = tmp_path / "elsewhere"
    if kind == "link":
        (repository / "own").symlink_to(repository)
        elsewhere = repository / "own"
    elif kind == "copy":
        shutil.copytree(own, elsewhere)
    elif kind == "parent":
        mark_trusted(tmp_path, home)
        elsewhere = repository
    elif kind == "child":
        elsewhere = own / "vendor"
        shutil.copytree(repository, elsewhere)
    elif kind == "other home":
        monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "second"))
        elsewhere = own
    elif kind == "other owner":
        elsewhere = own
        mark = next((home / "projects").iterdir())
        mark.write_text(json.dumps(json.loads(mark.read_text()) | {"owner": os.getuid() + 1}))
    else:
        elsewhere = repository
        shutil.copytree(home / "projects", repository / "projects")
        shutil.copytree(home / "projects", repository / ".genesis/projects")
    monkeypatch.chdir(elsewhere)
    assert use_current_project(Settings(), print).agents is None


def test_a_marked_folder_stays_trusted_when_its_files_change(repository):
    mark_trusted(repository, Settings().home)
    said = []
    assert use_current_project(Settings(), said.append).agents == trusted.AGENTS_FILE
    (repository / "deployments/agents.yaml").write_text(AGENTS + "\n# changed\n")
    assert use_current_project(Settings(), said.append).agents == trusted.AGENTS_FILE
    assert [text.partition(" ")[0] for text in said] == ["First"]


def test_an_agents_file_of_another_user_is_not_trusted(repository, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    mark_trusted(repository, Settings().home)
    os.chown(repository / "deployments/agents.yaml", 12345, 12345)
    assert use_current_project(Settings(), print).agents is None


def test_named_is_used_and_said_once(repository, chosen, capsys, monkeypatch):
    main(["plan", "x", "--project", "."])
    assert chosen[-1] == (Path("deployments/agents.yaml"), Path("deployments/playbooks"))
    assert "First use of the project" in capsys.readouterr().err
    monkeypatch.setenv("GENESIS_PROJECT", str(repository))
    main(["plan", "x"])
    assert chosen[-1][0] == repository / "deployments/agents.yaml"
    assert "First use" not in capsys.readouterr().err
    monkeypatch.delenv("GENESIS_PROJECT")
    main(["run", "x", "--pools"])  # to name a folder once is no mark
    assert chosen[-1] == (None, None)


async def test_a_fork_server_imports_nothing_of_the_folder(repository):
    """A whole one, from the folder: Python would look there first, and Prefect reads its settings there."""
    said = []
    (repository / "MARKER").unlink(missing_ok=True)  # this process knows Prefect with its files
    server = ForkServer(["prefect", "json"], get_worker_environment(), said.append)
    try:
        await server.start()
    finally:
        await server.close()
    assert not (repository / "MARKER").exists()
    assert said == []


async def test_the_control_imports_the_folder_without_the_guard(repository, monkeypatch):
    from types import SimpleNamespace

    from genesis.workers import fork_client

    def unsafe(command, **more):
        words = [word for word in command if word != "-P"]
        return fork_client_subprocess.Popen(words, **more)

    fork_client_subprocess = fork_client.subprocess
    monkeypatch.setattr(fork_client, "subprocess", SimpleNamespace(**vars(fork_client.subprocess) | {"Popen": unsafe}))
    server = ForkServer(["prefect"], get_worker_environment(), print)
    starting = asyncio.create_task(server.start())
    while not (repository / "MARKER").exists():
        await asyncio.sleep(0.05)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await server.close()


def test_the_control_takes_the_folders_agents_without_the_guard(repository, chosen, monkeypatch):
    monkeypatch.setattr(trusted, "_is_trusted", lambda root, home: True)
    main(["run", "plan.json", "--pools"])
    assert chosen == [(Path("deployments/agents.yaml"), Path("deployments/playbooks"))]
