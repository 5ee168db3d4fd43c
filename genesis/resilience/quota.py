"""Rate limits that are shared by all callers and waited for, never failed on."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from genesis.errors import ServiceError
from genesis.resilience.limits import STORE_RETRY_S
from genesis.resilience.store import StateStore, StoreError

__all__ = ["Quota", "QuotaError", "QuotaRule"]

_log = logging.getLogger(__name__)
_WORTH_SAYING_S = 1.0
"""Shorter waits are not logged."""


class QuotaError(ServiceError):
    """The wait for a rate limit would be longer than the caller has. `data["retry_after_s"]` is the wait."""

    code = "GEN-QUOTA"


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """Calls permitted in a number of seconds."""

    calls: int
    per_s: float = 60.0
    burst: int | None = None
    """Calls that may come at once; as many as in the whole time if omitted."""


class Quota:
    """A rate limit. Callers are served in the order in which they ask.

    It is the generic cell rate algorithm (ITU-T I.371): all that is kept is the time at which the next call would come
    if calls came evenly. That fits into one value, so that it can be shared atomically, and needs no refilling.

    Args:
        name: Of what is limited, for messages.
        rule: The limit.
        store: Shares it with other processes; one that cannot be used leaves each process with the whole limit.
        clock: Seconds that never go back.
        pause: Waits.
        key: Its name in the store, where that is another: processes share limits of the same key.
    """

    def __init__(
        self,
        name: str,
        rule: QuotaRule,
        *,
        store: StateStore | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        key: str | None = None,
    ):
        self.name = name
        self._key = f"quota:{key or name}"
        self._store = store
        self._clock = clock
        self._pause = pause
        self._rule = rule
        self._apart_s = rule.per_s / rule.calls
        self._early_s = self._apart_s * ((rule.burst or rule.calls) - 1)
        self._lock = threading.Lock()
        self._next: str | None = None
        self._store_again = float("-inf")

    async def wait(self, *, left_s: float = math.inf) -> float:
        """Wait for one's turn.

        Args:
            left_s: Until the caller's deadline.

        Returns:
            The seconds waited.

        Raises:
            QuotaError: It would take longer than that. Nothing is used up then, and nobody has waited.
        """
        wait_s = self._reserve(left_s) if self._store is None else await asyncio.to_thread(self._reserve, left_s)
        if wait_s > left_s:
            rule = self._rule
            raise QuotaError(
                f"{self.name} may be called {rule.calls} times in {rule.per_s:g} s; the next turn is in "
                f"{wait_s:.1f} s, and only {left_s:.1f} s are left",
                hint="raise the limit or the deadline, or start fewer at once",
                data={"retry_after_s": round(wait_s, 3)},
            )
        if wait_s >= _WORTH_SAYING_S:
            _log.info(
                "%s waits %.1f s for its turn",
                self.name,
                wait_s,
                extra={"quota": self.name, "wait_s": round(wait_s, 3)},
            )
        if wait_s > 0:
            await self._pause(wait_s)
        return wait_s

    def _reserve(self, left_s: float) -> float:
        def step(kept: str | None, now: float) -> tuple[str | None, float]:
            due = _time(kept, now, longest_s=self._early_s + self._apart_s + _MOST_AHEAD_S)
            wait_s = max(0.0, due - self._early_s - now)
            return (None, wait_s) if wait_s > left_s else (repr(due + self._apart_s), wait_s)

        if self._store is not None and self._clock() >= self._store_again:
            try:
                return self._store.change(self._key, step)
            except StoreError:
                self._store_again = self._clock() + STORE_RETRY_S
        with self._lock:
            kept, wait_s = step(self._next, self._clock())
            self._next = kept or self._next
            return wait_s


_MOST_AHEAD_S = 24 * 3600.0
"""No turn is given out further ahead; a later time is one of another clock."""


def _time(kept: str | None, now: float, *, longest_s: float) -> float:
    """Read the time of the next call; one that is over, or of a clock that began anew, is now."""
    try:
        due = float(kept) if kept is not None else now
    except ValueError:
        return now
    return due if now < due <= now + longest_s else now
