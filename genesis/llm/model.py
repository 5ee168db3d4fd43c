"""What the rest of Genesis sees of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel

__all__ = ["Answer", "LanguageModel", "Value"]

Value = TypeVar("Value")
Schema = TypeVar("Schema", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """One answer and what it used."""

    value: Value
    tokens_in: int = 0
    """Tokens of the prompt; 0 where the service does not count."""
    tokens_out: int = 0
    """Tokens of the answer; 0 where the service does not count."""

    @property
    def tokens(self) -> int:
        """Tokens of prompt and answer together."""
        return self.tokens_in + self.tokens_out


class LanguageModel(Protocol):
    """A language model that can be asked. It holds no connection between calls."""

    name: str
    """`provider:model`, for notes and messages."""

    async def ask(
        self,
        prompt: str,
        *,
        schema: type[Schema],
        system: str = "",
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Answer[Schema]:
        """Ask for an object.

        Args:
            prompt: What to answer.
            schema: The object's model; its JSON schema is enforced by the service where it can do so.
            system: Standing instructions.
            max_tokens: Bound on the answer; the settings' own if omitted.
            timeout_s: Seconds for the whole call; the settings' own if omitted.

        Raises:
            ModelError: The model cannot be reached, refuses, is too slow, or its answer does not fit the schema.
        """
        ...

    async def write(
        self, prompt: str, *, system: str = "", max_tokens: int | None = None, timeout_s: float | None = None
    ) -> Answer[str]:
        """Ask for text. Arguments and errors are those of `ask`."""
        ...
