"""Results that other runs may reuse for a time: opt-in for a leaf, never with side effects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue, ValidationError

from genesis.execute.ledger import Store
from genesis.model import CacheTtl, Leaf, Model

__all__ = ["ResultCache", "cache_key"]


class _Entry(Model):
    written_at: datetime
    result: JsonValue


class ResultCache:
    """A cache beside the ledgers, keyed by fingerprint and by all that the attempt would see."""

    def __init__(self, store: Store):
        self._store = store

    @staticmethod
    def serves(leaf: Leaf) -> bool:
        """Whether this leaf's result may be reused by other runs."""
        return isinstance(leaf.cache, CacheTtl) and not leaf.side_effects

    async def get(self, leaf: Leaf, key: str, now: datetime) -> tuple[JsonValue] | None:
        """Give the result in a tuple of one, or None where there is none that is young enough."""
        raw = await self._store.read(_name(key))
        if raw is None or not isinstance(leaf.cache, CacheTtl):
            return None
        try:
            entry = _Entry.model_validate_json(raw)
        except ValidationError:
            return None
        age = (now - entry.written_at).total_seconds()
        return (entry.result,) if 0 <= age <= leaf.cache.ttl_s else None

    async def put(self, key: str, result: JsonValue, now: datetime) -> None:
        """Keep a result."""
        await self._store.write(_name(key), _Entry(written_at=now, result=result).model_dump_json().encode())


def cache_key(leaf: Leaf, executor: str, inputs: Mapping[str, JsonValue], upstream: Mapping[str, JsonValue]) -> str:
    """Hash all that an attempt would see: the fingerprint, who does it, its filled inputs and upstream results."""
    parts = [leaf.fingerprint, executor, dict(inputs), dict(upstream)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _name(key: str) -> str:
    return f"genesis-cache/{key[:2]}/{key}.json"
