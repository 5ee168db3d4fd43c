"""What keeps a fault from spreading: the meaning of errors, retries, circuit breakers, rate limits."""

from genesis.resilience.breaker import Breaker, BreakerEvent
from genesis.resilience.breaker_machine import BreakerRules, BreakerState
from genesis.resilience.quota import Quota, QuotaError, QuotaRule
from genesis.resilience.redis_store import RedisStore
from genesis.resilience.retry import RetryBudget, RetryPolicy
from genesis.resilience.sqlite_store import SqliteStore
from genesis.resilience.store import StateStore, StoreError
from genesis.resilience.taxonomy import Meaning, classify, health_of

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
