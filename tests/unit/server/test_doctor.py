import sqlite3
import tomllib
from pathlib import Path

import pytest

from genesis.errors import UsageError
from genesis.server import ServerInfo, doctor
from genesis.server.doctor import REQUIREMENTS, DoctorFinding, diagnose
from genesis.server.files import ServerFiles, ServerRecord
from genesis.settings import LlmSettings, ServerSettings, Settings


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "shut_out_current_folder", lambda: None)  # it changes the whole process
    return Settings(home=tmp_path / "home")


def findings(settings) -> dict[str, DoctorFinding]:
    found = diagnose(settings)
    names = [finding.name for finding in found]
    assert len(names) == len(set(names))
    assert all(finding.ok or finding.mend for finding in found)
    return {finding.name: finding for finding in found}


def test_requirements_are_those_of_the_package():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == REQUIREMENTS["python"]
    wanted = {name: f"{name}{REQUIREMENTS[name]}" for name in ("prefect", "fastapi")}
    assert set(wanted.values()) <= set(project["dependencies"])


def test_fresh_machine_is_well(settings):
    found = findings(settings)
    assert [name for name, finding in found.items() if not finding.ok] == []
    assert not settings.home.exists()
    assert found["database"].detail == "there is none yet"
    assert "GENESIS_LLM__MODEL" in found["model"].mend


def test_versions_that_do_not_work_are_named(settings, monkeypatch):
    monkeypatch.setattr(doctor, "_find_version", {"prefect": "3.10.0", "fastapi": None}.get)
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.10.2")
    found = findings(settings)
    assert found["prefect"].detail == "3.10.0, and only >=3.8.8,<3.10 works"
    assert found["fastapi"].detail.startswith("not installed")
    assert not found["python"].ok


def test_missing_package_has_no_version():
    assert doctor._find_version("genesis-no-such-package") is None


def test_home_that_cannot_be_written_is_named(settings, tmp_path):
    (tmp_path / "file").write_text("")
    found = findings(settings.model_copy(update={"home": tmp_path / "file" / "home"}))
    assert "GENESIS_HOME" in found["home"].mend


def test_little_space_is_named(settings, monkeypatch):
    monkeypatch.setattr(doctor, "free_bytes", lambda folder: 1_000_000)
    assert not findings(settings)["space"].ok


