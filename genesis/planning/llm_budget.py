"""The bounds of one plan on calls and tokens, checked before a call is made."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from genesis.settings import LlmSettings

__all__ = ["CallBudget"]

_BYTES_PER_TOKEN = 3
_SCHEMA_BYTES_PER_TOKEN = 4


class CallBudget:
    """Counts calls and tokens of one plan.

    A call is admitted when its worst case fits: an estimate of the prompt, on the high side, and the longest answer
    that is allowed. Once it is done, what it really used takes the place of the estimate.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self.calls = 0
        self.tokens = 0
        self._reserved = 0
        self._settings = settings

    def admit(self, prompt: str, system: str, schema: type[BaseModel]) -> int | None:
        """Reserve a call.

        Returns:
            The tokens that it may use, to be given back to `settle`; None when it does not fit.
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
        """Replace a reservation by what the call used."""
        self._reserved -= reserved
        self.tokens += used

    def give_back(self, reserved: int) -> None:
        """Take back a call that was admitted and not made."""
        self._reserved -= reserved
        self.calls -= 1
