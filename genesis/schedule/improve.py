"""A bounded, deterministic search for a better list than the critical-path rule's."""

from __future__ import annotations

from math import ceil, inf
from operator import add
from random import Random

from genesis.schedule.network import Network
from genesis.schedule.passes import CompiledLimits, Direction, Pass, list_schedule

__all__ = ["improve", "lower_bound_s"]

_BUDGET = 30_000
"""Jobs scheduled over all passes, edges counted as below: 20 to 32 ms at most where it was measured."""
_LARGE = 500
"""Number of jobs above which only a quarter of the budget is used, since ranking delays the start of a run."""
_EDGES_PER_JOB = 14
"""Edges that take a pass as long as one job does (0.04 µs against 0.54 µs, least squares over the STG set)."""
_MOST_PASSES = 300
"""Maximum number of passes."""
_LEAST_PASSES = 3
"""Passes of the smallest search: the base, once backwards and once forwards."""
_ROUNDS = 5
"""Justifications in a row of one start, as long as each gains."""
_LIFT_TAILS = 0.2
"""Largest random lift of a tail in a restart from the critical-path rule, as a part of the critical path."""
_LIFT_BEST = 0.1
"""The same in a restart from the best justification so far."""
_CLOSE = 5e-4
"""The search also ends within this fraction of the lower bound: no estimate of a duration is more accurate."""
_SEED = 2005
"""Fixed, so that the same program gets the same schedule everywhere."""
_TOLERANCE = 1e-9
"""Sums of the same durations in another order differ by less than this part of them."""


def improve(network: Network, places: CompiledLimits, tails: list[float], base: list[int]) -> list[int]:
    """Look for a list whose schedule is shorter than the base's.

    Forward-backward improvement, also known as double justification (Li and Willis 1992; Valls, Ballestín and
    Quintanilla, EJOR 165, 2005): schedule backwards in time by latest end first, then forwards by the starts that this
    gave. It is applied to the base, then to restarts by biased random sampling (Kolisch and Hartmann 1999; Tormos and
    Lova 2001): half of them are the tails with seeded noise, half the best justification so far with less noise. The
    search ends near the lower bound, or when its budget of *operations* is used up, never by the clock, so that the
    result is the same on any machine and the cost does not grow with the program: from about 3,000 jobs on there is no
    search at all.

    Args:
        network: The jobs.
        places: The limits.
        tails: Bottom level of each job in seconds.
        base: All job indices, best first: the list to improve.

    Returns:
        A list of all job indices whose schedule is at most as long as the base's; the base itself if none is shorter.
    """
    edges = sum(map(len, network.after))
    budget = _BUDGET if len(base) <= _LARGE else _BUDGET // 4
    passes = min(_MOST_PASSES, budget // (len(base) + edges // _EDGES_PER_JOB + 1))
    if passes < _LEAST_PASSES or not base:
        return base
    return _Search(network, places, tails, passes).run(base)


def lower_bound_s(network: Network, places: CompiledLimits, tails: list[float]) -> float:
    """Return seconds that no schedule can beat: the critical path, the work over the slots, each agent's work.

    Where all durations are whole, so is every makespan of a list schedule, and the bound is rounded up.
    """
    work = [0.0] * len(places.rooms)
    for job, agent in enumerate(places.agents):
        if agent >= 0:
            work[agent] += network.durations[job]
    shares = [total / room for total, room in zip(work, places.rooms, strict=True)]
    bound = max(max(tails, default=0.0), sum(network.durations) / places.slots, *shares)
    whole = all(float(duration).is_integer() for duration in network.durations)
    return ceil(bound * (1 - _TOLERANCE)) if whole else bound


class _Search:
    """The state of one search: the best list so far, the best keys to start again from, and the passes left."""

    def __init__(self, network: Network, places: CompiledLimits, tails: list[float], passes: int) -> None:
        self._durations = network.durations
        self._forwards = Direction.forwards(network)
        self._backwards = Direction.backwards(network)
        self._places = places
        self._tails = tails
        self._passes = passes
        self._enough_s = lower_bound_s(network, places, tails) * (1 + _CLOSE)
        self._random = Random(_SEED)  # noqa: S311 (reproducible noise, nothing secret)
        self._best_s = inf
        self._best: list[int] = []
        self._keys_s = inf
        self._keys = tails

    def run(self, base: list[int]) -> list[int]:
        """Improve the base until the bound is reached or the passes are used up, and return the best list."""
        schedule = self._forward(base)
        while self._going():
            self._justify(schedule)
            if self._going():
                schedule = self._forward(_by_largest(self._restart()))
        return self._best

    def _going(self) -> bool:
        return self._passes > 0 and self._best_s > self._enough_s

    def _justify(self, schedule: Pass) -> None:
        for _ in range(_ROUNDS):
            before_s = schedule.makespan_s
            ends = map(add, schedule.starts, self._durations)
            backwards = list_schedule(self._backwards, self._places, _by_largest(list(ends)))
            self._passes -= 1
            keys = list(map(add, backwards.starts, self._durations))
            schedule = self._forward(_by_largest(keys))
            if schedule.makespan_s <= self._keys_s:
                self._keys_s, self._keys = schedule.makespan_s, keys
            if not self._going() or schedule.makespan_s >= before_s:
                return

    def _forward(self, order: list[int]) -> Pass:
        schedule = list_schedule(self._forwards, self._places, order)
        self._passes -= 1
        if schedule.makespan_s < self._best_s * (1 - _TOLERANCE):
            self._best_s, self._best = schedule.makespan_s, order
        return schedule

    def _restart(self) -> list[float]:
        noise = self._random.random
        from_best = noise() < 1 / 2
        keys = self._keys if from_best else self._tails
        lift_s = max(self._tails) * (_LIFT_BEST if from_best else _LIFT_TAILS)
        return [key + lift_s * noise() for key in keys]


def _by_largest(keys: list[float]) -> list[int]:
    return sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
