"""The bounds of one plan on calls and tokens, checked before a call is made."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from genesis.settings import LlmSettings

__all__ = ["CallBudget"]

_BYTES_PER_TOKEN = 3
"""A low estimate for text, so that the reservation is never too small."""
_SCHEMA_BYTES_PER_TOKEN = 4
"""The same for a JSON Schema."""


class CallBudget:
    """Counts calls and tokens of one plan.

    A call is admitted when its worst case fits: a high estimate of the prompt, and the longest allowed answer.
    Afterwards its actual usage replaces the estimate.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self.calls = 0
        self.tokens = 0
        self._reserved = 0
        self._settings = settings

    def admit(self, prompt: str, system: str, schema: type[BaseModel]) -> int | None:
        """Reserve a call.

        Returns:
            The reserved tokens, to be passed to `settle`; None when the call does not fit.
        """
        shape: dict[str, Any] = schema.model_json_schema()
        estimate = -(-len((prompt + system).encode()) // _BYTES_PER_TOKEN) + self._settings.max_tokens
        estimate += len(json.dumps(shape)) // _SCHEMA_BYTES_PER_TOKEN
        fits = self.tokens + self._reserved + estimate <= self._settings.token_budget
        if self.calls >= self._settings.max_calls or not fits:
            return None
        self.calls += 1
        self._reserved += estimate
        return estimate

    def settle(self, reserved: int, used: int) -> None:
        """Replace a reservation by the actual usage."""
        self._reserved -= reserved
        self.tokens += used

    def release(self, reserved: int) -> None:
        """Release the reservation of a call that was not made."""
        self._reserved -= reserved
        self.calls -= 1
