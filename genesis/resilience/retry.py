"""Whether and when to try again: one policy a layer, and one budget for a run.

The pause is drawn at random from zero to a bound that doubles ("full jitter", M. Brooker, *Exponential Backoff And
Jitter*, AWS Architecture Blog, 2015): of all the usual schemes it spreads a crowd of callers best. The budget keeps a
run from asking an agent that is down over and over: repeats take from it, and only successes fill it (cf. Finagle's
retry budget).
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from genesis.resilience.taxonomy import classify

__all__ = ["RetryBudget", "RetryPolicy"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds on repeats of one layer. Times are in seconds."""

    retries: int = 3
    """Repeats after the first try."""
    first_s: float = 1.0
    """Bound on the first pause; it doubles with each."""
    longest_s: float = 60.0
    """Never longer, whatever the other side asks for."""

    def pause_s(
        self,
        error: BaseException,
        repeat: int,
        *,
        left_s: float = math.inf,
        draw: Callable[[], float] = random.random,
    ) -> float | None:
        """Give the pause before a repeat, or None where there is none.

        Args:
            error: What the last try raised.
            repeat: Which repeat it would be, from 1.
            left_s: Until the caller's deadline. A pause that would not leave any time is not made.
            draw: Gives a number from 0 to 1.
        """
        meaning = classify(error)
        if not meaning.retryable or repeat > self.retries:
            return None
        bound = min(self.longest_s, self.first_s * 2.0 ** min(repeat - 1, 64))
        pause = draw() * bound
        if meaning.retry_after_s is not None:
            if meaning.retry_after_s > self.longest_s:
                return None
            pause = max(meaning.retry_after_s, pause)
        return pause if pause < left_s else None


class RetryBudget:
    """What one run may spend on repeats, over all its leaves.

    It begins with a fifth of the leaves, so that a run whose agents are all down makes at most 1.2 tries a leaf, but
    with three, so that a small run has repeats at all. Each success gives one back, up to where it began: while work
    succeeds, repeats are what a task's `retries` say.

    Args:
        leaves: How many leaves the run has.
    """

    SHARE = 0.2
    LEAST = 3

    def __init__(self, leaves: int):
        self._size = max(self.LEAST, int(self.SHARE * leaves))
        self._left = self._size
        self._lock = threading.Lock()
        self.refused = 0
        """How many repeats it has refused."""

    @property
    def left(self) -> int:
        """How many repeats may be made now."""
        return self._left

    def take(self) -> bool:
        """Take a repeat, if one is left."""
        with self._lock:
            if self._left <= 0:
                self.refused += 1
                return False
            self._left -= 1
            return True

    def succeeded(self) -> None:
        """Give one back."""
        with self._lock:
            self._left = min(self._size, self._left + 1)
