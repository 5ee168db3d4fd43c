"""Names of models: `provider:model`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from genesis.errors import UsageError

__all__ = ["ModelName", "parse_model_name"]

_PROVIDERS = ("anthropic", "openai")


class ModelName(NamedTuple):
    """A provider, which decides the API that is spoken, and the name that it knows the model by."""

    provider: Literal["anthropic", "openai"]
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"


def parse_model_name(text: str) -> ModelName:
    """Read `openai:NAME` or `anthropic:NAME`.

    Raises:
        UsageError: It has no provider, an unknown one, or no name.
    """
    provider, colon, model = text.strip().partition(":")
    if not colon or not model.strip() or provider.lower() not in _PROVIDERS:
        raise UsageError(
            f"{text!r} is not the name of a model",
            hint="write openai:NAME or anthropic:NAME; a local or other compatible server is openai:NAME with "
            "GENESIS_LLM__BASE_URL set",
        )
    return ModelName("anthropic" if provider.lower() == "anthropic" else "openai", model.strip())
