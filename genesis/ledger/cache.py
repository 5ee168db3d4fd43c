"""Results that other runs may reuse for a time: opt-in for a leaf, never with side effects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import Field, JsonValue, ValidationError

from genesis.errors import TaskError
from genesis.ledger.files import copy_kept
from genesis.ledger.ledger import Ledger
from genesis.model import CacheTtl, KeptFile, Leaf, Model

__all__ = ["FOLDER", "CachedResult", "ResultCache", "cache_key", "is_entry_expired"]

FOLDER = "genesis-cache"
"""Where the entries are in the storage, in folders by the first two characters of their keys."""


class _Entry(Model):
    written_at: datetime
    ttl_s: Annotated[float | None, Field(exclude_if=lambda value: value is None)] = None
    """How long the task that wrote it lets others use it; unknown of entries of earlier versions."""
    result: JsonValue
    run_id: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None
    """The run that keeps its files, where it has any."""
    files: dict[str, KeptFile] = Field(default={}, exclude_if=lambda value: not value)


class CachedResult(NamedTuple):
    """What a leaf gave."""

    result: JsonValue
    files: dict[str, KeptFile]


class ResultCache:
    """A cache beside the ledgers, keyed by fingerprint and by all that the attempt would see.

    Args:
        ledger: That of the run whose leaves are looked up; files of other runs are copied into it.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        self._store = ledger.store

    @staticmethod
    def serves(leaf: Leaf) -> bool:
        """Whether this leaf's result may be reused by other runs."""
        return isinstance(leaf.cache, CacheTtl) and not leaf.side_effects

    async def get(self, leaf: Leaf, key: str, now: datetime) -> CachedResult | None:
        """Return what another run kept; None where there is none that is young enough, or its files are gone."""
        raw = await self._store.read(_name(key))
        if raw is None or not isinstance(leaf.cache, CacheTtl):
            return None
        try:
            entry = _Entry.model_validate_json(raw)
        except ValidationError:
            return None
        age = (now - entry.written_at).total_seconds()
        is_young = 0 <= age <= leaf.cache.ttl_s
        return CachedResult(entry.result, entry.files) if is_young and await self._copy_files(entry) else None

    async def _copy_files(self, entry: _Entry) -> bool:
        """Copy the files of an entry into the run's own storage, and return whether all were there."""
        if not entry.files or entry.run_id in (None, self._ledger.run_id):
            return True
        try:
            for kept in entry.files.values():
                await copy_kept(Ledger(self._store, entry.run_id), self._ledger, kept)
        except TaskError:  # that run was removed
            return False
        return True

    async def put(self, leaf: Leaf, key: str, result: CachedResult, now: datetime) -> None:
        """Keep what a leaf gave that is served."""
        ttl_s = leaf.cache.ttl_s if isinstance(leaf.cache, CacheTtl) else None
        run_id = self._ledger.run_id if result.files else None
        entry = _Entry(written_at=now, ttl_s=ttl_s, result=result.result, run_id=run_id, files=result.files)
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


def cache_key(
    leaf: Leaf,
    executor: str,
    inputs: Mapping[str, JsonValue],
    upstream: Mapping[str, JsonValue],
    files: Mapping[str, KeptFile] | None = None,
) -> str:
    """Hash all that an attempt would see: fingerprint, executor, filled inputs, upstream results and files."""
    parts = [leaf.fingerprint, executor, dict(inputs), dict(upstream)]
    if files:
        parts.append({path: kept.model_dump(mode="json") for path, kept in files.items()})
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _name(key: str) -> str:
    return f"{FOLDER}/{key[:2]}/{key}.json"
