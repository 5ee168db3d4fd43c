"""Whether and when to try again: one policy for all layers, and one budget for a run.

The pause is drawn at random from zero to a bound that grows ("full jitter", M. Brooker, *Exponential Backoff And
Jitter*, AWS Architecture Blog, 2015): of all the usual schemes it spreads a crowd of callers best. The budget keeps a
run from asking an agent that is down over and over: repeats take from it, and only successes fill it (cf. Finagle's
retry budget).
"""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from genesis.resilience.store import StateStore, StoreError
from genesis.resilience.taxonomy import Meaning, classify

if TYPE_CHECKING:
    from genesis.model import Leaf

__all__ = ["RetryBudget", "RetryPolicy"]

_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds on repeats of one layer: of a task's attempts, or of single calls in an attempt. Times are in seconds."""

    retries: int = 3
    """Repeats after the first try."""
    first_s: float = 1.0
    """Bound on the first pause."""
    longest_s: float = _LONGEST_S
    """Never longer, whatever the other side asks for."""
    backoff: float = 2.0
    """Factor by which the bound grows with each repeat."""
    on: tuple[str, ...] = ()
    """Codes, beginnings of codes and categories of the errors that are repeated; empty for all that can be."""

    @classmethod
    def of_leaf(cls, leaf: Leaf, delay_s: float) -> RetryPolicy:
        """Return the policy for the attempts of a leaf.

        Args:
            leaf: The leaf.
            delay_s: Bound on the first pause where the leaf sets none.
        """
        own = leaf.retry
        if own is None:
            return cls(leaf.retries, delay_s)
        first_s = delay_s if own.delay_s is None else own.delay_s
        return cls(leaf.retries, first_s, max(_LONGEST_S, own.delay_s or 0.0), own.backoff, own.on)

    def pause_s(
        self,
        error: BaseException,
        repeat: int,
        *,
        left_s: float = math.inf,
        code: str = "",
        draw: Callable[[], float] = random.random,
    ) -> float | None:
        """Return the pause before a repeat, or None where there is none.

        Args:
            error: What the last try raised.
            repeat: Which repeat it would be, from 1.
            left_s: Until the caller's deadline. A pause that would not leave any time is not made.
            code: The code that the error is reported under, where it is another than that of its class.
            draw: Gives a number from 0 to 1.
        """
        meaning = classify(error)
        if not meaning.retryable or repeat > self.retries or not self._includes(meaning, code):
            return None
        bound = min(self.longest_s, self.first_s * self.backoff ** min(repeat - 1, 64))
        pause = draw() * bound
        if meaning.retry_after_s is not None:
            if meaning.retry_after_s > self.longest_s:
                return None
            pause = max(meaning.retry_after_s, pause)
        return pause if pause < left_s else None

    def _includes(self, meaning: Meaning, code: str) -> bool:
        codes = [f"{each}-" for each in (meaning.code, code) if each]
        return not self.on or any(
            name == meaning.category or any(each.startswith(f"{name}-") for each in codes) for name in self.on
        )


class _Kept(NamedTuple):
    """A budget as it stands."""

    left: int
    free: tuple[str, ...]
    """Leaves whose repeats are not counted."""


class RetryBudget:
    """What one run may spend on repeats, over all its leaves: of attempts, and of single calls within attempts.

    It is there for storms, in which many leaves fail at once. The first ten leaves that have to be repeated are
    repeated as often as their `retries` say, and are not counted. For all others it begins with a fifth of the leaves,
    so that a large run whose agents are all down makes about 1.2 tries a leaf. Each success gives one back, up to where
    it began.

    A run whose leaves are done by workers has one budget in the workers' shared store. Successes are counted here and
    handed in with the next repeat, or at the end. A copy, as pickle makes one, is a budget of its own.

    Args:
        leaves: How many leaves the run has.
        store: Shares it with other processes; one that cannot be used leaves each with a budget of its own.
        name: Of the run in the store.
    """

    SHARE = 0.2
    LEAST = 3
    FREE = 10
    """Leaves that may be repeated whatever is left."""

    def __init__(self, leaves: int, *, store: StateStore | None = None, name: str = ""):
        self._size = max(self.LEAST, int(self.SHARE * leaves))
        self._left = self._size
        self._store = store
        self._name = f"repeats:{name}"
        self._lock = threading.Lock()
        self._earned = 0
        self._free: tuple[str, ...] = ()
        self.refused = 0
        """How many repeats it has refused."""

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_lock": None, "_store": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def left(self) -> int:
        """How many repeats may be made now, as far as is known here."""
        return self._left

    def take(self, leaf: str = "") -> bool:
        """Take a repeat, if one is left. With a store it waits for that.

        Args:
            leaf: Path of the leaf whose attempt is repeated; of a single call inside an attempt it is not given.
        """
        if leaf and leaf in self._free:
            return True
        if self._store is not None:
            with suppress(StoreError):
                return self._count_refused(self._take_shared(self._store, leaf))
        with self._lock:
            kept, is_made = self._spend(_Kept(self._left, self._free), leaf)
            self._left, self._free = kept
        return self._count_refused(is_made)

    def _take_shared(self, store: StateStore, leaf: str) -> bool:
        with self._lock:
            earned, self._earned = self._earned, 0

        def step(kept: str | None, _now: float) -> tuple[str | None, tuple[_Kept, bool]]:
            before = self._read(kept)
            after, is_made = self._spend(before._replace(left=min(self._size, before.left + earned)), leaf)
            return json.dumps(after), (after, is_made)

        (left, free), is_made = store.change(self._name, step)
        with self._lock:
            self._left, self._free = left, free
        return is_made

    def _spend(self, kept: _Kept, leaf: str) -> tuple[_Kept, bool]:
        """Take one repeat from what is kept, unless the leaf is one of the first; whether it may be made."""
        if leaf and (leaf in kept.free or len(kept.free) < self.FREE):
            return kept._replace(free=tuple(dict.fromkeys((*kept.free, leaf)))), True
        return kept._replace(left=max(0, kept.left - 1)), kept.left > 0

    def _count_refused(self, is_made: bool) -> bool:
        if not is_made:
            with self._lock:
                self.refused += 1
        return is_made

    def record_success(self) -> None:
        """Add one retry to the budget again."""
        with self._lock:
            self._left = min(self._size, self._left + 1)
            self._earned += self._store is not None

    def flush(self) -> None:
        """Let other processes have what was earned here. With a store it waits for that."""
        with self._lock:
            earned, self._earned = self._earned, 0
        if self._store is None or not earned:
            return

        def step(kept: str | None, _now: float) -> tuple[str | None, None]:
            before = self._read(kept)
            after = before._replace(left=min(self._size, before.left + earned))
            return (None if kept is None else json.dumps(after)), None

        with suppress(StoreError):
            self._store.change(self._name, step)

    def _read(self, kept: str | None) -> _Kept:
        """Read what is kept; what cannot be is a new budget."""
        try:
            left, free = json.loads(kept) if kept is not None else (self._size, ())
            return _Kept(max(0, int(left)), tuple(map(str, free)))
        except (ValueError, TypeError):
            return _Kept(self._size, ())
