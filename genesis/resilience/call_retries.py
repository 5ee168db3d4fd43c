"""Single calls inside an attempt, made again where that is safe and helps.

The loop is stamina's; what is decided is ours, by `RetryPolicy` and the run's budget: stamina's own bounds know neither
an absolute deadline nor whether the pause that is asked for fits into it. A program that embeds Genesis
sees the repeats through the hooks that stamina offers, as those of its other calls.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from genesis.errors import BreakerOpenError
from genesis.observability.instruments import REPEATS
from genesis.observability.metrics import metrics_of_process
from genesis.resilience.quota import QuotaError
from genesis.resilience.retry import RetryBudget, RetryPolicy

__all__ = ["CALLS", "call_with_retries", "silence_stamina"]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

CALLS = RetryPolicy(retries=1, first_s=1.0, longest_s=10.0)
"""Of calls. Whatever it takes longer to get over is for the attempt's own repeats, which hold no connection."""


def silence_stamina() -> None:
    """Keep stamina's own reports of repeats out of the output of this process, which has to be Genesis's own."""
    from stamina.instrumentation import set_on_retry_hooks  # noqa: PLC0415

    set_on_retry_hooks(())


def _always(_error: Exception) -> bool:
    return True


async def call_with_retries(
    call: Callable[[], Awaitable[_T]],
    *,
    policy: RetryPolicy = CALLS,
    left_s: float = math.inf,
    budget: RetryBudget | None = None,
    safe: Callable[[Exception], bool] = _always,
) -> _T:
    """Make a call, and again as the policy says.

    Args:
        call: Makes it once, behind whatever guards it.
        policy: How often, and after which pauses.
        left_s: Seconds until the caller's deadline; a pause that does not fit is not begun.
        budget: What the run may still spend on repeats.
        safe: Whether a call that raised this may be made again: it did nothing, or doing it twice is harmless.

    Raises:
        Exception: What the last call raised. A repeat that its breaker or its quota refuses was none: then what the
            call before it raised.
    """
    import stamina  # noqa: PLC0415  # some 20 ms, and only where something is called

    tries = _Tries(call, policy, time.monotonic() + left_s, budget, safe)
    async for attempt in stamina.retry_context(on=tries.pause_s, attempts=policy.retries + 1, timeout=None):
        with attempt:
            return await tries.make()
    raise AssertionError("the last try returns or raises")


class _Tries(Generic[_T]):
    """What was tried, and what comes next. It is decided off the event loop, since the budget may be shared."""

    def __init__(
        self,
        call: Callable[[], Awaitable[_T]],
        policy: RetryPolicy,
        until: float,
        budget: RetryBudget | None,
        safe: Callable[[Exception], bool],
    ):
        self._call = call
        self._policy = policy
        self._until = until
        self._budget = budget
        self._safe = safe
        self._repeat = 0
        self._pause_s: float | None = None
        self._failed: Exception | None = None

    async def make(self) -> _T:
        self._pause_s = None
        try:
            return await self._call()
        except (BreakerOpenError, QuotaError):
            if self._failed is not None:
                raise self._failed from None
            raise
        except Exception as error:
            self._failed = error
            self._pause_s = await self._decide_pause(error)
            raise

    def pause_s(self, _error: Exception) -> float | bool:
        """Tell stamina what was decided."""
        return False if self._pause_s is None else self._pause_s

    async def _decide_pause(self, error: Exception) -> float | None:
        if not self._safe(error):
            return None
        pause_s = self._policy.pause_s(error, self._repeat + 1, left_s=self._until - time.monotonic())
        if pause_s is None:
            return None
        made = self._budget is None or await asyncio.to_thread(self._budget.take)
        metrics_of_process().count(REPEATS, "call", "made" if made else "refused")
        if not made:
            return None
        self._repeat += 1
        more = {"pause_s": round(pause_s, 3), "repeat": self._repeat}
        _log.info("a call is made again in %.1f s: %s", pause_s, error, extra=more)
        return pause_s