def test_configured_api_that_does_not_answer_is_named(settings, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    found = findings(settings)
    assert "cannot be reached" in found["api"].detail
    assert "server" not in found


@pytest.mark.parametrize(("answer", "ok"), [("3.8.8", True), ("3.8.1", True), ("2.20.1", False), (None, True)])
def test_version_of_a_configured_api_is_compared(settings, monkeypatch, answer, ok):
    monkeypatch.setenv("PREFECT_API_URL", "http://somewhere/api")
    monkeypatch.setattr(doctor, "server_answer", lambda api, path, **_: answer)
    monkeypatch.setattr(doctor, "get_prefect_version", lambda: "3.8.8")
    found = findings(settings)
    assert found["api"].ok
    assert found["versions"].ok is ok
    assert bool(found["versions"].mend) is (answer not in {"3.8.8", None})


def test_a_configured_api_without_authentication_is_warned_of(settings, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://somewhere/api")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
    asked = []

    def answer(api, path, *, password=None):
        asked.append(password)
        return "3.8.8" if password == "admin:secret" or open_to_all else None

    monkeypatch.setattr(doctor, "server_answer", answer)
    open_to_all = False
    found = findings(settings)
    assert "password" not in found
    assert "server 3.8.8" in found["versions"].detail
    assert asked == [None, "admin:secret"]
    open_to_all = True
    found = findings(settings)
    assert found["password"].detail.startswith("warning: http://somewhere/api asks for no password")
    assert "PREFECT_SERVER_API_AUTH_STRING" in found["password"].mend
    assert asked[2:] == [None]


def test_broken_profiles_are_named(settings, tmp_path):
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "profiles.toml").write_text("= broken")
    assert not findings(settings)["api"].ok


def test_settings_that_prefect_refuses_are_named(settings, monkeypatch):
    def refuse():
        raise UsageError("Prefect does not start with its settings", hint="correct it")

    monkeypatch.setattr(doctor, "shut_out_current_folder", refuse)
    assert not findings(settings)["settings"].ok


def test_dead_server_is_named(settings):
    files = ServerFiles(settings.home)
    files.make_folder()
    files.write(ServerRecord(pid=2**22 - 1, identity="boot:1", host="127.0.0.1", port=0))
    found = findings(settings)["server"]
    assert not found.ok
    assert "genesis server up" in found.mend


def test_hanging_server_is_named(settings, monkeypatch):
    info = ServerInfo(
        state="unresponsive", url="http://127.0.0.1:1", pid=1, port=1, database="d", log_path=Path("l"), note="n"
    )
    monkeypatch.setattr(doctor, "status", lambda *_, **__: info)
    found = findings(settings)
    assert found["server"].mend == "run: genesis server down"
    assert found["port"].detail == "1 is the server's own"


def test_running_servers_version_is_compared(settings, monkeypatch):
    info = ServerInfo(state="running", url="http://127.0.0.1:1", pid=1, port=1, database="d", log_path=Path("l"))
    monkeypatch.setattr(doctor, "status", lambda *_, **__: info)
    monkeypatch.setattr(doctor, "server_version", lambda host, port, password: "3.1.0")
    found = findings(settings)
    assert not found["versions"].ok
    assert "genesis server down" in found["versions"].mend


def test_ports_are_tried(settings):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        asked = settings.model_copy(update={"server": ServerSettings(port=port)})
        assert "in use" in findings(asked)["port"].detail
        files = ServerFiles(settings.home)
        files.make_folder()
        files.write(ServerRecord(host="127.0.0.1", port=port))
        assert findings(settings)["port"].detail.endswith("a free one will be taken")
    assert findings(asked)["port"].detail == f"{port} is free"
    elsewhere = settings.model_copy(update={"server": ServerSettings(host="203.0.113.1")})
    assert "GENESIS_SERVER__HOST" in findings(elsewhere)["port"].mend


def test_locked_database_is_named(settings, monkeypatch):
    monkeypatch.setattr(doctor, "_LOCK_WAIT_S", 0.05)
    files = ServerFiles(settings.home)
    files.make_folder()
    holder = sqlite3.connect(files.database, isolation_level=None)
    try:
        holder.execute("CREATE TABLE t (x)")
        assert "can be written" in findings(settings)["database"].detail
        holder.execute("BEGIN IMMEDIATE")
        found = findings(settings)["database"]
        assert "locked" in found.detail
        assert "fuser" in found.mend
    finally:
        holder.close()


def test_file_that_is_no_database_is_named(settings):
    files = ServerFiles(settings.home)
    files.make_folder()
    files.database.write_text("nonsense " * 200)
    assert "move" in findings(settings)["database"].mend


def test_missing_tools_are_named_with_what_they_are_for(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor.sys, "executable", str(tmp_path / "python"))
    found = findings(settings)
    assert "history" in found["git"].detail
    (tmp_path / "ruff").write_text("")
    assert findings(settings)["ruff"].ok


@pytest.mark.parametrize(
    ("llm", "environment", "ok"),
    [
        ({"model": "openai:m"}, {}, False),
        ({"model": "openai:m"}, {"OPENAI_API_KEY": "k"}, True),
        ({"model": "openai:m", "base_url": "http://127.0.0.1:1/v1"}, {}, True),
        ({"model": "anthropic:m", "api_key": "k"}, {}, True),
        ({"model": "anthropic:m"}, {"OPENAI_API_KEY": "k"}, False),
        ({"model": "gibberish"}, {}, False),
    ],
)
def test_model_needs_a_name_and_a_key(settings, monkeypatch, llm, environment, ok):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert findings(settings.model_copy(update={"llm": LlmSettings(**llm)}))["model"].ok is ok


def test_missing_extra_matters_only_with_a_model(settings, monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert findings(settings)["pydantic-ai"].ok
    assert not findings(settings.model_copy(update={"llm": LlmSettings(model="openai:m", api_key="k")}))[
        "pydantic-ai"
    ].ok
