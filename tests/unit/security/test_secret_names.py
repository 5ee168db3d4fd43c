"""Which names speak of a secret, and which values of variables are struck out."""

import pytest

from genesis.security.secret_names import is_secret_name, is_secret_variable, only_describes, secret_values


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "apiKey", "api-key", "GITHUB_TOKEN", "DB_PASSWORD", "PASSWD", "client_secret",
     "AWS_ACCESS_KEY_ID", "SENTRY_DSN", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_DATABASE_CONNECTION_URL",
     "credentials"],
)  # fmt: skip
def test_a_name_speaks_of_a_secret(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["HOME", "PATH", "KEYBOARD", "PRIMARY_KEY", "AUTHOR", "SSH_AUTH_SOCK", "COMPASS"])
def test_a_name_does_not(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize("name", ["max_tokens", "TOKENIZERS_PARALLELISM", "token_file", "secret-name", "input_tokens"])
def test_a_name_only_describes(name):
    assert is_secret_name(name)
    assert only_describes(name)


def test_a_login_in_a_url_makes_a_variable_secret_but_not_a_proxys():
    assert is_secret_variable("WHERE", "https://me:pw@h/")
    assert not is_secret_variable("HTTPS_PROXY", "http://me:pw@h/")
    assert not is_secret_variable("WHERE", "https://h:80/me@x")


def test_values_are_struck_out_that_can_be_told_from_other_text():
    variables = {
        "HOME": "/home/someone",
        "API_KEY": "abcdefgh-1",
        "SHORT_TOKEN": "abcdefg",
        "MAX_TOKENS": "100000000",
        "PIN_SECRET": "123456789",
        "CLOUD_TOKEN_FILE": "/run/secrets/token",
        "SECRET_STORE": "disabled",
        "DATABASE": "postgresql://me:p%40ssword@h/db",
        "EMPTY_SECRET": "",
    }
    assert secret_values(variables) == {"abcdefgh-1", "p%40ssword", "p@ssword"}
