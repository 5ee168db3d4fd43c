"""Counts of what resilience did in this process: one place, from which metrics are made."""

from __future__ import annotations

import threading
from collections import Counter
from functools import lru_cache
from typing import Literal

__all__ = ["Counted", "Tally", "tally_of_process"]

Counted = Literal["breaker_transitions", "quota_waits", "quota_wait_seconds", "quota_refusals", "repeats"]
"""What is counted, and by what, from closed sets: transitions by kind of breaker and new state, quotas by kind (agent,
host), repeats by layer (attempt, call) and whether they were made or refused by the run's budget."""


class Tally:
    """Counts by name and labels. It can be used from many threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, what: Counted, *labels: str, amount: float = 1) -> None:
        """Count something.

        Args:
            what: Its name.
            labels: By what it is told apart; never a user's text.
            amount: How much, in the unit that the name says.
        """
        with self._lock:
            self._counts[what, *labels] += amount  # type: ignore[assignment]  # seconds are counted in floats

    def of(self, what: Counted, *labels: str) -> float:
        """Give one count; 0 for what has not happened."""
        return self._counts[what, *labels]

    def seen(self) -> dict[tuple[str, ...], float]:
        """Give all counts by name and labels."""
        with self._lock:
            return dict(self._counts)


@lru_cache(maxsize=1)
def tally_of_process() -> Tally:
    """Give the counts of this process."""
    return Tally()
