import os
import tomllib
from pathlib import Path

import pytest

from genesis.errors import UsageError
from genesis.prefect_api.configured import find_configured_storage, get_server_environment, ui_address
from genesis.server import find_configured_api, point_prefect_at, silence_prefect_on_terminal

PROFILES = """
active = "mine"
[profiles.mine]
PREFECT_API_URL = "http://mine:4200/api/"
PREFECT_UI_URL = "http://pages/"
[profiles.cloud]
PREFECT_API_URL = "https://api.prefect.cloud/api/accounts/a/workspaces/w"
[profiles.ephemeral]
PREFECT_SERVER_EPHEMERAL_ENABLED = "true"
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "profiles.toml").write_text(PROFILES)
    return {"PREFECT_HOME": str(tmp_path)}


def test_environment_wins_over_the_profile(home):
    found = find_configured_api(home | {"PREFECT_API_URL": " http://env:1/api/ "})
    assert (found.url, found.ui_url) == ("http://env:1/api", "http://env:1")
    assert "PREFECT_API_URL" in found.source


def test_active_profile_is_used_with_its_pages(home):
    found = find_configured_api(home)
    assert (found.url, found.ui_url) == ("http://mine:4200/api", "http://pages")
    assert "profile 'mine'" in found.source


def test_named_profile_wins_over_the_active_one(home):
    found = find_configured_api(home | {"PREFECT_PROFILE": "cloud"})
    assert found.ui_url == "https://app.prefect.cloud/account/a/workspace/w"


def test_profile_without_an_api_configures_none(home):
    assert find_configured_api(home | {"PREFECT_PROFILE": "ephemeral"}) is None


def test_profile_that_does_not_exist_is_refused(home, tmp_path):
    with pytest.raises(UsageError, match="PREFECT_PROFILE is 'other'"):
        find_configured_api(home | {"PREFECT_PROFILE": "other"})
    assert find_configured_api({"PREFECT_HOME": str(tmp_path / "none"), "PREFECT_PROFILE": "ephemeral"}) is None


def test_profiles_that_cannot_be_read_are_refused_rather_than_ignored(tmp_path):
    named = tmp_path / "own.toml"
    for content in (b"not = = toml", b"\xff\xfe"):
        named.write_bytes(content)
        with pytest.raises(UsageError, match=r"profiles in .*own\.toml cannot be read"):
            find_configured_api({"PREFECT_PROFILES_PATH": str(named)})


@pytest.mark.parametrize("content", ["", "active = 'x'\n", "profiles = 1\n", "active = 'x'\n[profiles]\nx = 3\n"])
def test_profiles_without_the_expected_shape_configure_none(tmp_path, content):
    (tmp_path / "profiles.toml").write_text(content)
    assert find_configured_api({"PREFECT_HOME": str(tmp_path)}) is None


def test_nothing_is_configured_without_files_and_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_configured_api({}) is None


def test_files_in_the_current_folder_configure_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.toml").write_text('[api]\nurl = "http://evil/api"\n')
    (tmp_path / ".env").write_text("PREFECT_API_URL=http://evil/api\n")
    assert find_configured_api({"PREFECT_HOME": str(tmp_path / "home")}) is None


@pytest.mark.parametrize(
    ("api", "pages"), [("http://h:1/api", "http://h:1"), ("http://h/base/api", "http://h/base"), ("http://h/x", None)]
)
def test_pages_are_derived_from_the_api(api, pages):
    assert ui_address(api) == pages


def test_prefect_is_pointed_at_an_api(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "before")
    point_prefect_at("http://h/api")
    assert os.environ["PREFECT_API_URL"] == "http://h/api"


def test_server_inherits_neither_settings_nor_secrets(monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "x")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("LC_ALL", "C")
    made = get_server_environment()
    assert made["LC_ALL"] == "C"
    assert "PATH" in made
    assert not {"PREFECT_SERVER_DATABASE_CONNECTION_URL", "OPENAI_API_KEY"} & set(made)


def test_prefect_is_kept_off_the_terminal_unless_a_level_was_chosen(monkeypatch):
    monkeypatch.delenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", raising=False)
    silence_prefect_on_terminal()
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "CRITICAL"
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "DEBUG")
    silence_prefect_on_terminal()
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "DEBUG"


def test_the_storage_is_found_without_prefect(tmp_path):
    assert find_configured_storage({"PREFECT_HOME": str(tmp_path)}) == tmp_path / "storage"
    assert find_configured_storage({"PREFECT_HOME": str(tmp_path), "PREFECT_LOCAL_STORAGE_PATH": "/a"}) == Path("/a")
    both = {"PREFECT_LOCAL_STORAGE_PATH": "/a", "prefect_results_local_storage_path": "/b"}
    assert find_configured_storage({"PREFECT_HOME": str(tmp_path), **both}) == Path("/b")
    write_profile(tmp_path, 'PREFECT_LOCAL_STORAGE_PATH = "/c"')
    assert find_configured_storage({"PREFECT_HOME": str(tmp_path)}) == Path("/c")
    assert find_configured_storage({"PREFECT_HOME": str(tmp_path), "PREFECT_LOCAL_STORAGE_PATH": "/a"}) == Path("/a")


@pytest.mark.parametrize(
    ("variables", "profile"),
    [
        ({"PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": "s3/x"}, ""),
        ({"PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK": "s3/x"}, ""),
        ({"PREFECT_LOCAL_STORAGE_PATH": "$PREFECT_HOME/here"}, ""),
        ({}, 'PREFECT_DEFAULT_RESULT_STORAGE_BLOCK = "s3/x"'),
        ({}, 'PREFECT_HOME = "/elsewhere"'),
    ],
)
def test_where_only_prefect_can_say_it_is_asked_for_the_storage(tmp_path, variables, profile):
    write_profile(tmp_path, profile)
    assert find_configured_storage({"PREFECT_HOME": str(tmp_path), **variables}) is None


@pytest.mark.parametrize("variable", ["PREFECT_HOME", "PREFECT_PROFILES_PATH", "PREFECT_LOCAL_STORAGE_PATH"])
def test_the_home_of_a_user_that_there_is_not_is_named(tmp_path, variable):
    with pytest.raises(UsageError, match="no home of ~no-such-user"):
        find_configured_storage({"PREFECT_HOME": str(tmp_path), variable: "~no-such-user/x"})


@pytest.mark.parametrize("read", [find_configured_storage, find_configured_api])
def test_a_profile_that_there_is_not_is_an_error_wherever_it_is_read(tmp_path, read):
    write_profile(tmp_path, "")
    with pytest.raises(UsageError, match="PREFECT_PROFILE is 'none-such'"):
        read({"PREFECT_HOME": str(tmp_path), "PREFECT_PROFILE": "none-such"})


def test_the_profiles_that_prefect_brings_along_need_no_file(tmp_path):
    from prefect.settings.constants import DEFAULT_PROFILES_PATH

    shipped = tomllib.loads(DEFAULT_PROFILES_PATH.read_text("utf-8"))["profiles"]
    for name, profile in shipped.items():
        found = find_configured_api({"PREFECT_HOME": str(tmp_path), "PREFECT_PROFILE": name})
        assert (found.url if found else None) == profile.get("PREFECT_API_URL")


def write_profile(home, line):
    (home / "profiles.toml").write_text(f'active = "mine"\n[profiles.mine]\n{line}\n', encoding="utf-8")
