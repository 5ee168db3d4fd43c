"""Clocks that leap."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from genesis.testing.chaos.faults import FaultKind, Faults

__all__ = ["ChaosCalendar", "ChaosClock"]

_KINDS: tuple[FaultKind, ...] = ("clock_jump",)


class ChaosClock:
    """A clock of seconds that never goes back, and leaps ahead now and then, as after a machine has slept.

    Args:
        clock: The clock to follow.
        faults: Decides, at each look.
        key: Tells clocks apart.
    """

    def __init__(self, clock: Callable[[], float], faults: Faults, *, key: str = "steady"):
        self._clock = clock
        self._faults = faults
        self._key = key
        self._ahead_s = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Return the time."""
        with self._lock:
            fault = self._faults.draw("clock", self._key, _KINDS)
            if fault is not None:
                self._ahead_s += fault.amount * self._faults.jump_s
            return self._clock() + self._ahead_s


class ChaosCalendar:
    """A clock of dates that is set forward or back now and then, as by a person or by NTP.

    Args:
        clock: The clock to follow.
        faults: Decides, at each look.
        key: Tells clocks apart.
    """

    def __init__(self, clock: Callable[[], datetime], faults: Faults, *, key: str = "calendar"):
        self._clock = clock
        self._faults = faults
        self._key = key
        self._ahead = timedelta()
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Return the time."""
        with self._lock:
            fault = self._faults.draw("clock", self._key, _KINDS)
            if fault is not None:
                self._ahead += timedelta(seconds=(2 * fault.amount - 1) * self._faults.jump_s)
            return self._clock() + self._ahead
