"""The rate limits of a process: of agents as the registry says, of hosts as the settings say."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from genesis.model import AgentRate
from genesis.observability.instruments import QUOTA_REFUSALS, QUOTA_SECONDS, QUOTA_WAITS
from genesis.observability.metrics import Metrics, metrics_of_process
from genesis.resilience.breakers import store_of
from genesis.resilience.quota import Quota, QuotaError, QuotaRule
from genesis.resilience.scope import add_scope
from genesis.resilience.store import StateStore
from genesis.settings import ResilienceSettings

__all__ = ["Quotas", "quotas_of"]

_Kind = Literal["agent", "host"]


class Quotas:
    """Rate limits by name, made when they are first asked for.

    Args:
        store: Shares them with other processes.
        hosts: Calls in a minute, by host or host:port.
        metrics: Counts the waits.
    """

    def __init__(
        self, *, store: StateStore | None = None, hosts: Mapping[str, int] | None = None, metrics: Metrics | None = None
    ):
        self._store = store
        self._hosts = {name.lower(): calls for name, calls in (hosts or {}).items()}
        self._metrics = metrics or metrics_of_process()
        self._lock = threading.Lock()
        self._made: dict[tuple[str, QuotaRule], Quota] = {}

    async def of_agent(self, name: str, rate: AgentRate | None, *, left_s: float = math.inf, scope: str = "") -> float:
        """Wait for an agent's turn.

        Args:
            name: The agent.
            rate: Its limit; without one nobody waits.
            left_s: Seconds until the caller's deadline.
            scope: Tells it from other projects' agents of that name.

        Returns:
            The seconds waited.

        Raises:
            QuotaError: The turn comes only after the deadline.
        """
        if rate is None:
            return 0.0
        return await self._turn("agent", name, QuotaRule(rate.calls, rate.per_s, rate.burst), left_s, scope)

    async def of_host(self, host: str, *, left_s: float = math.inf) -> float:
        """Wait for a turn at a host: `host`, or `host:port`, which may have a limit of its own.

        Raises:
            QuotaError: The turn comes only after the deadline.
        """
        if not self._hosts:
            return 0.0
        for name in (host.lower(), host.lower().rpartition(":")[0]):
            if name in self._hosts:
                return await self._turn("host", name, QuotaRule(self._hosts[name], 60.0), left_s)
        return 0.0

    async def _turn(self, kind: _Kind, name: str, rule: QuotaRule, left_s: float, scope: str = "") -> float:
        try:
            waited_s = await self._quota(f"{kind} {name}", rule, scope).wait(left_s=left_s)
        except QuotaError:
            self._metrics.count(QUOTA_REFUSALS, kind)
            raise
        if waited_s > 0:
            self._metrics.count(QUOTA_WAITS, kind)
            self._metrics.count(QUOTA_SECONDS, kind, amount=waited_s)
        return waited_s

    def _quota(self, name: str, rule: QuotaRule, scope: str) -> Quota:
        key = add_scope(name, scope)
        with self._lock:
            if (key, rule) not in self._made:
                self._made[key, rule] = Quota(name, rule, store=self._store, key=key)
            return self._made[key, rule]


@lru_cache(maxsize=16)
def quotas_of(settings: ResilienceSettings, home: Path) -> Quotas:
    """Return the rate limits that all callers of this process with these settings share.

    Raises:
        UsageError: They are to be shared by Redis, and its address is missing.
    """
    return Quotas(store=store_of(settings, home), hosts=settings.host_calls)
