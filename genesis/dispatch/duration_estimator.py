"""How long leaves take, learned from those that ended in this run."""

from __future__ import annotations

from collections import defaultdict, deque

from genesis.dispatch.limits import OBSERVATIONS
from genesis.model import Leaf, Outcome

__all__ = ["DurationEstimator"]

_LEAST_S = 0.001
"""A leaf that is estimated at nothing counts as this long, so that a ratio exists."""


class DurationEstimator:
    """Scales estimates by what the last few leaves of the same agent and type took of theirs, the slowest counting.

    The scale and not the seconds: estimates differ from leaf to leaf, and are all off by much in a rehearsal.
    """

    def __init__(self) -> None:
        self._scales: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=OBSERVATIONS))

    def learn(self, leaf: Leaf, outcome: Outcome) -> None:
        """Remember what a leaf took. Both times are of the one clock of its worker."""
        if outcome.started_at is None or outcome.ended_at is None:
            return
        took_s = max(0.0, (outcome.ended_at - outcome.started_at).total_seconds())
        self._scales[leaf.agent, leaf.type].append(took_s / max(leaf.seconds, _LEAST_S))

    def expected_s(self, leaf: Leaf) -> float:
        """Return how long a leaf is expected to take; its estimate while nothing is known."""
        scales = self._scales.get((leaf.agent, leaf.type))
        return max(leaf.seconds, _LEAST_S) * max(scales) if scales else leaf.seconds
