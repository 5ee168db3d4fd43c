"""Results that other runs may reuse for a time: opt-in for a leaf, never with side effects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field, JsonValue, ValidationError

from genesis.ledger import LedgerStore
from genesis.model import CacheTtl, Leaf, Model

__all__ = ["FOLDER", "ResultCache", "cache_key", "is_entry_expired"]

FOLDER = "genesis-cache"
"""Where the entries are in the storage, in folders by the first two characters of their keys."""


class _Entry(Model):
    written_at: datetime
    ttl_s: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None
    """How long the task that wrote it lets others use it; unknown of entries of earlier versions."""
    result: JsonValue


class ResultCache:
    """A cache beside the ledgers, keyed by fingerprint and by all that the attempt would see."""

    def __init__(self, store: LedgerStore):
        self._store = store

    @staticmethod
    def serves(leaf: Leaf) -> bool:
        """Whether this leaf's result may be reused by other runs."""
        return isinstance(leaf.cache, CacheTtl) and not leaf.side_effects

    async def get(self, leaf: Leaf, key: str, now: datetime) -> tuple[JsonValue] | None:
        """Return the result in a tuple of one, or None where there is none that is young enough."""
        raw = await self._store.read(_name(key))
        if raw is None or not isinstance(leaf.cache, CacheTtl):
            return None
        try:
            entry = _Entry.model_validate_json(raw)
        except ValidationError:
            return None
        age = (now - entry.written_at).total_seconds()
        return (entry.result,) if 0 <= age <= leaf.cache.ttl_s else None

    async def put(self, leaf: Leaf, key: str, result: JsonValue, now: datetime) -> None:
        """Keep a result of a leaf that is served."""
        ttl_s = leaf.cache.ttl_s if isinstance(leaf.cache, CacheTtl) else None
        entry = _Entry(written_at=now, ttl_s=ttl_s, result=result)
        await self._store.write(_name(key), entry.model_dump_json().encode())


def is_entry_expired(raw: bytes, before: datetime, now: datetime) -> bool:
    """Whether a stored entry was written before a time, and has outlived what its own task allowed, too.

    Another task's `ttl_s` may be longer. What cannot be read is of no use to anybody, and counts as expired.
    """
    try:
        entry = _Entry.model_validate_json(raw)
    except ValidationError:
        return True
    return entry.written_at < before and (now - entry.written_at).total_seconds() > (entry.ttl_s or 0.0)


def cache_key(leaf: Leaf, executor: str, inputs: Mapping[str, JsonValue], upstream: Mapping[str, JsonValue]) -> str:
    """Hash all that an attempt would see: the fingerprint, who does it, its filled inputs and upstream results."""
    parts = [leaf.fingerprint, executor, dict(inputs), dict(upstream)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _name(key: str) -> str:
    return f"{FOLDER}/{key[:2]}/{key}.json"
