"""A bound in time for loops over a repository of unknown size."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["TimeBudget"]


class TimeBudget:
    """How long a tool may still work.

    A tool that runs out stops, returns what it has, and marks it as partial: a thread cannot be killed from outside, so
    each tool has to bound itself.

    Args:
        seconds: The time allowed from now on.
        clock: A monotonic clock, for tests.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - self._clock())

    @property
    def spent(self) -> bool:
        """Whether the time is over."""
        return self.left <= 0.0
