"""What keeps a fault from spreading: the meaning of errors, retries, circuit breakers, rate limits."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genesis.resilience.breaker import Breaker, BreakerEvent
    from genesis.resilience.breaker_machine import BreakerRules, BreakerState
    from genesis.resilience.quota import Quota, QuotaError, QuotaRule
    from genesis.resilience.redis_store import RedisStore
    from genesis.resilience.retry import RetryBudget, RetryPolicy
    from genesis.resilience.sqlite_store import SqliteStore
    from genesis.resilience.store import StateStore, StoreError
    from genesis.resilience.taxonomy import Meaning, classify, health_of

_HOMES = {
    "Breaker": "genesis.resilience.breaker",
    "BreakerEvent": "genesis.resilience.breaker",
    "BreakerRules": "genesis.resilience.breaker_machine",
    "BreakerState": "genesis.resilience.breaker_machine",
    "Meaning": "genesis.resilience.taxonomy",
    "Quota": "genesis.resilience.quota",
    "QuotaError": "genesis.resilience.quota",
    "QuotaRule": "genesis.resilience.quota",
    "RedisStore": "genesis.resilience.redis_store",
    "RetryBudget": "genesis.resilience.retry",
    "RetryPolicy": "genesis.resilience.retry",
    "SqliteStore": "genesis.resilience.sqlite_store",
    "StateStore": "genesis.resilience.store",
    "StoreError": "genesis.resilience.store",
    "classify": "genesis.resilience.taxonomy",
    "health_of": "genesis.resilience.taxonomy",
}

__all__ = [
    "Breaker",
    "BreakerEvent",
    "BreakerRules",
    "BreakerState",
    "Meaning",
    "Quota",
    "QuotaError",
    "QuotaRule",
    "RedisStore",
    "RetryBudget",
    "RetryPolicy",
    "SqliteStore",
    "StateStore",
    "StoreError",
    "classify",
    "health_of",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first access: planning needs the meaning of errors, and no stores or breakers."""
    if name not in _HOMES:
        raise AttributeError(f"module 'genesis.resilience' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
