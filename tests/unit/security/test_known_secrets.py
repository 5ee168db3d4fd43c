"""The values that a process knows to be secret."""

import base64
import html
import json
import urllib.parse

import pytest
from pydantic import SecretStr

from genesis.security.known_secrets import KnownSecrets, secrets_of_process, settings_secrets
from genesis.security.redact import redact
from genesis.settings import LlmSettings, ResilienceSettings, Settings


def test_a_value_is_struck_out_in_each_way_it_is_written():
    known = KnownSecrets()
    known.add('a"b/c d\n')
    for text in ('a"b/c d\n', 'a\\"b/c d\\n', "a%22b%2Fc%20d%0A"):
        assert redact(f"<{text}>", known()) == "<***>"


@pytest.mark.parametrize("before", ["", "u", "me", "abc"])
@pytest.mark.parametrize("after", ["", ":", "xy"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_is_found_in_base64_wherever_it_stands(before, after, encode):
    secret = "pa?ss>wört~~ÿ/1"
    known = KnownSecrets()
    known.add(secret)
    text = encode(f"{before}{secret}{after}".encode()).decode()
    struck = redact(f"Basic {text}", known())
    assert "***" in struck
    left = struck.removeprefix("Basic ").replace("***", "").rstrip("=")
    assert len(left) <= 4 * ((len(before) + len(after)) // 3 + 2)


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        urllib.parse.quote_plus,
        html.escape,
        lambda text: json.dumps({"key": text}),
        lambda text: json.dumps({"key": text}, ensure_ascii=False),
    ],
)
def test_a_value_is_found_in_other_encodings(write):
    secret = 'q<9&"é w+'
    known = KnownSecrets()
    known.add(secret)
    struck = redact(f"[{write(secret)}]", known())
    assert "***" in struck
    assert len(struck) <= len('[{"key": "***"}]')


def test_lines_of_a_long_secret_are_struck_out_one_by_one():
    known = KnownSecrets()
    known.add("first-line\nsecond-line\nx")
    assert redact("second-line, first-line", known()) == "***, ***"


def test_short_values_are_left_out_and_none_is_kept_twice():
    known = KnownSecrets()
    known.add("abcde", "abcdef")
    known.add("abcdef")
    assert known().count("abcdef") == 1
    assert "abcde" not in known()


def test_the_oldest_make_room():
    known = KnownSecrets()
    known.add(*(f"secret-{number}" for number in range(1_500)))
    assert {"secret-500", "secret-1499"} <= {*known()}
    assert "secret-499" not in known()


def test_secret_settings_are_found_at_any_depth():
    settings = Settings(
        llm=LlmSettings(api_key=SecretStr("key-of-the-model")),
        resilience=ResilienceSettings(redis_url=SecretStr("redis://:pw@h/0")),
    )
    assert settings_secrets(settings) == {"key-of-the-model", "redis://:pw@h/0"}


def test_a_secret_that_an_agent_asks_for_is_known_from_then_on(monkeypatch):
    from genesis.prefect_api.environment import secret

    monkeypatch.setenv("LOGIN_OF_THE_AGENT", "of-the-agent-1")
    assert secret("LOGIN_OF_THE_AGENT") == "of-the-agent-1"
    assert "of-the-agent-1" in secrets_of_process()()
    assert secret("THERE_IS_NO_SUCH_SECRET") is None
