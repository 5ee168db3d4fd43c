"""The secrets that this process has read: they are redacted in its output."""

from __future__ import annotations

import html
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, SecretStr

from genesis.security.redact import LEAST_CHARACTERS

__all__ = ["KnownSecrets", "secrets_of_process", "settings_secrets"]

_MOST = 1_000
"""Maximum number of values kept, so that a long-lived process stays small."""
_SHORTEST_ENCODED = 8
"""Characters of base64 below which a value is not looked for in it."""
_URL_SAFE = str.maketrans("+/", "-_")
"""From the common alphabet of base64 to that of URLs."""


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
    """Return the forms in which a value may be written: unchanged and each of its lines, and all of these encoded."""
    lines = [line for line in value.splitlines() if len(line) >= LEAST_CHARACTERS]
    plain = (value, *(lines if len(lines) > 1 else ()))
    return tuple(form for each in plain for form in (each, *_escape(each), *_encode(each)))


def _escape(value: str) -> Iterator[str]:
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="")
    yield quote_plus(value)
    yield html.escape(value)


def _encode(value: str) -> Iterator[str]:
    """Yield a value in hexadecimal digits, and in base64 wherever it stands in the text that was encoded.

    Three bytes become four characters, so its place in its group decides how it looks; the characters at both ends
    that also hold bits of its neighbours are left out.
    """
    raw = value.encode("utf-8", "surrogatepass")
    yield raw.hex()
    yield raw.hex().upper()
    for before in range(3):
        text = b64encode(bytes(before) + raw).decode().rstrip("=")
        whole = text[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        if len(whole) >= _SHORTEST_ENCODED:
            yield whole
            yield whole.translate(_URL_SAFE)
