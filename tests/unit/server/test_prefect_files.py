"""Settings of Prefect's that it refuses, and a current folder that has none to give."""

import pytest

from genesis.errors import UsageError
from genesis.server.prefect_files import shut_out_current_folder


@pytest.fixture(autouse=True)
def own_prefect(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "profiles.toml"))
    monkeypatch.delenv("PREFECT_PROFILE", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PREFECT_API_REQUEST_TIMEOUT", "soon", "'request_timeout' of APISettings: Input should be a valid number"),
        ("PREFECT_LOGGING_LEVEL", "LOUD", "'level' of LoggingSettings: Input should be 'DEBUG'"),
        ("PREFECT_SERVER_API_PORT", "abc", r"'port' of ServerAPISettings: .* \(given: 'abc'\)"),
    ],
)
def test_a_value_that_prefect_refuses_is_named_before_anything_else_of_it_is_used(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=said):
        shut_out_current_folder()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PREFECT_CLIENT_CUSTOM_HEADERS", '{"Authorization": "Bearer hunter2hunter2hunter2"'),
        ("PREFECT_CLIENT_CUSTOM_HEADERS", '["Authorization: Bearer hunter2hunter2hunter2"]'),
        ("PREFECT_SERVER_API_PORT", "postgresql://ada:hunter2hunter2@db/prefect"),
    ],
)
def test_a_refused_value_shows_no_secret(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="Prefect does not start with its settings") as caught:
        shut_out_current_folder()
    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_a_value_of_the_profile_that_prefect_refuses_is_named(own_prefect):
    profile = 'active = "mine"\n[profiles.mine]\nPREFECT_API_REQUEST_TIMEOUT = "soon"\n'
    (own_prefect / "profiles.toml").write_text(profile, "utf-8")
    with pytest.raises(UsageError, match="'request_timeout'") as caught:
        shut_out_current_folder()
    assert str(own_prefect / "profiles.toml") in caught.value.hint


def test_profiles_that_cannot_be_read_are_named(own_prefect):
    (own_prefect / "profiles.toml").mkdir()
    with pytest.raises(UsageError, match=r"profiles\.toml cannot be read"):
        shut_out_current_folder()


def test_settings_of_the_current_folder_do_not_matter(own_prefect, monkeypatch):
    (own_prefect / "prefect.toml").write_text('[api]\nrequest_timeout = "soon"\n', "utf-8")
    monkeypatch.chdir(own_prefect)
    shut_out_current_folder()
