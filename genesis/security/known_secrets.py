"""The secrets that this process has read: they are redacted in its output."""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from urllib.parse import quote

from pydantic import BaseModel, SecretStr

from genesis.security.redact import LEAST_CHARACTERS

__all__ = ["KnownSecrets", "secrets_of_process", "settings_secrets"]

_MOST = 1_000
"""Maximum number of values kept, so that a long-lived process stays small."""


class KnownSecrets:
    """Values to redact, in each form in which they may be written. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, None] = {}
        self._all: tuple[str, ...] = ()

    def add(self, *values: str) -> None:
        """Add values; those that are too short to be looked for are left out, and the oldest ones make room."""
        new = [value for value in values if len(value) >= LEAST_CHARACTERS and value not in self._values]
        if not new:
            return
        with self._lock:
            self._values.update(dict.fromkeys(new))
            for oldest in list(self._values)[:-_MOST]:
                del self._values[oldest]
            written = (way for value in self._values for way in _list_encodings(value))
            self._all = tuple(dict.fromkeys(written))

    def __call__(self) -> tuple[str, ...]:
        """Return all values as they may turn up in text."""
        return self._all


def settings_secrets(settings: BaseModel) -> frozenset[str]:
    """Find the values of a settings tree that are declared to be secret."""
    found: set[str] = set()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            found.add(value.get_secret_value())
        elif isinstance(value, BaseModel):
            found |= settings_secrets(value)
    return frozenset(found)


@lru_cache(maxsize=1)
def secrets_of_process() -> KnownSecrets:
    """Return the secrets that this process knows."""
    return KnownSecrets()


def _list_encodings(value: str) -> tuple[str, ...]:
    """Return the forms in which a value may be written: unchanged, in JSON, in a URL, and each of its lines."""
    lines = [line for line in value.splitlines() if len(line) >= LEAST_CHARACTERS]
    return (value, json.dumps(value)[1:-1], quote(value, safe=""), *(lines if len(lines) > 1 else ()))
