from __future__ import annotations

import pytest

from genesis.errors import UsageError
from genesis.llm import parse_model_name


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("openai:gpt-5-mini", "openai", "gpt-5-mini"),
        (" Anthropic:claude-sonnet-5-5 ", "anthropic", "claude-sonnet-5-5"),
        ("openai:qwen2.5:0.5b", "openai", "qwen2.5:0.5b"),
    ],
)
def test_name_is_split_at_the_first_colon(text, provider, model):
    assert parse_model_name(text) == (provider, model)
    assert str(parse_model_name(text)) == f"{provider}:{model}"


@pytest.mark.parametrize("text", ["", "gpt-5", "openai:", "openai: ", "google:gemini", ":x"])
def test_bad_name_is_a_usage_error(text):
    with pytest.raises(UsageError, match="is not the name of a model") as caught:
        parse_model_name(text)
    assert "GENESIS_LLM__BASE_URL" in caught.value.hint
