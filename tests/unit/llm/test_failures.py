from __future__ import annotations

import pickle

import pytest
from pydantic_ai.exceptions import ModelAPIError

from genesis.errors import ModelError
from genesis.llm import failures
from genesis.llm.provider import _is_loopback


def test_failure_of_no_known_kind_still_says_what_failed():
    error = failures.from_provider(ModelAPIError("m", "something odd"), "openai:m", "http://h/v1", None)
    assert error.code == "GEN-MODEL-SERVICE"
    assert error.message == "the call to 'openai:m' at http://h/v1 failed: something odd"
    assert error.data == {"retry": False}


@pytest.mark.parametrize(
    "body",
    ["plain words", {"error": "plain words"}, {"error": {"message": "plain words"}}, {"detail": "plain words"}],
)
def test_words_of_the_service_are_found_in_any_shape(body):
    error = failures.from_provider(ModelAPIError("m", "x", body=body), "openai:m", "here", None)
    assert error.message.endswith(": plain words")


def test_body_without_words_falls_back_to_the_message():
    error = failures.from_provider(ModelAPIError("m", "the message", body={"a": [1]}), "openai:m", "here", None)
    assert error.message.endswith(": the message")


def test_long_words_are_shortened():
    error = failures.from_provider(ModelAPIError("m", "word " * 500), "openai:m", "here", None)
    assert error.message.endswith("…")
    assert len(error.message) < 300


def test_errors_survive_pickle():
    error = failures.too_slow("openai:m", "here", 2)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ModelError)
    assert copy.to_dict() == error.to_dict()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.0.0.9/v1", True),
        ("http://[::1]:80/v1", True),
        ("https://api.example.com/v1", False),
        ("http://10.0.0.1/v1", False),
    ],
)
def test_loopback_is_recognised(url, expected):
    assert _is_loopback(url) is expected
