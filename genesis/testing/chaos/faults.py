"""What goes wrong and when: drawn from a seed, the same whatever runs beside what.

Each decision is a hash of the seed, the boundary, what is called there and how often that was called before. No shared
sequence of random numbers is used up, so that threads, event loops and processes that take turns in another order meet
the same faults at the same calls. (Cf. the keyed generators of Salmon et al., *Parallel Random Numbers: As Easy as
1, 2, 3*, SC 2011.)
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from genesis.errors import UsageError

__all__ = ["FAILING", "KINDS", "Fault", "FaultKind", "Faults", "InjectedError"]

FaultKind = Literal["error", "delay", "hang", "garbage", "partial", "duplicate", "reorder", "disconnect", "clock_jump"]
"""`error`: refused before anything was done. `delay`, `hang`: late, too late. `garbage`, `partial`: something else, or
a part of it, comes back or is written. `duplicate`: done twice. `reorder`: done in another order than asked for.
`disconnect`: done, but the answer is lost. `clock_jump`: the clock continues, or back, by a leap."""

KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
FAILING: tuple[FaultKind, ...] = ("error", "hang", "garbage", "partial", "disconnect")
"""The kinds with which a call comes to nothing."""
_PARTS = 3
"""Independent random numbers that one call needs."""
_BYTES = 8
"""Bytes of a random number."""


class InjectedError(RuntimeError):
    """A fault of the kind `error` at an agent: to Genesis an exception that nobody knows."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    boundary: str
    """Where: `agent`, `model`, `ledger`, `store`, `wire`, `clock`, or a name of your own."""
    key: str
    """What was called there."""
    nth: int
    """Which call of it, from 1."""
    kind: FaultKind
    amount: float
    """How much, from 0 to 1: of the longest delay, of the bytes, of the longest leap."""

    def __str__(self) -> str:
        """Return the text that injected errors have."""
        return f"injected: {self.kind} at {self.boundary} {self.key!r}, call {self.nth}"


class Faults:
    """Decides for each call whether it goes wrong, and how.

    Args:
        seed: Another one gives other faults.
        share: Part of the calls that go wrong, from 0 to 1.
        kinds: What can happen. A boundary takes those of them that make sense there, equally often.
        boundaries: Where; everywhere if it is missing.
        delay_s: Longest delay.
        hang_s: How long a hanging call takes before it fails.
        jump_s: Longest leap of a clock.

    Attributes:
        made: What has gone wrong so far, in the order in which it happened to happen.
        calls: How many calls were decided on, by boundary.

    Raises:
        UsageError: The share is none, or there is no such kind.
    """

    def __init__(
        self,
        seed: int,
        *,
        share: float = 0.3,
        kinds: Iterable[FaultKind] = KINDS,
        boundaries: Iterable[str] | None = None,
        delay_s: float = 0.05,
        hang_s: float = 3600.0,
        jump_s: float = 3600.0,
    ):
        wanted = set(kinds)
        if unknown := sorted(wanted.difference(KINDS)):
            raise UsageError(f"there is no fault {unknown[0]!r}", hint=f"there are: {', '.join(KINDS)}")
        if not 0 <= share <= 1:
            raise UsageError(f"a share is from 0 to 1, not {share!r}")
        self.seed = seed
        self.share = share
        self.kinds = tuple(kind for kind in KINDS if kind in wanted)
        self.boundaries = None if boundaries is None else frozenset(boundaries)
        self.delay_s = delay_s
        self.hang_s = hang_s
        self.jump_s = jump_s
        self.made: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._stopped = False
        self._lock = threading.Lock()

    def draw(self, boundary: str, key: str, kinds: Iterable[FaultKind] = KINDS) -> Fault | None:
        """Decide on the next call of a thing, and count it.

        Args:
            boundary: Where it is called.
            key: What is called. Calls that can change places should have keys of their own.
            kinds: What makes sense there.
        """
        with self._lock:
            self._counts[boundary, key] += 1
            self.calls[boundary] += 1
            found = None if self._stopped else self.at(boundary, key, self._counts[boundary, key], kinds)
            if found is not None:
                self.made.append(found)
            return found

    def at(self, boundary: str, key: str, nth: int, kinds: Iterable[FaultKind] = KINDS) -> Fault | None:
        """Describe what a call meets, without counting it: for callers with their own count, such as attempts."""
        if self.boundaries is not None and boundary not in self.boundaries:
            return None
        allowed = set(kinds)
        possible = [kind for kind in self.kinds if kind in allowed]
        whether, which, amount = self._numbers(f"{self.seed}\0{boundary}\0{key}\0{nth}")
        if not possible or whether >= self.share:
            return None
        return Fault(boundary, key, nth, possible[int(which * len(possible))], amount)

    def stop(self) -> None:
        """Let nothing go wrong from now on; calls are counted further."""
        self._stopped = True

    @staticmethod
    def _numbers(text: str) -> tuple[float, ...]:
        """Return three numbers from 0 to below 1."""
        digest = hashlib.blake2b(text.encode(), digest_size=_PARTS * _BYTES).digest()
        words = (digest[at : at + _BYTES] for at in range(0, len(digest), _BYTES))
        return tuple((int.from_bytes(word, "big") >> 11) / (1 << 53) for word in words)
